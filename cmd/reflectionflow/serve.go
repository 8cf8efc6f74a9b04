package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/disk"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

const serveHelp = `Serves searches over HTTP: OpenAI's image API under /v1, an API with events
under /api/v1, and a page to watch searches on.

Jobs, their images and events are in the data folder. A server may be stopped at
any moment: it resumes its jobs when it starts again, and generates nothing twice.`

type serveOptions struct {
	engineOptions
	listen, data, keys string
	name               string // among the servers of a cluster
	hosts, origins     []string
	parallel           int
	keepDays, keepGB   uint
	maxQueued          uint
	open               bool
}

func (p *program) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve searches over HTTP: OpenAI's image API and a page",
		Long:  serveHelp,
		Example: `  reflectionflow serve
  reflectionflow serve --config deployment.yaml --data /srv/reflectionflow --keys keys.txt --listen 0.0.0.0:8080 --host images.example.com
  curl -s http://127.0.0.1:8080/v1/images/generations -H 'Content-Type: application/json' -d '{"prompt": "a photo of two clocks"}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd, o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address and port")
	f.StringVar(&o.data, "data", "data", "folder of jobs, images and events")
	f.StringVar(&o.keys, "keys", "", "file of API keys (see: reflectionflow keys); without it, everybody who can reach the server may use it")
	f.BoolVar(&o.open, "open", false, "listen on an address that others can reach without keys")
	f.StringSliceVar(&o.hosts, "host", nil, "name under which the server is reached, besides localhost and addresses; may be repeated")
	f.StringSliceVar(&o.origins, "cors", nil, "origin whose pages may call the API, such as https://app.example.com; may be repeated; without it none may")
	f.IntVar(&o.parallel, "parallel", 16, "searches that run at once")
	f.UintVar(&o.maxQueued, "max-queued", 10000, "searches that may wait; more are refused with status 429; 0 takes all")
	f.UintVar(&o.keepDays, "keep-days", 0, "delete searches this many days after their end; 0 keeps them")
	f.UintVar(&o.keepGB, "keep-gb", 0, "delete the oldest searches when events and images take more GiB; 0 keeps them")
	registerNATS(f, &o.nats)
	f.StringVar(&o.name, "name", "", "name of this server among those of --nats; default host name and process number")
	f.StringVar(&o.deployment, "config", "", "configuration of generators, verifier and other parts (see: reflectionflow config)")
	f.StringVar(&o.generator, "generator", "", "generate with the server at this URL, see generate")
	f.StringVar(&o.model, "model", "", "model that generates: a name (see: reflectionflow models list), a folder or a file")
	o.registerFiles(f)
	o.registerCompute(f)
	return cmd
}

func (p *program) serve(cmd *cobra.Command, o serveOptions) error {
	if o.keys == "" && !o.open && !loopback(o.listen) {
		return fmt.Errorf("%w: %s can be reached by others: give --keys FILE, or --open to serve everybody", reflectionflow.ErrInvalid, o.listen)
	}
	if err := checkOrigins(o.origins); err != nil {
		return err
	}
	options, err := p.serviceOptions(cmd, &o)
	if err != nil {
		return err
	}
	if err := p.beginComputing(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return fmt.Errorf("%w: --data: %v", reflectionflow.ErrInvalid, err)
	}
	lock, err := disk.LockFolder(o.data)
	if err != nil {
		return fmt.Errorf("%w: --data: %s: %v", reflectionflow.ErrInvalid, o.data, err)
	}
	defer func() { _ = lock.Unlock() }() // the end of the process ends it too
	untrace, err := p.traces(cmd.Context(), func(err error) { options.Log.Warn("traces", "error", err.Error()) })
	if err != nil {
		return err
	}
	defer untrace()
	bus, name, err := p.jobsBus(o)
	if err != nil {
		return err
	}
	defer bus.Close()
	options.Queue, err = jobs.Open(cmd.Context(), bus, jobs.Options{
		Server: name, Report: func(err error) { options.Log.Error("jobs", "error", err.Error()) },
		Limits: limitsOf(options.Keys, o.maxQueued),
	})
	if err != nil {
		return err
	}
	defer options.Queue.Close()
	s, err := service.New(cmd.Context(), options)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // nothing is there alone
	ctx, stop := context.WithCancelCause(cmd.Context())
	onHangup(ctx, func() { reload(options.Keys, options.Log) })
	go func() { stop(bus.Watch(ctx)) }()
	err = p.listen(ctx, o.listen, s)
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	stop(nil)
	return err
}

// serviceOptions opens the models and reads the keys.
func (p *program) serviceOptions(cmd *cobra.Command, o *serveOptions) (service.Options, error) {
	served, err := p.servedModels(cmd, &o.engineOptions)
	if err != nil {
		return service.Options{}, err
	}
	for _, m := range served {
		if _, err := assemble.SearchConfig(m.Search, m.Model); err != nil {
			return service.Options{}, fmt.Errorf("search settings of the configuration, for the generator %s: %w", m.Name, err)
		}
	}
	build := thisBuild()
	options := service.Options{
		Models: served, Parallel: o.parallel, Hosts: o.hosts, Origins: o.origins, Version: programVersion(), Build: &build,
		Log: slog.New(slog.NewJSONHandler(p.stderr, nil)), History: filepath.Join(o.data, "history.db"),
		Keep: service.Keep{Age: time.Duration(o.keepDays) * 24 * time.Hour, Bytes: uint64(o.keepGB) << 30},
	}
	if options.Hosts == nil {
		options.Hosts = []string{}
	}
	if o.keys != "" {
		options.Keys, err = service.OpenKeys(o.keys)
	}
	return options, err
}

// reload reads keys and limits again.
func reload(keys *service.Keys, log *slog.Logger) {
	if keys == nil {
		log.Info("nothing to reload: there are no keys")
		return
	}
	n, err := keys.Reload()
	if err != nil {
		log.Error("keys", "error", err.Error())
	}
	log.Info("reloaded", "keys", n)
}

// jobsBus is where jobs are: the cluster of the flags, or an embedded server. It returns
// the name of this server as well.
func (p *program) jobsBus(o serveOptions) (bus *jobs.Bus, name string, err error) {
	if o.nats.URL == "" {
		bus, err = jobs.Embedded(filepath.Join(o.data, "nats"))
		return bus, "local", err
	}
	if name = o.name; name == "" {
		if name, err = processName(); err != nil {
			return nil, "", err
		}
	}
	bus, err = p.bus(o.nats)
	return bus, name, err
}

// limitsOf returns the limits of the queue: those of an owner's key, and of all.
func limitsOf(keys *service.Keys, maxQueued uint) func(owner string) jobs.Limits {
	return func(owner string) jobs.Limits {
		limits := jobs.Limits{QueuedOfAll: int(maxQueued)} //nolint:gosec // more than memory holds is no limit
		if keys != nil {
			own := keys.Limits(owner)
			limits.Queued, limits.Running = own.Queued, own.Running
		}
		return limits
	}
}

// listen serves until ctx ends, then lets requests and searches stop.
func (p *program) listen(ctx context.Context, address string, s *service.Server) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%w: --listen: %v", reflectionflow.ErrInvalid, err)
	}
	_, _ = fmt.Fprintf(p.stdout, "serving on http://%s\n", listener.Addr())
	server := s.HTTP()
	working, stop := context.WithCancel(ctx)
	defer stop()
	worked := make(chan error, 1)
	go func() { worked <- s.Work(working) }()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case <-ctx.Done():
	case err = <-served:
	case err = <-worked:
		worked <- err
	}
	stop()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if server.Shutdown(closing) != nil { // streams of events do not end by themselves
		_ = server.Close()
	}
	if failure := <-worked; err == nil && !errors.Is(failure, context.Canceled) {
		err = failure
	}
	if errors.Is(err, http.ErrServerClosed) || ctx.Err() != nil {
		return nil
	}
	return err
}

// checkOrigins reports what no browser sends as an origin.
func checkOrigins(list []string) error {
	for _, origin := range list {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Scheme+"://"+u.Host != origin || strings.ToLower(origin) != origin {
			return fmt.Errorf("%w: --cors %.80q: write an origin as https://app.example.com, in small letters and without a path", reflectionflow.ErrInvalid, origin)
		}
	}
	return nil
}

// loopback reports whether an address can be reached from this machine only.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// servedModels are the models that requests may name: the generators of a configuration,
// or the model of the flags, or the embedded one.
func (p *program) servedModels(cmd *cobra.Command, o *engineOptions) ([]service.Served, error) {
	c, err := p.configuration(o, cmd.Flags())
	if err != nil {
		return nil, err
	}
	if c == nil {
		if err := useNATS(assemble.NewConfig("the command line"), o.nats); err != nil {
			return nil, err
		}
		model, err := p.catalog.Find(o.model)
		if err == nil {
			err = o.settle(model)
		}
		return []service.Served{{Name: model.Name, Model: model, Backend: o.backend, Precision: o.precision}}, err
	}
	if err := useNATS(c, o.nats); err != nil {
		return nil, err
	}
	o.nats = c.NATS
	used := c.Use.Generator
	names := []string{used}
	for name, g := range c.Generators {
		if name != used && g.Type != config.Embedded {
			names = append(names, name)
		}
	}
	slices.Sort(names[1:])
	var list []service.Served
	for _, name := range names {
		one := *c
		one.Use.Generator = name
		parts := one.Used()
		model, err := p.builder(parts).Model()
		if err != nil {
			return nil, err
		}
		precision, err := model.PrecisionOf(c.Backend, c.Precision)
		if err != nil {
			return nil, err
		}
		if parts.Precision != "" {
			parts.Precision = precision // as it is recorded
		}
		deployed, err := assemble.Record(parts, library())
		if err != nil {
			return nil, err
		}
		list = append(list, service.Served{Name: name, Model: model, Backend: c.Backend, Precision: precision, Deployment: deployed, Search: c.Search})
	}
	return list, nil
}
