package endpoint

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// again says whether and after which wait an attempt is repeated. The wait is
// drawn from 0 to an exponentially growing bound ("full jitter": of the usual
// schemes the one with the fewest collisions and calls), or is what the server asked for.
func (c *Client) again(r Request, e *Error, attempt int) (time.Duration, bool) {
	retry := c.config.Retry
	if attempt >= retry.Attempts || !repeatable(r, e) {
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
		// The jitter comes on top, or all waiting calls come back at once.
		wait = e.RetryAfter + c.config.Jitter(min(bound, e.RetryAfter))
		c.pauseUntil(c.config.Clock.Now().Add(e.RetryAfter))
	}
	return wait, true
}

func repeatable(r Request, e *Error) bool {
	if r.Repeat == RepeatNever || e.blind() {
		return false
	}
	untouched := e.Kind == Refused || e.Kind == Status && e.Status == http.StatusTooManyRequests
	if untouched {
		return true
	}
	if r.Repeat == RepeatByMethod && !idempotent(r.Method) {
		return false
	}
	switch e.Kind {
	case Timeout, Interrupted:
		return r.Repeat != RepeatUncharged && e.Phase != "total"
	case Status:
		switch e.Status {
		case http.StatusRequestTimeout, http.StatusConflict:
			return true
		case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
			return false
		}
		return e.Status >= 500
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

// retryAfter reads the header's two forms, seconds and an HTTP date, and the
// milliseconds that OpenAI sends beside it; 0 where there is none or it makes no sense.
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

// pauseUntil holds back all calls of the endpoint: when a server says that it has
// enough, that is not about one call.
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
