package service

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"reflectionflow/internal/tracing"
)

// ownerKey is the key of a request's owner in its context.
type ownerKey struct{}

// owner is who calls: the name of the key, empty without keys.
func owner(r *http.Request) string {
	name, _ := r.Context().Value(ownerKey{}).(string)
	return name
}

// guarded checks the key of a request, and writes the error of a handler.
func (s *Server) guarded(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if s.options.Keys != nil {
			if err := s.options.Keys.Problem(); err != nil {
				s.log.Error("keys", "error", err.Error())
			}
			name, ok := s.options.Keys.Owner(bearer(r))
			if !ok {
				name, ok = s.linked(r)
			}
			if !ok {
				refuse(w, typed(errKey))
				return
			}
			r = r.WithContext(context.WithValue(r.Context(), ownerKey{}, name))
		}
		if r.Method != http.MethodGet && !s.mayCall(r) && crossSite(r) {
			refuse(w, &apiError{status: http.StatusForbidden, Message: "a page of another site may not call this server", Type: "invalid_request_error"})
			return
		}
		err := s.recovered(serve, w, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		e := typed(err)
		if e.status >= http.StatusInternalServerError {
			s.log.Error("request failed", "path", r.URL.Path, "request", w.Header().Get("X-Request-Id"), "error", err.Error())
		}
		refuse(w, e)
	})
}

// recovered serves a request and turns a panic into an error, which the log describes.
func (s *Server) recovered(serve func(http.ResponseWriter, *http.Request) error, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v at %s", p, debug.Stack())
		}
	}()
	return serve(w, r)
}

// bearer returns the key of a request: of the Authorization header, or of a cookie of the
// page.
func bearer(r *http.Request) string {
	if key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return strings.TrimSpace(key)
	}
	if c, err := r.Cookie("key"); err == nil {
		return c.Value
	}
	return ""
}

// crossSite reports a request that a browser sends for a page of another site.
func crossSite(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" { // which browsers send on any address
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "same-origin" && site != "none"
}

// mayCall reports a request of a page whose origin is allowed.
func (s *Server) mayCall(r *http.Request) bool {
	return slices.Contains(s.options.Origins, r.Header.Get("Origin"))
}

// crossOrigin answers the browsers of pages whose origins are allowed. Keys are sent in the
// Authorization header; cookies are not allowed for them.
func (s *Server) crossOrigin(next http.Handler) http.Handler {
	if len(s.options.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if s.mayCall(r) {
			h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			h.Set("Access-Control-Expose-Headers", "Location, Retry-After, X-Request-Id")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
				h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID")
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// decode reads a JSON body, with the fields of into alone where strict is set.
func decode(w http.ResponseWriter, r *http.Request, into any, strict bool) error {
	return decodeUpTo(w, r, into, strict, maxBody)
}

// decodeUpTo is decode for a body of at most limit bytes.
func decodeUpTo(w http.ResponseWriter, r *http.Request, into any, strict bool, limit int64) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	if strict {
		decoder.DisallowUnknownFields()
	}
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = cmp.Or(err, errors.New("something follows the object"))
	}
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return err
	case errors.Is(err, io.EOF):
		return bad("", "the body is empty: send a JSON object")
	default:
		return bad("", "the body is no valid request: %v", err)
	}
}

// logged gives each request an ID and logs its end. Neither keys nor prompts are logged.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID()
		w.Header().Set("X-Request-Id", id)
		secure(w.Header())
		watched := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		begin, level := time.Now(), slog.LevelInfo
		if strings.HasSuffix(r.URL.Path, "z") || r.URL.Path == "/metrics" {
			level = slog.LevelDebug
		} else {
			ctx, span := tracing.BeginRequest(r.Context(), r.Header.Get("Traceparent"), tracing.Text("http.request.method", r.Method))
			r = r.WithContext(ctx)
			defer func() { endRequest(span, r.Pattern, watched.status) }()
		}
		defer func() {
			took := time.Since(begin)
			s.metrics.request(r.Pattern, watched.status, took)
			s.log.Log(r.Context(), level, "request", "id", id, "method", r.Method, "path", r.URL.Path, "status", watched.status, "seconds", took.Seconds())
		}()
		next.ServeHTTP(watched, r)
	})
}

// endRequest ends the span of a request, named by its route as OpenTelemetry wants.
func endRequest(span *tracing.Span, route string, status int) {
	if route != "" {
		span.Name(route)
	}
	_, path, _ := strings.Cut(route, " ")
	span.Set(tracing.Text("http.route", path), tracing.Number("http.response.status_code", status))
	var err error
	if status >= http.StatusInternalServerError {
		err = errors.New(http.StatusText(status))
	}
	span.End(err)
}

// secure sets the headers that all replies share.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
}

func requestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return "req_" + hex.EncodeToString(b[:])
}

// statusWriter remembers the status of a reply.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] find the writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
