package endpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// clock advances only by Sleep.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, d)
	c.now = c.now.Add(d)
	return ctx.Err()
}

// client returns a client for a handler on the loopback interface.
func client(t *testing.T, handler http.HandlerFunc, set ...func(*endpoint.Config)) (*endpoint.Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config := endpoint.Config{
		Name: "double", BaseURL: server.URL + "/v1", Clock: newClock(),
		Jitter: func(limit time.Duration) time.Duration { return limit },
	}
	for _, f := range set {
		f(&config)
	}
	c, err := endpoint.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c, server
}

// replies answers the n-th request with the n-th function, later ones with the last.
func replies(list ...http.HandlerFunc) (http.HandlerFunc, *atomic.Int32) {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		list[min(i, len(list)-1)](w, r)
	}, &n
}

func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

func reset(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	buffered.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half\":")
	buffered.Flush()
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// silent sends a part of a body and then nothing until the client leaves.
func silent(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "{")
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

// mute never answers.
func mute(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

var good = status(200, `{"ok":true}`, "Content-Type", "application/json")

func TestFaults(t *testing.T) {
	short := func(c *endpoint.Config) { c.Timeouts.Idle = 30 * time.Millisecond }
	deaf := func(c *endpoint.Config) {
		c.Timeouts.Headers, c.Timeouts.Connect, c.Timeouts.TLS = time.Second, -1, -1
	}
	small := func(c *endpoint.Config) { c.MaxResponse = 4 }
	tests := []struct {
		name     string
		server   []http.HandlerFunc
		request  endpoint.Request
		set      func(*endpoint.Config)
		kind     endpoint.Kind // "" for success
		phase    string
		attempts int32
		invalid  bool
		message  string
	}{
		{name: "success", server: []http.HandlerFunc{good}, attempts: 1},
		{name: "500 then success", server: []http.HandlerFunc{status(500, ""), status(503, ""), good}, attempts: 3},
		{name: "500 for ever", server: []http.HandlerFunc{status(500, `{"error":{"message":"out of memory"}}`)}, kind: endpoint.Status, attempts: 4, message: "out of memory"},
		{name: "500 to a post", server: []http.HandlerFunc{status(500, "")}, request: endpoint.Request{Method: "POST"}, kind: endpoint.Status, attempts: 1},
		{name: "500 to a safe post", server: []http.HandlerFunc{status(500, ""), good}, request: endpoint.Request{Method: "POST", Repeat: endpoint.RepeatSafe}, attempts: 2},
		{name: "an image to llama.cpp without a projector", server: []http.HandlerFunc{status(500, `{"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}`)}, request: endpoint.Request{Method: "POST", Repeat: endpoint.RepeatSafe}, kind: endpoint.Status, attempts: 1, invalid: true, message: "mmproj"},
		{name: "an empty account", server: []http.HandlerFunc{status(429, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, "Retry-After", "1")}, kind: endpoint.Status, attempts: 1, message: "exceeded your current quota"},
		{name: "an empty account without a code", server: []http.HandlerFunc{status(429, `{"detail":"You exceeded your current quota, please check your plan and billing details."}`)}, kind: endpoint.Status, attempts: 1, message: "billing"},
		{name: "no credits", server: []http.HandlerFunc{status(402, `{"error":{"message":"Insufficient credits","code":402}}`)}, kind: endpoint.Status, attempts: 1, invalid: true, message: "Insufficient credits"},
		{name: "a prompt that is too long with 500", server: []http.HandlerFunc{status(500, `{"error":{"code":500,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error"}}`)}, kind: endpoint.Status, attempts: 1, message: "context size"},
		{name: "an error with 200", server: []http.HandlerFunc{status(200, `{"ok":"no","error":{"message":"the model\u0007 crashed\n(\u001b[31mhard)","code":"server_error"}}`)}, kind: endpoint.Failed, attempts: 4, message: "the model crashed ([31mhard)"},
		{name: "an error text with 200", server: []http.HandlerFunc{status(200, `{"ok":"no","error":"no free slot"}`)}, kind: endpoint.Failed, attempts: 4, message: "no free slot"},
		{name: "a status as code with 200", server: []http.HandlerFunc{status(200, `{"ok":"no","error":{"message":"upstream overloaded","code":503}}`), good}, attempts: 2},
		{name: "an empty account with 200", server: []http.HandlerFunc{status(200, `{"ok":"no","error":{"message":"top up","code":"insufficient_quota"}}`)}, kind: endpoint.Failed, attempts: 1, message: "top up"},
		{name: "425", server: []http.HandlerFunc{status(425, ""), good}, attempts: 2},
		{name: "429 to a post", server: []http.HandlerFunc{status(429, ""), good}, request: endpoint.Request{Method: "POST"}, attempts: 2},
		{name: "429 never repeated", server: []http.HandlerFunc{status(429, "")}, request: endpoint.Request{Repeat: endpoint.RepeatNever}, kind: endpoint.Status, attempts: 1},
		{name: "409 and 408", server: []http.HandlerFunc{status(409, ""), status(408, ""), good}, attempts: 3},
		{name: "501", server: []http.HandlerFunc{status(501, "")}, kind: endpoint.Status, attempts: 1},
		{name: "400", server: []http.HandlerFunc{status(400, `{"error":"no such size"}`)}, kind: endpoint.Status, attempts: 1, invalid: true, message: "no such size"},
		{name: "422 of FastAPI", server: []http.HandlerFunc{status(422, `{"detail":[{"msg":"field required"}]}`)}, kind: endpoint.Status, attempts: 1, invalid: true, message: "field required"},
		{name: "401", server: []http.HandlerFunc{status(401, `{"error":{"message":"bad key","code":"invalid_api_key"}}`)}, kind: endpoint.Status, attempts: 1, invalid: true, message: "bad key"},
		{name: "HTML page with 502", server: []http.HandlerFunc{status(502, "<html>\x1b[31m</html>"), good}, attempts: 2},
		{name: "redirect", server: []http.HandlerFunc{status(302, "", "Location", "http://192.0.2.1/")}, kind: endpoint.Status, attempts: 1, message: "redirects to"},
		{name: "reset in mid-body", server: []http.HandlerFunc{reset, good}, attempts: 2},
		{name: "reset to a post", server: []http.HandlerFunc{reset}, request: endpoint.Request{Method: "POST"}, kind: endpoint.Interrupted, phase: "body", attempts: 1},
		{name: "slow loris", server: []http.HandlerFunc{silent}, set: short, kind: endpoint.Timeout, phase: "body", request: endpoint.Request{Repeat: endpoint.RepeatNever}, attempts: 1},
		{name: "no headers", server: []http.HandlerFunc{mute}, set: deaf, kind: endpoint.Timeout, phase: "headers", request: endpoint.Request{Repeat: endpoint.RepeatNever}, attempts: 1},
		{name: "too slow in all", server: []http.HandlerFunc{mute}, set: func(c *endpoint.Config) { c.Timeouts.Total = time.Second }, kind: endpoint.Timeout, phase: "total", attempts: 1},
		{name: "too large", server: []http.HandlerFunc{good}, set: small, kind: endpoint.TooLarge, attempts: 1},
		{name: "too large without a length", server: []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			io.WriteString(w, "12345")
		}}, set: small, kind: endpoint.TooLarge, attempts: 1},
		{name: "larger bound of the call", server: []http.HandlerFunc{good}, set: small, request: endpoint.Request{MaxResponse: 100}, attempts: 1},
		{name: "HTML page with 200", server: []http.HandlerFunc{status(200, "<!DOCTYPE html><p>Log in</p>")}, kind: endpoint.Malformed, attempts: 1, message: "HTML page"},
		{name: "cut JSON", server: []http.HandlerFunc{status(200, `{"ok":tr`)}, kind: endpoint.Malformed, attempts: 1, message: "not JSON"},
		{name: "wrong type", server: []http.HandlerFunc{status(200, `{"ok":"yes"}`)}, kind: endpoint.Malformed, attempts: 1, message: "ok is a string"},
		{name: "empty reply", server: []http.HandlerFunc{status(200, "")}, kind: endpoint.Malformed, attempts: 1, message: "empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			handler, n := replies(tt.server...)
			set := tt.set
			if set == nil {
				set = func(*endpoint.Config) {}
			}
			c, _ := client(t, handler, set)
			var out struct {
				OK bool `json:"ok"`
			}
			response, err := c.JSON(t.Context(), tt.request, nil, &out)
			if got := n.Load(); got != tt.attempts {
				t.Errorf("the server saw %d requests, want %d", got, tt.attempts)
			}
			if tt.kind == "" {
				if err != nil || !out.OK || response.Attempts != int(tt.attempts) {
					t.Errorf("got %+v, %v, want success", response, err)
				}
				return
			}
			var e *endpoint.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Kind != tt.kind || e.Phase != tt.phase || e.Endpoint != "double" || e.Attempts != int(tt.attempts) {
				t.Errorf("got %+v", e)
			}
			if errors.Is(err, reflectionflow.ErrInvalid) != tt.invalid {
				t.Errorf("%v: is it the caller's fault? want %v", err, tt.invalid)
			}
			if !strings.Contains(err.Error(), tt.message) || !strings.Contains(err.Error(), "endpoint double") || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("text %q, want one line with %q and the endpoint", err, tt.message)
			}
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				t.Errorf("%v passes for the end of the caller's context", err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	c, server := client(t, good)
	server.Close()
	_, err := c.Do(t.Context(), endpoint.Request{Method: "POST"})
	var e *endpoint.Error
	if !errors.As(err, &e) || e.Kind != endpoint.Refused || e.Attempts != 4 || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v, want refused after 4 attempts", err)
	}
}

func TestRetryAfter(t *testing.T) {
	tests := map[string]struct {
		header, value string
		want          time.Duration // with the jitter's upper end on top
		attempts      int32
	}{
		"seconds":       {"Retry-After", "7", 7*time.Second + 500*time.Millisecond, 2},
		"milliseconds":  {"Retry-After-Ms", "20", 40 * time.Millisecond, 2},
		"date":          {"Retry-After", "Fri, 02 Jan 2026 03:04:15 GMT", 10*time.Second + 500*time.Millisecond, 2},
		"date gone by":  {"Retry-After", "Fri, 02 Jan 2026 03:04:04 GMT", 500 * time.Millisecond, 2},
		"nonsense":      {"Retry-After", "soon", 500 * time.Millisecond, 2},
		"negative":      {"Retry-After", "-5", 500 * time.Millisecond, 2},
		"a day":         {"Retry-After", "86400", 0, 1},
		"not a number":  {"Retry-After", "NaN", 500 * time.Millisecond, 2},
		"astronomical":  {"Retry-After", "1e300", 500 * time.Millisecond, 2},
		"no header set": {"X-Nothing", "1", 500 * time.Millisecond, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			handler, n := replies(status(429, "", tt.header, tt.value), good)
			fake := newClock()
			c, _ := client(t, handler, func(c *endpoint.Config) { c.Clock = fake })
			_, err := c.Do(t.Context(), endpoint.Request{})
			if (err == nil) != (tt.attempts == 2) || n.Load() != tt.attempts {
				t.Fatalf("%d attempts, error %v", n.Load(), err)
			}
			if tt.attempts == 2 && (len(fake.slept) != 1 || fake.slept[0] != tt.want) {
				t.Errorf("slept %v, want %v", fake.slept, tt.want)
			}
		})
	}
}

// TestBackoff: the bound of the wait doubles up to its cap.
func TestBackoff(t *testing.T) {
	fake := newClock()
	handler, _ := replies(status(500, ""))
	c, _ := client(t, handler, func(c *endpoint.Config) {
		c.Clock, c.Retry = fake, endpoint.Retry{Attempts: 5, Base: time.Second, Cap: 3 * time.Second}
	})
	if _, err := c.Do(t.Context(), endpoint.Request{}); err == nil {
		t.Fatal("no error")
	}
	if got, want := fmt.Sprint(fake.slept), "[1s 2s 3s 3s]"; got != want {
		t.Errorf("slept %s, want %s", got, want)
	}
}

func TestBreaker(t *testing.T) {
	handler, n := replies(status(500, `{"error":"CUDA out of memory"}`))
	c, _ := client(t, handler, func(c *endpoint.Config) {
		c.Breaker.Failures, c.Retry.Attempts = 3, 1
	})
	for range 3 {
		if _, err := c.Do(t.Context(), endpoint.Request{}); !endpoint.IsKind(err, endpoint.Status) {
			t.Fatalf("got %v", err)
		}
	}
	_, err := c.Do(t.Context(), endpoint.Request{})
	if !endpoint.IsKind(err, endpoint.BreakerOpen) || !strings.Contains(err.Error(), "the last was: status 500 Internal Server Error: CUDA out of memory; the next try") {
		t.Errorf("got %v, want an open breaker with the cause", err)
	}
	if n.Load() != 3 {
		t.Errorf("the server saw %d requests, want 3", n.Load())
	}
}

// TestBreakerIgnores: errors of the caller and cancelled calls do not count for the breaker.
func TestBreakerIgnores(t *testing.T) {
	handler, _ := replies(status(400, ""), status(429, ""), status(400, ""), good)
	c, _ := client(t, handler, func(c *endpoint.Config) { c.Breaker.Failures, c.Retry.Attempts = 1, 1 })
	for range 3 {
		c.Do(t.Context(), endpoint.Request{})
	}
	if _, err := c.Do(t.Context(), endpoint.Request{}); err != nil {
		t.Error(err)
	}
}

func TestBreakerCloses(t *testing.T) {
	handler, _ := replies(status(500, ""), good)
	c, _ := client(t, handler, func(c *endpoint.Config) {
		c.Breaker, c.Retry.Attempts = endpoint.Breaker{Failures: 1, Open: time.Nanosecond}, 1
	})
	c.Do(t.Context(), endpoint.Request{})
	if _, err := c.Do(t.Context(), endpoint.Request{}); err != nil {
		t.Error(err)
	}
}

func TestConcurrency(t *testing.T) {
	var now, most atomic.Int32
	both := make(chan struct{}, 2)
	c, _ := client(t, func(http.ResponseWriter, *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		select {
		case both <- struct{}{}: // fills up when two are in here
		case <-both:
		}
		now.Add(-1)
	}, func(c *endpoint.Config) { c.Concurrency = 2 })
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { c.Do(t.Context(), endpoint.Request{}) })
	}
	wg.Wait()
	if most.Load() > 2 {
		t.Errorf("%d calls at a time, want at most 2", most.Load())
	}
}

func TestEndedContext(t *testing.T) {
	entered := make(chan struct{})
	c, _ := client(t, func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}, func(c *endpoint.Config) { c.Concurrency = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if _, err := c.Do(ctx, endpoint.Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := c.Do(ctx, endpoint.Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestSecrets: only the server gets the secret, even if it repeats it.
func TestSecrets(t *testing.T) {
	const key = "sk-very+secret/key"
	for name, auth := range map[string]endpoint.Auth{"bearer": {}, "header": {Header: "x-key"}, "basic": {Basic: true}} {
		t.Run(name, func(t *testing.T) {
			var sent string
			value := key
			if auth.Basic {
				value = "user:" + key
			}
			c, _ := client(t, func(w http.ResponseWriter, r *http.Request) {
				sent = r.Header.Get("Authorization") + r.Header.Get("X-Key")
				w.WriteHeader(401)
				fmt.Fprintf(w, `{"error":{"message":"wrong key %s","code":%q}}`, sent, key)
			}, func(c *endpoint.Config) { c.Secret, c.Auth = endpoint.NewSecret(value), auth })
			_, err := c.Do(t.Context(), endpoint.Request{})
			if sent == "" {
				t.Fatal("no secret was sent")
			}
			var e *endpoint.Error
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			encoded, _ := json.Marshal(e)
			var log strings.Builder
			slog.New(slog.NewJSONHandler(&log, nil)).Info("call", "error", err, "secret", endpoint.NewSecret(value))
			all := fmt.Sprintf("%v %+v %#v %s %s %s", err, e, e, encoded, e.Body, log.String())
			if strings.Contains(all, key) || strings.Contains(all, strings.TrimPrefix(sent, "Basic ")) && auth.Basic {
				t.Errorf("the secret shows in %s", all)
			}
		})
	}
}

func TestSecretShowsNowhere(t *testing.T) {
	s := endpoint.NewSecret("hunter22")
	encoded, _ := json.Marshal(struct{ S endpoint.Secret }{s})
	config := endpoint.Config{Secret: s}
	if all := fmt.Sprintf("%v %s %q %x %d %#v %+v %+v", s, s, s, s, s, s, config, &config) + string(encoded); strings.Contains(all, "hunter22") || strings.Contains(all, fmt.Sprintf("%x", "hunter22")) {
		t.Errorf("the secret shows in %s", all)
	}
}

func TestLoadSecret(t *testing.T) {
	file := t.TempDir() + "/key"
	writeFile(t, file, " sk-1\n")
	empty := t.TempDir() + "/empty"
	writeFile(t, empty, "\n")
	env := func(name string) (string, bool) {
		value, ok := map[string]string{"KEY": "sk-2", "EMPTY": "", "BAD": "sk\n3"}[name]
		return value, ok
	}
	tests := map[string]struct {
		source endpoint.SecretSource
		ok     bool
	}{
		"file": {endpoint.SecretSource{File: file}, true}, "environment": {endpoint.SecretSource{Env: "KEY"}, true},
		"none": {endpoint.SecretSource{}, true}, "both": {endpoint.SecretSource{Env: "KEY", File: file}, false},
		"missing file": {endpoint.SecretSource{File: file + "x"}, false}, "missing variable": {endpoint.SecretSource{Env: "NONE"}, false},
		"empty file": {endpoint.SecretSource{File: empty}, false}, "empty variable": {endpoint.SecretSource{Env: "EMPTY"}, false},
		"line break": {endpoint.SecretSource{Env: "BAD"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			secret, err := endpoint.LoadSecret(tt.source, env)
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Errorf("got %v", err)
			}
			if want := tt.ok && name != "none"; secret.Set() != want {
				t.Errorf("set: %v, want %v", secret.Set(), want)
			}
		})
	}
}

func TestBadConfig(t *testing.T) {
	tests := map[string]endpoint.Config{
		"no name":     {BaseURL: "http://h"},
		"no host":     {Name: "n", BaseURL: "http://"},
		"scheme":      {Name: "n", BaseURL: "file:///etc/passwd"},
		"password":    {Name: "n", BaseURL: "http://user:hunter22@h"},
		"query":       {Name: "n", BaseURL: "http://h?key=hunter22"},
		"not a URL":   {Name: "n", BaseURL: "http://[hunter22"},
		"concurrency": {Name: "n", BaseURL: "http://h", Concurrency: -1},
		"host":        {Name: "n", BaseURL: "http://h", AllowHosts: []string{"http://h/"}},
		"price":       {Name: "n", BaseURL: "http://h", Prices: endpoint.PriceTable{"m": {PerCall: -1}}},
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := endpoint.New(config)
			if !errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), "hunter22") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	c, _ := client(t, good, func(c *endpoint.Config) {
		c.Prices = endpoint.PriceTable{"m": {InputPerMillion: 2, CachedPerMillion: 1, OutputPerMillion: 10, PerImage: .04}, "*": {PerCall: 1}}
	})
	cost := c.Account("m", endpoint.Usage{Calls: 1, TokensIn: 1_000_000, CachedIn: 500_000, TokensOut: 100_000, Images: 2})
	if want := 1 + .5 + 1 + .08; cost.USD < want-1e-9 || cost.USD > want+1e-9 || cost.TokensIn != 1_000_000 || cost.TokensOut != 100_000 {
		t.Errorf("got %+v, want money %v", cost, want)
	}
	if cost := c.Account("other", endpoint.Usage{Calls: 1, TokensIn: -5}); cost.USD != 1 || cost.TokensIn != 0 {
		t.Errorf("got %+v", cost)
	}
	if spent := c.Spent(); spent.Usage.Calls != 2 || spent.Cost < 3.579 || spent.Cost > 3.581 {
		t.Errorf("spent %+v", spent)
	}
}
