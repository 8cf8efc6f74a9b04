package flux

import (
	"context"
	"fmt"
	"image"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gomlx/compute"

	"reflectionflow"
)

// Options say how a pipeline divides its work. The zero value is for the CPU.
type Options struct {
	// Lanes is the batch size of the compiled programs, in images; 0 means 1. Smaller
	// groups are padded. 1 is best on a CPU, where a batch is no faster per image, and
	// more on an accelerator.
	Lanes int
	// Workers is the number of groups computed concurrently; 0 means GOMAXPROCS for
	// one lane, else 1. Each takes memory of its own beyond the weights.
	Workers int
	// Img2Img is the noise level in (0, 1] that a reference is noised to and denoised
	// from (SDEdit, arXiv 2108.01073), by models that cannot correct: diffusers'
	// strength, the share of the steps that are taken. 0 refuses references then.
	Img2Img float64
	// Memory bounds what [Pipeline.Memory] returns for an image, in bytes: larger ones are
	// refused. Fewer embeddings of texts are kept then. 0 is no bound.
	Memory int64
	// Embeddings keeps the embeddings of texts between processes, so that a text is
	// encoded once; nil for a pipeline that keeps them itself alone.
	Embeddings EmbeddingStore
}

// Pipeline generates images with a model. It is a [reflectionflow.Generator] and a
// [reflectionflow.Previewer], and may be used from several goroutines.
//
// Programs have a fixed batch, Options.Lanes, so that the bytes of an image do not
// depend on the other requests of a call. They are compiled on first use, once for
// each image size, with and without a reference.
type Pipeline struct {
	model      Model
	spec       Spec // of the model
	lanes      int
	workers    int
	img2img    float64
	bound      int64
	programs   *programs
	embeddings embeddings
	needs      needs

	sketching  sync.Mutex
	projection *projection // of sketches; nil until the first is asked for
}

var _ reflectionflow.Previewer = (*Pipeline)(nil)

// NewPipeline returns a pipeline that computes on the backend (see
// [nn.OpenBackend]). The model's store must not change while the pipeline is used.
func NewPipeline(backend compute.Backend, model Model, opts Options) *Pipeline {
	p := &Pipeline{model: model, spec: model.Spec(), lanes: max(1, opts.Lanes), workers: opts.Workers, img2img: opts.Img2Img, bound: opts.Memory}
	if p.workers <= 0 {
		p.workers = 1
		if p.lanes == 1 {
			p.workers = runtime.GOMAXPROCS(0)
		}
	}
	p.embeddings.lasting = opts.Embeddings
	p.programs = &programs{backend: backend, store: p.spec.Store}
	return p
}

// Model returns the pipeline's model.
func (p *Pipeline) Model() Model { return p.model }

// shape is what requests of one group have in common.
type shape struct {
	grid       Grid                               // of the latent image
	references [reflectionflow.MaxReferences]Grid // of the encoded references; zero after the last one
	guided     bool                               // with classifier-free guidance
	steps      int
	start      int // the first step; above 0 the reference is noised to its level
	noised     bool
}

// encoded lists the grids of the references.
func (s shape) encoded() []Grid {
	n := slices.Index(s.references[:], Grid{})
	if n < 0 {
		n = len(s.references)
	}
	return s.references[:n]
}

// String names the shape in errors; shapes that differ have different names.
func (s shape) String() string {
	var text strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&text, format, args...) } // a Builder takes everything
	say("of %d×%d tokens", s.grid.Rows, s.grid.Cols)
	if s.guided {
		say(", guided")
	}
	for _, g := range s.encoded() {
		say(", reference of %d×%d", g.Rows, g.Cols)
	}
	if s.noised {
		say(", noised")
	}
	if s.steps+s.start > 0 {
		say(", %d steps from %d", s.steps, s.start)
	}
	return text.String()
}

// conditions lists the grids of the references that are inputs of the denoiser.
func (s shape) conditions() []Grid {
	if s.noised {
		return nil
	}
	return s.encoded()
}

// shape returns the shape of a request, or an error wrapping [reflectionflow.ErrInvalid] for
// one that the model does not have.
func (p *Pipeline) shape(r reflectionflow.Request) (shape, error) {
	if r.Width%p.spec.Unit != 0 || r.Height%p.spec.Unit != 0 {
		return shape{}, fmt.Errorf("%w: size %dx%d: sides must be multiples of %d", reflectionflow.ErrInvalid, r.Width, r.Height, p.spec.Unit)
	}
	sh := shape{grid: p.spec.grid(r), steps: r.Steps, guided: p.spec.Guided != nil && p.spec.Guided(r.Guidance)}
	if r.Reference == nil {
		return sh, nil
	}
	for i, reference := range r.References() {
		frame, err := p.frame(r, reference)
		if err != nil {
			return shape{}, err
		}
		sh.references[i] = frame.Grid(p.spec.Unit)
	}
	if !p.spec.Corrects {
		sh.noised, sh.start = true, firstStep(r.Steps, p.img2img)
	}
	return sh, nil
}

// firstStep is where a reference noised to the level begins (diffusers'
// get_timesteps), but no later than two steps before the end.
func firstStep(steps int, level float64) int {
	taken := min(float64(steps)*level, float64(steps))
	return max(0, min(int(float64(steps)-taken), steps-2))
}

// frame says how a reference of a request is prepared.
func (p *Pipeline) frame(r reflectionflow.Request, reference image.Image) (Frame, error) {
	size := reference.Bounds().Size()
	switch {
	case size.X < 1 || size.Y < 1:
		return Frame{}, fmt.Errorf("%w: the reference image is empty", reflectionflow.ErrInvalid)
	case p.spec.Corrects:
		return p.model.Frame(size, p.spec.grid(r))
	case p.img2img > 0:
		frame := WholeFrame(p.spec.grid(r), p.spec.Unit)
		frame.Lanczos = true
		return frame, nil
	}
	return Frame{}, fmt.Errorf("%w: the model has no corrector: it cannot correct a reference image", reflectionflow.ErrInvalid)
}

// span is a range of denoising steps: from is inclusive, to exclusive.
type span struct{ from, to int }

// job is a request and the denoising steps to take for it.
type job struct {
	request reflectionflow.Request
	span    span
	texts   Texts     // of the request, set by [Pipeline.group]
	latents []float32 // [N, C] before the first step; nil for the beginning
}

// result is the result of one job.
type result struct {
	image    image.Image // the image, or its preview where steps remain
	err      error       // of this image alone
	latents  []float32   // [N, C] after the span; nil where no steps remain
	seconds  float64
	warnings []string
}

// group is the jobs that one run of the programs computes: of one shape and span, at
// most Options.Lanes.
type group struct {
	shape      shape
	span       span
	jobs       []job
	indices    []int                  // of the jobs in the call
	embeddings map[string][][]float32 // of all texts, by key
}

// Generate generates the requests' images, see [reflectionflow.Generator]. A request
// that the model cannot serve is an error wrapping [reflectionflow.ErrInvalid]. An image
// whose pixels are NaN carries an error of its own.
func (p *Pipeline) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	jobs := make([]job, len(requests))
	for i, r := range requests {
		jobs[i] = job{request: r, span: span{p.start(r), r.Steps}}
	}
	return p.finish(ctx, jobs)
}

// Check implements [reflectionflow.RequestChecker]: it reports sizes and texts that the
// model cannot read, a reference image where the model cannot correct one, and images that
// take more than Options.Memory.
func (p *Pipeline) Check(r reflectionflow.Request) error {
	texts, sh, err := p.plan(r)
	if err != nil {
		return err
	}
	return p.fits(r, texts, sh)
}

// plan returns the texts and the shape of a request, or an error wrapping
// [reflectionflow.ErrInvalid] for one that the model cannot serve.
func (p *Pipeline) plan(r reflectionflow.Request) (Texts, shape, error) {
	if err := r.CheckReferences(p.spec.references()); err != nil {
		return Texts{}, shape{}, err
	}
	sh, err := p.shape(r)
	if err != nil {
		return Texts{}, shape{}, err
	}
	texts, err := p.model.Texts(r)
	return texts, sh, err
}

// start returns the first step of a request, 0 for one that is not valid.
func (p *Pipeline) start(r reflectionflow.Request) int {
	if r.Reference == nil || p.spec.Corrects {
		return 0
	}
	return firstStep(r.Steps, p.img2img)
}

// finish takes jobs to their last step.
func (p *Pipeline) finish(ctx context.Context, jobs []job) ([]reflectionflow.Generation, error) {
	results, err := p.run(ctx, jobs)
	if err != nil {
		return nil, err
	}
	generations := make([]reflectionflow.Generation, len(jobs))
	for i, o := range results {
		steps := jobs[i].span.to - jobs[i].span.from
		generations[i] = reflectionflow.Generation{
			Image: o.image, Err: o.err, Warnings: o.warnings,
			Cost: reflectionflow.Cost{Images: 1, DenoiseSteps: steps, Seconds: o.seconds},
		}
	}
	return generations, nil
}

// run runs all jobs, Options.Workers groups at a time.
func (p *Pipeline) run(ctx context.Context, jobs []job) ([]result, error) {
	groups, err := p.group(jobs)
	if err != nil {
		return nil, err
	}
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begun := time.Now()
	embeddings, err := p.embedAll(working, groups)
	if err != nil {
		return nil, err
	}
	share := time.Since(begun).Seconds() / float64(len(jobs))
	todo := make(chan group, len(groups))
	for _, g := range groups {
		g.embeddings = embeddings
		todo <- g
	}
	close(todo)
	results := make([]result, len(jobs))
	var workers sync.WaitGroup
	for range min(p.workers, len(groups)) {
		workers.Go(func() {
			for g := range todo {
				if err := p.runGroup(working, g, results); err != nil {
					cancel(err) // the cause is the first error
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
	for i := range results {
		results[i].seconds += share // of encoding the texts
	}
	return results, nil
}

// group checks the jobs and divides them into groups, in their order.
func (p *Pipeline) group(jobs []job) ([]group, error) {
	var groups []group
	for i, w := range jobs {
		texts, s, err := p.plan(w.request)
		if err == nil {
			err = p.fits(w.request, texts, s)
		}
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		w.texts = texts
		at := slices.IndexFunc(groups, func(g group) bool { return g.shape == s && g.span == w.span && len(g.jobs) < p.lanes })
		if at < 0 {
			at = len(groups)
			groups = append(groups, group{shape: s, span: w.span})
		}
		groups[at].jobs = append(groups[at].jobs, w)
		groups[at].indices = append(groups[at].indices, i)
	}
	return groups, nil
}

// runGroup runs a group and stores its results by the indices of its jobs.
func (p *Pipeline) runGroup(ctx context.Context, g group, results []result) error {
	start := time.Now()
	pixels, latents, err := p.denoiseAndDecode(ctx, g)
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds() / float64(len(g.jobs))
	for lane, index := range g.indices {
		r := g.jobs[lane].request
		o := result{seconds: seconds, warnings: g.jobs[lane].texts.Warnings}
		size := 3 * r.Width * r.Height
		o.image, o.err = fromPixels(pixels[lane*size:(lane+1)*size], r.Width, r.Height)
		if latents != nil {
			size = len(latents) / p.lanes
			o.latents = latents[lane*size : (lane+1)*size]
		}
		results[index] = o
	}
	return nil
}
