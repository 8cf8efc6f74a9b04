package flux

import (
	"context"
	"fmt"
	"slices"

	"reflectionflow"
)

// partial is the state of a preview.
type partial struct {
	latents []float32 // [N, C] of a partly denoised image
	next    int       // the step that follows
}

// Preview implements [reflectionflow.Previewer]: it takes the first steps and decodes
// the expected latents (see expectedLatents), which needs no further run of the
// transformer. An image that starts from a noised reference takes one step at
// least. Finish encodes the reference again.
func (p *Pipeline) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	jobs := make([]job, len(requests))
	for i, r := range requests {
		if err := r.Validate(); err == nil && (steps < 1 || steps >= r.Steps) {
			return nil, fmt.Errorf("%w: request %d: a preview after %d of %d steps: must be from 1 to %d", reflectionflow.ErrInvalid, i, steps, r.Steps, r.Steps-1)
		}
		start := p.start(r)
		jobs[i] = job{request: r, span: span{start, max(steps, start+1)}}
	}
	results, err := p.run(ctx, jobs)
	if err != nil {
		return nil, err
	}
	previews := make([]reflectionflow.Preview, len(jobs))
	for i, o := range results {
		previews[i] = reflectionflow.Preview{
			Request: requests[i], Steps: steps, Image: o.image, Err: o.err,
			Cost:  reflectionflow.Cost{DenoiseSteps: jobs[i].span.to - jobs[i].span.from, Seconds: o.seconds},
			State: partial{slices.Clone(o.latents), jobs[i].span.to},
		}
	}
	return previews, nil
}

// Finish implements [reflectionflow.Previewer].
func (p *Pipeline) Finish(ctx context.Context, previews []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	jobs := make([]job, len(previews))
	for i, v := range previews {
		begun, ok := v.State.(partial)
		if !ok || v.Err != nil || v.Steps < 1 || v.Steps >= v.Request.Steps || len(begun.latents) != p.spec.grid(v.Request).Tokens()*p.spec.Channels {
			return nil, fmt.Errorf("%w: preview %d cannot be finished: it failed, or another generator made it", reflectionflow.ErrInvalid, i)
		}
		jobs[i] = job{request: v.Request, span: span{begun.next, v.Request.Steps}, latents: begun.latents}
	}
	return p.finish(ctx, jobs)
}

// expectedLatents extrapolates the straight line of a rectified flow to sigma 0 (arXiv
// 2209.03003): x − next·v, with the velocity v = (x − before)/(next − sigma) of the
// Euler step from before, at sigma, to x, at next.
func expectedLatents(before, x []float32, sigma, next float64) []float32 {
	clean := make([]float32, len(x))
	for i, v := range x {
		velocity := (float64(v) - float64(before[i])) / (next - sigma)
		clean[i] = float32(float64(v) - next*velocity)
	}
	return clean
}
