package flux

import (
	"context"
	"fmt"
	"image"
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

// Pipeline draws pictures with a model. It is a [reflectionflow.Generator] and a
// [reflectionflow.Previewer].
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

var _ reflectionflow.Previewer = (*Pipeline)(nil)

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

// span is a part of a denoising: the steps from to to-1.
type span struct{ from, to int }

// work is an image to be drawn, wholly or in part.
type work struct {
	request reflectionflow.Request
	span    span
	latents []float32 // where it begins; nil for the noise of its seed
}

// outcome is what came of a work.
type outcome struct {
	picture image.Image // the image, or what it is expected to be
	err     error       // of this image alone
	latents []float32   // where it ends, unless that is the picture
	seconds float64
}

// group is a set of works of one shape and span, at most as many as there are lanes.
type group struct {
	shape   shape
	span    span
	works   []work
	indices []int // of the works in the call
}

// Generate draws the requests' images. See [reflectionflow.Generator] for the
// contract. A prompt with words that the model does not know, or longer than its
// text encoder reads, is an error wrapping [reflectionflow.ErrInvalid]; a
// reflection is cut where the text encoder's length ends. An image that comes out
// as NaN carries its own error.
func (p *Pipeline) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	works := make([]work, len(requests))
	for i, r := range requests {
		works[i] = work{request: r, span: span{0, r.Steps}}
	}
	return p.finish(ctx, works)
}

// Check implements [reflectionflow.RequestChecker]: it reports sizes and words that the
// model does not know, and a reference image where the model has no corrector.
func (p *Pipeline) Check(r reflectionflow.Request) error { return p.model.check(r) }

// finish draws works to their last step.
func (p *Pipeline) finish(ctx context.Context, works []work) ([]reflectionflow.Generation, error) {
	outcomes, err := p.run(ctx, works)
	if err != nil {
		return nil, err
	}
	generations := make([]reflectionflow.Generation, len(works))
	for i, o := range outcomes {
		steps := works[i].span.to - works[i].span.from
		generations[i] = reflectionflow.Generation{
			Image: o.picture, Err: o.err,
			Cost: reflectionflow.Cost{Images: 1, DenoiseSteps: steps, Seconds: o.seconds},
		}
	}
	return generations, nil
}

// run does all works, groups of them side by side.
func (p *Pipeline) run(ctx context.Context, works []work) ([]outcome, error) {
	for i, w := range works {
		if err := p.model.check(w.request); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
	}
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	groups := p.group(works)
	todo := make(chan group, len(groups))
	for _, g := range groups {
		todo <- g
	}
	close(todo)
	outcomes := make([]outcome, len(works))
	var workers sync.WaitGroup
	for range min(p.workers, len(groups)) {
		workers.Go(func() {
			for g := range todo {
				if err := p.do(working, g, outcomes); err != nil {
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
	return outcomes, nil
}

// group collects works of equal shape and span in the order in which they come.
func (p *Pipeline) group(works []work) []group {
	var groups []group
	for i, w := range works {
		s := p.shape(w.request)
		at := slices.IndexFunc(groups, func(g group) bool { return g.shape == s && g.span == w.span && len(g.works) < p.lanes })
		if at < 0 {
			at = len(groups)
			groups = append(groups, group{shape: s, span: w.span})
		}
		groups[at].works = append(groups[at].works, w)
		groups[at].indices = append(groups[at].indices, i)
	}
	return groups
}

// do draws a group and puts what came of it in its places.
func (p *Pipeline) do(ctx context.Context, g group, outcomes []outcome) error {
	start := time.Now()
	pixels, latents, err := p.draw(ctx, g)
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds() / float64(len(g.works))
	for lane, index := range g.indices {
		r := g.works[lane].request
		o := outcome{seconds: seconds}
		size := 3 * r.Width * r.Height
		o.picture, o.err = fromPixels(pixels[lane*size:(lane+1)*size], r.Width, r.Height)
		if latents != nil {
			size = len(latents) / p.lanes
			o.latents = latents[lane*size : (lane+1)*size]
		}
		outcomes[index] = o
	}
	return nil
}
