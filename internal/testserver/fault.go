package testserver

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
)

// Fault answers one request instead of the honest server, which it may call.
type Fault func(w http.ResponseWriter, r *http.Request, honest http.Handler)

// WithStatus answers with a status, a body and headers (name, value, …).
func WithStatus(status int, body string, headers ...string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body) //nolint:errcheck // the client has left: that is a test too
	}
}

// RateLimited returns n answers of status 429 that ask to wait for so many seconds.
func RateLimited(n int, retryAfter string) []Fault {
	faults := make([]Fault, n)
	for i := range faults {
		faults[i] = WithStatus(http.StatusTooManyRequests, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`, "Retry-After", retryAfter)
	}
	return faults
}

// EmptyAccount returns n answers of OpenAI to an account without credit: status 429, as for
// too many requests.
func EmptyAccount(n int) []Fault {
	return slices.Repeat([]Fault{WithStatus(http.StatusTooManyRequests, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, "Retry-After", "1")}, n)
}

// HTML returns the page of a proxy or a login, with status 200.
func HTML() Fault {
	return WithStatus(http.StatusOK, "<!DOCTYPE html><html><body>Sign in</body></html>", "Content-Type", "text/html")
}

// ResetMidBody does the work, sends half of the reply and resets the connection.
func ResetMidBody() Fault {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		body := record(r, honest)
		resetConnection(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:len(body)/2]))
	}
}

// Drop resets the connection before any reply.
func Drop() Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { resetConnection(w, "") }
}

// SlowLoris sends the first byte of the reply and then nothing until the client leaves.
func SlowLoris() Fault {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		body := record(r, honest)
		w.Write(body[:1]) //nolint:errcheck // the client has left: that is a test too
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		<-r.Context().Done()
	}
}

// Truncated sends the first half of the reply as if it were complete.
func Truncated() Fault {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		body := record(r, honest)
		w.Write(body[:len(body)/2]) //nolint:errcheck // the client has left: that is a test too
	}
}

// Endless sends more white space before the reply than a client should accept.
func Endless(bytesBefore int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		piece := bytes.Repeat([]byte(" "), 64<<10)
		for sent := 0; sent < bytesBefore; sent += len(piece) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
}

// record returns the body of the honest server's reply.
func record(r *http.Request, honest http.Handler) []byte {
	w := httptest.NewRecorder()
	honest.ServeHTTP(w, r)
	return w.Body.Bytes()
}

// resetConnection writes raw bytes and resets the connection.
func resetConnection(w http.ResponseWriter, raw string) {
	h, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	conn, buffered, err := h.Hijack()
	if err != nil {
		return
	}
	io.WriteString(buffered, raw) //nolint:errcheck // the client has left: that is a test too
	buffered.Flush()              //nolint:errcheck // likewise
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) //nolint:errcheck // likewise
	}
	conn.Close() //nolint:errcheck // likewise
}
