package flux

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/gomlx/compute"

	"reflectionflow"
)

// Options say how a pipeline spreads its work. The zero value suits the CPU.
type Options struct {
	// Lanes is the number of images that one compiled program computes at a time;
	// 0 means 1. Groups that do not fill it are padded. One lane is best on a CPU,
	// where a batch wins nothing, and many on an accelerator.
	Lanes int
	// Workers is the number of groups in flight; 0 means GOMAXPROCS for one lane,
	// else 1.
	Workers int
}

// Pipeline draws pictures with a model. It is a [reflectionflow.Generator].
//
// Every image runs through programs of a fixed batch, Options.Lanes, so that its
// bytes do not depend on the requests beside it. Programs are compiled when first
// needed, which takes longer than to run them.
type Pipeline struct {
	model    *Model
	lanes    int
	workers  int
	programs *programs
}

var _ reflectionflow.Generator = (*Pipeline)(nil)

// NewPipeline returns a pipeline that computes on the backend (see
// [nn.OpenBackend]). The model's store must not change while it draws.
func NewPipeline(backend compute.Backend, model *Model, opts Options) *Pipeline {
	p := &Pipeline{model: model, lanes: max(1, opts.Lanes), workers: opts.Workers}
	if p.workers <= 0 {
		p.workers = 1
		if p.lanes == 1 {
			p.workers = runtime.GOMAXPROCS(0)
		}
	}
	p.programs = &programs{backend: backend, store: model.Store}
	return p
}

// Model returns the model that the pipeline draws with.
func (p *Pipeline) Model() *Model { return p.model }

// shape is what requests must have in common to run through the same programs.
type shape struct {
	grid        Grid // of the latent image
	conditioned bool // with a reference image
	guided      bool // by classifier-free guidance
	steps       int
}

func (p *Pipeline) shape(r reflectionflow.Request) shape {
	unit := 2 * p.model.Folder.VAE.Factor()
	return shape{
		grid: Grid{Rows: r.Height / unit, Cols: r.Width / unit}, steps: r.Steps,
		conditioned: r.Reference != nil,
		guided:      p.model.Settings.ClassifierFreeGuidance && r.Guidance != 1,
	}
}

// group is a set of requests of one shape, at most as many as there are lanes.
type group struct {
	shape    shape
	requests []reflectionflow.Request
	indices  []int // of the requests in the call
}

// Generate draws the requests' images. See [reflectionflow.Generator] for the
// contract. A prompt with words that the model does not know, or longer than its
// text encoder reads, is an error wrapping [reflectionflow.ErrInvalid]; a
// reflection is cut where the text encoder's length ends. An image that comes out
// as NaN carries its own error.
func (p *Pipeline) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	for i, r := range requests {
		if err := p.model.check(r); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
	}
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	groups := p.group(requests)
	todo := make(chan group, len(groups))
	for _, g := range groups {
		todo <- g
	}
	close(todo)
	generations := make([]reflectionflow.Generation, len(requests))
	var workers sync.WaitGroup
	for range min(p.workers, len(groups)) {
		workers.Go(func() {
			for g := range todo {
				if err := p.generate(working, g, generations); err != nil {
					cancel(err) // the first error counts
					return
				}
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := context.Cause(working); err != nil {
		return nil, err
	}
	return generations, nil
}

// group collects requests of equal shape in the order in which they come.
func (p *Pipeline) group(requests []reflectionflow.Request) []group {
	var groups []group
	for i, r := range requests {
		s := p.shape(r)
		at := slices.IndexFunc(groups, func(g group) bool { return g.shape == s && len(g.requests) < p.lanes })
		if at < 0 {
			at = len(groups)
			groups = append(groups, group{shape: s})
		}
		groups[at].requests = append(groups[at].requests, r)
		groups[at].indices = append(groups[at].indices, i)
	}
	return groups
}

// generate draws a group and puts its images in their places.
func (p *Pipeline) generate(ctx context.Context, g group, generations []reflectionflow.Generation) error {
	start := time.Now()
	pixels, err := p.draw(ctx, g)
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds() / float64(len(g.requests))
	for lane, index := range g.indices {
		r := g.requests[lane]
		generation := &generations[index]
		size := 3 * r.Width * r.Height
		picture, err := fromPixels(pixels[lane*size:(lane+1)*size], r.Width, r.Height)
		if err != nil {
			generation.Err = err
		} else {
			generation.Image = picture
		}
		generation.Cost = reflectionflow.Cost{Images: 1, DenoiseSteps: r.Steps, Seconds: seconds}
	}
	return nil
}
