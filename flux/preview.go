package flux

import (
	"context"
	"fmt"
	"slices"

	"reflectionflow"
)

// partial is how far a [Pipeline] has drawn an image: latents [N, C].
type partial []float32

// Preview implements [reflectionflow.Previewer]: it takes the first steps and
// decodes the clean latents that the velocity points to (see [expected]), which
// needs no run of the transformer beside the steps themselves. The state is the
// latents alone, [N, C] in float32; Finish encodes texts and reference again.
func (p *Pipeline) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	works := make([]work, len(requests))
	for i, r := range requests {
		if err := r.Validate(); err == nil && (steps < 1 || steps >= r.Steps) {
			return nil, fmt.Errorf("%w: request %d: a preview after %d of %d steps: must be from 1 to %d", reflectionflow.ErrInvalid, i, steps, r.Steps, r.Steps-1)
		}
		works[i] = work{request: r, span: span{0, steps}}
	}
	outcomes, err := p.run(ctx, works)
	if err != nil {
		return nil, err
	}
	previews := make([]reflectionflow.Preview, len(works))
	for i, o := range outcomes {
		previews[i] = reflectionflow.Preview{
			Request: requests[i], Steps: steps, Image: o.picture, Err: o.err,
			Cost:  reflectionflow.Cost{DenoiseSteps: steps, Seconds: o.seconds},
			State: partial(slices.Clone(o.latents)),
		}
	}
	return previews, nil
}

// Finish implements [reflectionflow.Previewer].
func (p *Pipeline) Finish(ctx context.Context, previews []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	works := make([]work, len(previews))
	for i, v := range previews {
		begun, ok := v.State.(partial)
		sh := p.shape(v.Request)
		if !ok || v.Err != nil || v.Steps < 1 || v.Steps >= v.Request.Steps || len(begun) != sh.grid.Tokens()*p.model.Folder.Transformer.InChannels {
			return nil, fmt.Errorf("%w: preview %d cannot be finished: it failed, or is not of this generator", reflectionflow.ErrInvalid, i)
		}
		works[i] = work{request: v.Request, span: span{v.Steps, v.Request.Steps}, latents: begun}
	}
	return p.finish(ctx, works)
}

// expected is where the straight line of a rectified flow ends (arXiv 2209.03003):
// x - sigma·v, with the velocity v = (x - before)/(next - sigma) of the Euler step
// that led from before, at sigma, to x, at next.
func expected(before, x []float32, sigma, next float64) []float32 {
	clean := make([]float32, len(x))
	for i, v := range x {
		velocity := (float64(v) - float64(before[i])) / (next - sigma)
		clean[i] = float32(float64(v) - next*velocity)
	}
	return clean
}
