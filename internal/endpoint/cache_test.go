package endpoint_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"reflectionflow/internal/endpoint"
)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func withCache(t *testing.T, folder string) func(*endpoint.Config) {
	t.Helper()
	cache, err := endpoint.NewCache(folder)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *endpoint.Config) { c.Cache = cache }
}

func question(body string) endpoint.Request {
	return endpoint.Request{Method: "POST", Path: "/ask", Body: []byte(body), Cacheable: true}
}

func TestCache(t *testing.T) {
	folder := t.TempDir()
	handler, n := replies(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	c, _ := client(t, handler, withCache(t, folder), func(c *endpoint.Config) { c.Secret = endpoint.NewSecret("first-key") })
	ask := func(body string) *endpoint.Response {
		t.Helper()
		response, err := c.Do(t.Context(), question(body))
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	first := ask(`{"a":1,"b":2}`)
	again := ask(`{ "b":2, "a":1 }`)
	if n.Load() != 1 || first.Cached || !again.Cached || string(again.Body) != string(first.Body) {
		t.Errorf("%d requests, second reply %+v", n.Load(), again)
	}
	if ask(`{"a":1,"b":3}`).Cached || ask(`{"a":1.0,"b":2}`).Cached {
		t.Error("another question got the same answer")
	}
	if spent := c.Spent(); spent.CacheHits != 1 || spent.Attempts != 3 {
		t.Errorf("spent %+v", spent)
	}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), "first-key") || strings.HasSuffix(path, ".tmp") {
			t.Errorf("%s holds the secret or is left over", path)
		}
		// Damage every entry: none may be used.
		writeFile(t, path, strings.Replace(string(data), `"sha256":"`, `"sha256":"x`, 1))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if ask(`{"a":1,"b":2}`).Cached {
		t.Error("a damaged entry was believed")
	}
}

// TestCacheAcrossClients: another process with another key shares the replies.
func TestCacheAcrossClients(t *testing.T) {
	folder := t.TempDir()
	handler, n := replies(good)
	c, server := client(t, handler, withCache(t, folder))
	if _, err := c.Do(t.Context(), question("{}")); err != nil {
		t.Fatal(err)
	}
	config := endpoint.Config{Name: "other", BaseURL: server.URL + "/v1", Secret: endpoint.NewSecret("other key")}
	withCache(t, folder)(&config)
	other, err := endpoint.New(config)
	if err != nil {
		t.Fatal(err)
	}
	response, err := other.Do(t.Context(), question("{}"))
	if err != nil || !response.Cached || n.Load() != 1 {
		t.Errorf("got %+v, %v after %d requests", response, err, n.Load())
	}
}

// TestConcurrentEqualCallsShareAReply: concurrent equal calls send one request.
func TestConcurrentEqualCallsShareAReply(t *testing.T) {
	handler, n := replies(good)
	c, _ := client(t, handler, withCache(t, t.TempDir()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.Do(t.Context(), question("{}")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n.Load() != 1 {
		t.Errorf("%d requests, want 1", n.Load())
	}
}

// TestCacheKeepsOnlySuccess: neither errors nor malformed replies are kept.
func TestCacheKeepsOnlySuccess(t *testing.T) {
	handler, n := replies(status(400, "{}"), status(200, "<html>"), good)
	c, _ := client(t, handler, withCache(t, t.TempDir()))
	var out map[string]any
	for i, ok := range []bool{false, false, true, true} {
		_, err := c.JSON(t.Context(), question(""), map[string]int{"n": 1}, &out)
		if (err == nil) != ok {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if n.Load() != 3 {
		t.Errorf("%d requests, want 3", n.Load())
	}
}

// TestCacheWaitEnds: a call that waits for an equal one ends with its context.
func TestCacheWaitEnds(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	c, _ := client(t, func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "{}")
	}, withCache(t, t.TempDir()))
	done := make(chan error)
	go func() {
		_, err := c.Do(t.Context(), question("{}"))
		done <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Do(ctx, question("{}")); err == nil {
		t.Error("no error")
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
