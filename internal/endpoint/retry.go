package endpoint

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// shouldRetry returns whether an attempt is repeated and after which wait.
func (c *Client) shouldRetry(r Request, e *Error, attempt int) (time.Duration, bool) {
	if !repeatable(r, e) {
		return 0, false
	}
	return c.wait(e, attempt)
}

// wait returns the wait after the n-th attempt; false if there were enough attempts. It is
// random below an exponentially growing bound ("full jitter", of the usual schemes the one
// with the fewest collisions and calls), or what the server asked for.
func (c *Client) wait(e *Error, attempt int) (time.Duration, bool) {
	retry := c.config.Retry
	if attempt >= retry.Attempts {
		return 0, false
	}
	bound := retry.Cap
	if shift := attempt - 1; shift < 30 && retry.Base<<shift < retry.Cap {
		bound = retry.Base << shift
	}
	wait := c.config.Jitter(bound)
	if e.RetryAfter > 0 {
		if e.RetryAfter > retry.MaxRetryAfter {
			return 0, false
		}
		// Jitter is added, or all waiting calls would return at once.
		wait = e.RetryAfter + c.config.Jitter(min(bound, e.RetryAfter))
		c.pauseUntil(c.config.Clock.Now().Add(e.RetryAfter))
	}
	return wait, true
}

// maxTimeouts is the number of attempts for work that times out: its bound is minutes or
// hours.
const maxTimeouts = 2

// RetryWait returns whether work that failed at its n-th attempt is worth another one, and
// after which wait. It is for protocols whose work takes several calls, such as a job that
// is submitted and polled. What [Client.Do] repeats for every call is not repeated here.
func (c *Client) RetryWait(e *Error, n int) (wait time.Duration, again bool) {
	if e.Permanent() || e.Kind == Timeout && n >= maxTimeouts {
		return 0, false
	}
	switch e.Kind {
	case Status:
		if e.Status == http.StatusTooManyRequests {
			return 0, false
		}
		return c.wait(e, n)
	case Timeout, Interrupted, Failed:
		return c.wait(e, n)
	}
	return 0, false
}

func repeatable(r Request, e *Error) bool {
	if r.Repeat == RepeatNever || e.Permanent() {
		return false
	}
	if e.Kind == Refused || e.Status == http.StatusTooManyRequests {
		return true // the server did nothing
	}
	if r.Repeat == RepeatByMethod && !idempotent(r.Method) {
		return false
	}
	switch e.Kind {
	case Timeout, Interrupted:
		return r.Repeat != RepeatUncharged && e.Phase != "total"
	case Status, Failed: // Failed: an error in a reply of status 200
		return true
	}
	return false
}

func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// retryAfter reads Retry-After, in seconds or as an HTTP date, and the milliseconds that
// OpenAI sends in addition; 0 if there is none or it makes no sense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After-Ms")), 64); err == nil && ms > 0 && ms < 1e9 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if seconds > 0 && seconds < 1e9 {
			return time.Duration(seconds * float64(time.Second))
		}
		return 0
	}
	if date, err := http.ParseTime(text); err == nil && date.After(now) {
		return date.Sub(now)
	}
	return 0
}

// pauseUntil delays all calls of the endpoint: a server that is overloaded is so for all
// of them.
func (c *Client) pauseUntil(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.pause) {
		c.pause = t
	}
}

func (c *Client) awaitPause(ctx context.Context) error {
	c.mu.Lock()
	wait := c.pause.Sub(c.config.Clock.Now())
	c.mu.Unlock()
	if wait <= 0 {
		return ctx.Err()
	}
	return c.config.Clock.Sleep(ctx, wait)
}
