package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/service"
	"reflectionflow/search"
)

const workerHelp = `Runs the model of this machine for others: for servers that search (serve --nats), and
for evaluate, generate and genref build with a generator of type fleet.

A worker takes only tasks of its own model: one with the same weights, the same
configuration and the same version of the program. Any number of workers may run; they
may come and go. A worker that is stopped (Ctrl-C or SIGTERM) finishes the tasks that it
has; the tasks of one that dies go to another.`

type workerOptions struct {
	engineOptions
	name  string
	roles []string
	slots int
}

func (p *program) workerCommand() *cobra.Command {
	var o workerOptions
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Generate, verify and reflect for servers on other machines",
		Long:  workerHelp,
		Example: `  reflectionflow worker --nats nats://n1:4222
  reflectionflow worker --nats tls://n1:4222,tls://n2:4222 --nats-creds worker.creds --nats-ca ca.pem --config worker.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.work(cmd, o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	registerNATS(f, &o.nats)
	f.StringVar(&o.name, "name", "", "name of this worker; default host name and process number")
	f.StringSliceVar(&o.roles, "roles", roleNames(), "what it does; reflect includes rewriting prompts")
	f.IntVar(&o.slots, "slots", 0, "tasks of each role at once; default the number of CPU cores, or what the generator takes at once")
	f.StringVar(&o.deployment, "config", "", "configuration of generators, verifier and other parts (see: reflectionflow config)")
	f.StringVar(&o.generator, "generator", "", "generate with the server at this URL, see generate")
	f.StringVar(&o.model, "model", "", "model that generates: a name (see: reflectionflow models list), a folder or a file")
	o.registerFiles(f)
	o.registerCompute(f)
	return cmd
}

func roleNames() []string {
	var names []string
	for _, role := range fleet.Roles() {
		names = append(names, string(role))
	}
	return names
}

func (p *program) work(cmd *cobra.Command, o workerOptions) (err error) {
	for _, role := range o.roles {
		if !slices.Contains(roleNames(), role) {
			return fmt.Errorf("%w: --roles: unknown role %.40q: use %s", reflectionflow.ErrInvalid, role, strings.Join(roleNames(), ", "))
		}
	}
	if o.name == "" {
		if o.name, err = processName(); err != nil {
			return err
		}
	}
	served, err := p.servedModels(cmd, &o.engineOptions)
	if err != nil {
		return err
	}
	if o.nats.URL == "" {
		return fmt.Errorf("%w: where are the tasks? give --nats URL, or nats.url in the configuration", reflectionflow.ErrInvalid)
	}
	ctx, model := cmd.Context(), served[0]
	if err := p.beginComputing(); err != nil {
		return err
	}
	if err := serves(model); err != nil {
		return err
	}
	defer p.clusters.close()
	stop, err := p.traces(ctx, func(err error) { _, _ = fmt.Fprintf(p.stderr, "traces: %v\n", err) })
	if err != nil {
		return err
	}
	defer stop()
	f, err := p.fleet(ctx, o.nats) // before the weights are read
	if err != nil {
		return err
	}
	fingerprint, err := model.Model.Verify(ctx)
	if err != nil {
		return fmt.Errorf("model %s: %w", model.Name, err)
	}
	parts, err := model.Model.Open(ctx, config.Compute(model.Backend, model.Precision))
	if err != nil {
		return fmt.Errorf("open model %s: %w", model.Name, err)
	}
	if parts.Closer != nil {
		defer parts.Close()
	}
	e := o.engine(model, parts, fingerprint)
	if err := p.others(ctx, f, e); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.stdout, "worker %s runs %s (%s, fingerprint %.12s, version %s)\n", e.Name, e.Model.Name, strings.Join(o.roles, ", "), e.Model.Fingerprint, e.Model.Version)
	defer context.AfterFunc(ctx, func() {
		_, _ = fmt.Fprintf(p.stdout, "worker %s stops: it finishes the tasks that it has; a second signal ends it at once\n", e.Name)
	})()
	if err := f.Work(ctx, e); ctx.Err() == nil || err == nil {
		return err
	}
	_, _ = fmt.Fprintf(p.stdout, "worker %s has stopped\n", e.Name)
	return nil
}

// serves reports a model that could run no task of its own size, such as one whose images, or corrections where it
// corrects, take more memory than --memory allows.
func serves(m service.Served) error {
	_, err := assemble.SearchConfig(m.Search, m.Model)
	if err == nil || errors.Is(err, assemble.ErrMemory) {
		return err
	}
	m.Search.Strategy = search.Noise // of a model that cannot correct
	_, err = assemble.SearchConfig(m.Search, m.Model)
	return err
}

// others says which workers run other models of the same name: they share no tasks with
// this one, which may be a surprise.
func (p *program) others(ctx context.Context, f *fleet.Fleet, e fleet.Engine) error {
	list, err := f.Workers(ctx)
	for _, w := range list {
		if w.Model == e.Model.Name && w.Fingerprint != e.Model.Fingerprint {
			_, _ = fmt.Fprintf(p.stderr, "worker %s runs another %s (fingerprint %.12s, version %s): it has its own tasks, and a server must choose one by its fingerprint (pin)\n", w.Name, w.Model, w.Fingerprint, w.Version)
		}
	}
	return err
}

// workerSum is the fingerprint of what a worker answers with: a model in one precision, on one
// backend, in one version of the program.
func workerSum(m service.Served, weights string) string {
	return assemble.Sum([]byte(weights + "\n" + config.Compute(cmp.Or(m.Backend, "cpu"), m.Precision) + "\n" + programVersion()))
}

// engine describes what the worker runs.
func (o workerOptions) engine(m service.Served, parts *assemble.Engine, fingerprint string) fleet.Engine {
	e := fleet.Engine{
		Name: o.name, Slots: cmp.Or(o.slots, max(runtime.GOMAXPROCS(0), m.Model.Concurrency)),
		Generator: parts.Generator, Verifier: parts.Verifier, Reflector: parts.Reflector, Refiner: parts.Refiner,
		Model: fleet.Model{
			Name: cmp.Or(m.Model.Shown, m.Name), Fingerprint: workerSum(m, fingerprint), Version: programVersion(),
			Width: m.Model.Width, Height: m.Model.Height, Steps: m.Model.Steps, Guidance: m.Model.Guidance,
			Abilities: reflectionflow.AbilitiesOf(parts.Verifier), NeedsFindings: reflectionflow.NeedsFindings(parts.Reflector),
		},
	}
	for _, role := range o.roles {
		e.Roles = append(e.Roles, fleet.Role(role))
	}
	// A generator that refuses these words anyway is asked by its workers, with the real
	// ones.
	request := reflectionflow.Request{Prompt: "any", Width: e.Model.Width, Height: e.Model.Height, Steps: e.Model.Steps, Guidance: e.Model.Guidance}
	refuses := reflectionflow.CheckRequest(parts.Generator, request) != nil
	request.Reflection = "any"
	e.Model.References = reflectionflow.MostReferences(parts.Generator, request)
	e.Model.Corrects = refuses || e.Model.References > 0
	return e
}
