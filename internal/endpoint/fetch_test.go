package endpoint_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"reflectionflow/internal/endpoint"
)

func TestFetch(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Mine") != "" {
			t.Error("the secret went to another host")
		}
		io.WriteString(w, "other")
	}))
	defer other.Close()
	otherHost := strings.TrimPrefix(other.URL, "http://")
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key-1" {
			t.Errorf("%s: authorization %q", r.URL, r.Header.Get("Authorization"))
		}
		switch r.URL.Path {
		case "/image", "/v1/image":
			io.WriteString(w, "own")
		case "/to-other":
			http.Redirect(w, r, other.URL+"/x", http.StatusFound)
		case "/to-own":
			http.Redirect(w, r, "/image", http.StatusFound)
		case "/to-metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusTemporaryRedirect)
		case "/to-file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}
	tests := []struct {
		name  string
		url   string // "OWN" and "OTHER" stand for the servers
		allow []string
		want  string // "" for forbidden
	}{
		{"absolute", "OWN/image", nil, "own"},
		{"relative", "/image", nil, "own"},
		{"redirect to itself", "OWN/to-own", nil, "own"},
		{"other host", "OTHER/x", nil, ""},
		{"redirect to another host", "OWN/to-other", nil, ""},
		{"named host", "OTHER/x", []string{otherHost}, "other"},
		{"redirect to a named host", "OWN/to-other", []string{otherHost}, "other"},
		{"private host by star", "OTHER/x", []string{"*"}, ""},
		{"private name by pattern", "http://a.localhost:1/x", []string{"*.localhost"}, ""},
		{"other name for this host", "http://localhost:1/x", nil, ""},
		{"metadata", "http://169.254.169.254/x", []string{"*"}, ""},
		{"redirect to metadata", "OWN/to-metadata", []string{"*"}, ""},
		{"IPv6 loopback", "http://[::1]:80/x", []string{"*"}, ""},
		{"mapped loopback", "http://[::ffff:127.0.0.1]/x", []string{"*"}, ""},
		{"file", "file:///etc/passwd", []string{"*"}, ""},
		{"redirect to a file", "OWN/to-file", []string{"*"}, ""},
		{"user in URL", "http://me:pw@127.0.0.1/x", []string{"*", "127.0.0.1"}, ""},
		{"https of this server", "https://HOST/image", nil, ""},
		{"round and round", "OWN/round", nil, ""},
		{"not a URL", "http://[", nil, ""},
		{"no host", "http:///x", []string{"*"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, server := client(t, handler, func(c *endpoint.Config) {
				c.Secret, c.AllowHosts, c.Retry.Attempts = endpoint.NewSecret("key-1"), tt.allow, 1
				c.Header = http.Header{"X-Mine": {"1"}}
			})
			url := strings.NewReplacer("OWN", server.URL, "OTHER", other.URL, "HOST", strings.TrimPrefix(server.URL, "http://")).Replace(tt.url)
			response, err := c.Fetch(t.Context(), url)
			if tt.want != "" {
				if err != nil || string(response.Body) != tt.want {
					t.Errorf("got %+v, %v", response, err)
				}
				return
			}
			var e *endpoint.Error
			if !errors.As(err, &e) || e.Kind != endpoint.ForbiddenURL && !strings.Contains(e.Message, "not public") && !strings.Contains(e.Message, "no such host") {
				t.Errorf("got %+v, %v, want a forbidden URL", response, err)
			}
		})
	}
}

func TestDecodeBase64(t *testing.T) {
	data := []byte{0xfb, 0xff, 0, 1, 2, 3, 4}
	standard := base64.StdEncoding.EncodeToString(data)
	for name, text := range map[string]string{
		"standard": standard, "no padding": strings.TrimRight(standard, "="), "URL alphabet": base64.URLEncoding.EncodeToString(data),
		"data URI": "data:image/png;base64," + standard, "line breaks": standard[:4] + "\r\n" + standard[4:],
	} {
		if got, err := endpoint.DecodeBase64(text, 100); err != nil || string(got) != string(data) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	for name, text := range map[string]string{
		"cut off": standard[:5], "damaged": "!" + standard, "too long": strings.Repeat("A", 1000), "not base64": "data:text/plain,abc", "open data URI": "data:image/png;base64",
	} {
		if got, err := endpoint.DecodeBase64(text, 100); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func TestStream(t *testing.T) {
	handler, n := replies(status(503, ""), status(200, "event: partial\ndata: {\"a\":\ndata: 1}\n\n: comment\n\ndata: two\r\n\r\ndata: [DONE]\n\ndata: never\n\n", "Content-Type", "text/event-stream"))
	c, _ := client(t, handler)
	var got []string
	plain, err := c.Stream(t.Context(), endpoint.Request{Method: "POST", Path: "/s", Repeat: endpoint.RepeatSafe}, func(e endpoint.Event) error {
		got = append(got, e.Name+"|"+string(e.Data))
		return nil
	})
	if want := "partial|{\"a\":\n1} |two"; err != nil || plain != nil || strings.Join(got, " ") != want || n.Load() != 2 {
		t.Errorf("got %q, %v after %d requests", got, err, n.Load())
	}
}

// TestStreamCut: after the first event nothing is repeated.
func TestStreamCut(t *testing.T) {
	handler, n := replies(func(w http.ResponseWriter, r *http.Request) {
		conn, b, _ := w.(http.Hijacker).Hijack()
		b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\ndata: 1\n\n")
		b.Flush()
		conn.Close()
	})
	c, _ := client(t, handler)
	events := 0
	_, err := c.Stream(t.Context(), endpoint.Request{}, func(endpoint.Event) error { events++; return nil })
	if !endpoint.IsKind(err, endpoint.Interrupted) || events != 1 || n.Load() != 1 {
		t.Errorf("got %v after %d events of %d requests", err, events, n.Load())
	}
}

func TestStreamStops(t *testing.T) {
	handler, n := replies(status(200, "data: 1\n\ndata: 2\n\n", "Content-Type", "text/event-stream"), good)
	c, _ := client(t, handler)
	stop := errors.New("stop")
	if _, err := c.Stream(t.Context(), endpoint.Request{}, func(endpoint.Event) error { return stop }); !errors.Is(err, stop) || n.Load() != 1 {
		t.Errorf("got %v after %d requests", err, n.Load())
	}
	plain, err := c.Stream(t.Context(), endpoint.Request{}, func(endpoint.Event) error { return stop })
	if err != nil || plain == nil || !strings.Contains(string(plain.Body), "ok") {
		t.Errorf("got %+v, %v, want the plain reply", plain, err)
	}
}

func TestHTTPClient(t *testing.T) {
	c, server := client(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Authorization")) },
		func(c *endpoint.Config) { c.Secret = endpoint.NewSecret("key-1") })
	response, err := c.HTTPClient().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); string(body) != "Bearer key-1" {
		t.Errorf("got %q", body)
	}
	if response, err := c.HTTPClient().Get("http://127.0.0.1:1/"); err == nil {
		response.Body.Close()
		t.Error("another origin was called")
	} else if !endpoint.IsKind(err, endpoint.ForbiddenURL) {
		t.Errorf("got %v", err)
	}
}
