package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"reflectionflow/internal/history"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/run"
)

// Options are those of a server.
type Options struct {
	Queue *jobs.Queue
	// Models are what jobs may name; the first is the default.
	Models []Served
	// Keys are who may call the API; nil lets everybody who can reach the server.
	Keys *Keys
	// History is the file of the index of jobs; it is built from the events where it is
	// missing.
	History string
	// Keep says how long ended jobs are kept.
	Keep Keep
	// Parallel is how many searches run here at once; 0 means 16.
	Parallel int
	// Hosts are the names in the Host header that are served besides addresses and
	// localhost; others are refused, against DNS rebinding. Nil serves all.
	Hosts []string
	// Origins are those whose pages may call the API, such as https://app.example.com; none
	// where it is empty.
	Origins []string
	// Version and Build are those of the program, for run.json and the API.
	Version string
	Build   *run.Build
	Log     *slog.Logger // nil drops
}

// Server is the service.
type Server struct {
	options Options
	queue   *jobs.Queue
	models  *models
	hub     *hub
	history *history.Store
	log     *slog.Logger
	metrics *metrics
	started time.Time
	ready   chan struct{} // closed when jobs run
	// decoding has a place for each image that is decoded at a time.
	decoding  chan struct{}
	uploads   chan struct{} // has a place for each request with an image, see enterUpload
	verifying waiting
}

// New returns a server, which the caller closes. Models are opened when a job first needs
// them.
func New(ctx context.Context, o Options) (*Server, error) {
	if len(o.Models) == 0 {
		return nil, errors.New("a service without a model")
	}
	if o.Parallel <= 0 {
		o.Parallel = 16
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, queue: o.Queue, models: newModels(ctx, o.Models, runtime.GOMAXPROCS(0)), log: o.Log, started: time.Now().UTC(), ready: make(chan struct{}), decoding: make(chan struct{}, 2), uploads: make(chan struct{}, maxUploads)}
	s.verifying.turns = newTurns(max(1, runtime.GOMAXPROCS(0)/2))
	s.metrics = newMetrics(o.Queue, s.models)
	s.hub = newHub(o.Queue)
	var err error
	s.history, err = history.Open(ctx, o.History, s.models.describe)
	return s, err
}

// Close closes the index. Work has ended before.
func (s *Server) Close() error { return s.history.Close() }

// Work runs jobs, and keeps the index of all of them, until ctx ends.
func (s *Server) Work(ctx context.Context) error {
	stop, err := s.queue.Live("", s.hub.hear)
	if err != nil {
		return err
	}
	defer stop()
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() { s.follow(ctx) })
	others.Go(func() { s.sweep(ctx) })
	close(s.ready)
	return s.queue.Work(ctx, s.options.Parallel, s.search)
}

// follow indexes events and passes them on until ctx ends.
func (s *Server) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.history.Follow(ctx, s.queue, s.hub.receive); err != nil && ctx.Err() == nil {
			s.log.Error("events", "error", err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// Limits of requests.
const (
	maxBody      = 1 << 20  // bytes of a JSON body
	maxUpload    = 32 << 20 // bytes of a form with an image
	readTimeout  = 30 * time.Second
	headerLimits = 64 << 10
)

// HTTP returns the HTTP server for the service, with limits against slow and large
// requests.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: readTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: headerLimits,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// route is a route of the API.
type route struct {
	pattern string
	serve   func(http.ResponseWriter, *http.Request) error
}

// routes are those of the API; openapi.json describes each.
func (s *Server) routes() []route {
	return []route{
		{"POST /v1/images/generations", s.generations},
		{"POST /v1/images/edits", s.edits},
		{"GET /v1/models", s.listModels},
		{"GET /v1/models/{model}", s.getModel},
		{"POST /api/v1/jobs", s.submit},
		{"GET /api/v1/jobs", s.listJobs},
		{"GET /api/v1/jobs/{id}", s.getJob},
		{"POST /api/v1/jobs/{id}/cancel", s.cancel},
		{"POST /api/v1/jobs/{id}/rerun", s.rerun},
		{"DELETE /api/v1/jobs/{id}", s.remove},
		{"GET /api/v1/jobs/{id}/events", s.events},
		{"GET /api/v1/jobs/{id}/candidates", s.candidates},
		{"GET /api/v1/jobs/{id}/images/{candidate}", s.image},
		{"GET /api/v1/jobs/{id}/archive", s.archive},
		{"GET /api/v1/jobs/{id}/reference", s.reference},
		{"PUT /api/v1/jobs/{id}/favourite", s.setFavourite},
		{"DELETE /api/v1/jobs/{id}/favourite", s.setFavourite},
		{"GET /api/v1/health", s.health},
		{"POST /api/v1/verify", s.verify},
		{"GET /api/v1/models", s.describeModels},
		{"GET /api/v1/statistics", s.statistics},
		{"GET /api/v1/openapi.json", openAPI},
	}
}

// Handler returns the routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.pattern, s.guarded(r.serve))
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.readiness)
	collected := s.metrics.handler()
	mux.Handle("GET /metrics", s.guarded(func(w http.ResponseWriter, r *http.Request) error {
		collected.ServeHTTP(w, r)
		return nil
	}))
	mux.Handle("/", pages())
	for _, prefix := range []string{"/v1/", "/api/"} {
		mux.Handle(prefix, noRoute(mux, prefix))
	}
	return s.logged(s.ownHost(s.crossOrigin(mux)))
}

// noRoute replies to requests under a prefix that no route serves.
func noRoute(mux *http.ServeMux, prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != prefix {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 {
			code := "not_found"
			refuse(w, &apiError{status: http.StatusNotFound, Message: fmt.Sprintf("there is no %.100q here: see GET /api/v1/openapi.json", r.URL.Path), Type: "invalid_request_error", Code: &code})
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		refuse(w, &apiError{status: http.StatusMethodNotAllowed, Message: fmt.Sprintf("%.20s is not for %.100q: use %s", r.Method, r.URL.Path, strings.Join(allowed, " or ")), Type: "invalid_request_error"})
	})
}

func (s *Server) readiness(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-s.ready:
		if !s.queue.Healthy() {
			http.Error(w, jobs.ErrStore.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	default:
		http.Error(w, "starting", http.StatusServiceUnavailable)
	}
}

// ownHost refuses names in the Host header that are not the server's: a page elsewhere
// could make its name resolve to this address and read the answers.
func (s *Server) ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		ok := s.options.Hosts == nil || host == "localhost" || net.ParseIP(host) != nil
		for _, allowed := range s.options.Hosts {
			ok = ok || host == strings.ToLower(allowed)
		}
		if !ok {
			refuse(w, &apiError{status: http.StatusMisdirectedRequest, Message: fmt.Sprintf("this server is not %.100s: name it with --host", host), Type: "invalid_request_error"})
			return
		}
		next.ServeHTTP(w, r)
	})
}
