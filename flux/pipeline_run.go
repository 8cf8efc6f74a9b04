package flux

import (
	"context"
	"fmt"
	"image"
	"math"

	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/nn"
)

// denoiseAndDecode computes a group: the pixels [lanes, H, W, 3] in [-1, 1] of its
// images. Where steps remain, they are those of previews, and latents [lanes, N, C]
// are where the next step begins.
func (p *Pipeline) denoiseAndDecode(ctx context.Context, g group) (pixels, latents []float32, err error) {
	lanes := make([]job, p.lanes)
	for i := range lanes {
		lanes[i] = g.jobs[min(i, len(g.jobs)-1)] // the last job pads the batch
	}
	var held tensorPool
	defer held.free()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	prompts := p.embed(lanes, g)
	held.keep(prompts...)
	for i := range g.shape.encoded() {
		reference, err := p.encodeReferences(lanes, g.shape, i)
		if err != nil {
			return nil, nil, err
		}
		held.keep(reference)
		if !g.shape.noised {
			prompts = append(prompts, reference)
		} else if err := p.begin(lanes, g, reference); err != nil {
			return nil, nil, err
		}
	}
	x, before, err := p.denoise(ctx, lanes, g, prompts)
	if err != nil {
		return nil, nil, err
	}
	held.keep(x)
	if g.span.to < g.shape.steps {
		if latents, err = tensors.CopyFlatData[float32](x); err != nil {
			return nil, nil, fmt.Errorf("read latents: %w", err)
		}
		sigmas := p.model.Sigmas(g.shape.steps, g.shape.grid.Tokens())
		x = tensors.FromFlatDataAndDimensions(expectedLatents(before, latents, sigmas[g.span.to-1], sigmas[g.span.to]), x.Shape().Dimensions...)
		held.keep(x)
	}
	decoder, err := p.decodeProgram(g.shape.grid)
	if err != nil {
		return nil, nil, err
	}
	images, err := runOnce(decoder, x)
	if err != nil {
		return nil, nil, err
	}
	held.keep(images)
	if pixels, err = tensors.CopyFlatData[float32](images); err != nil {
		return nil, nil, fmt.Errorf("read pixels: %w", err)
	}
	return pixels, latents, nil
}

// encodeReferences returns the tokens [lanes, M, C] of the references of that index.
func (p *Pipeline) encodeReferences(lanes []job, sh shape, index int) (*tensors.Tensor, error) {
	grid := sh.references[index]
	width, height := grid.Cols*p.spec.Unit, grid.Rows*p.spec.Unit
	var pixels []float32
	for _, w := range lanes {
		img := w.request.References()[index]
		frame, err := p.frame(w.request, img)
		if err != nil {
			return nil, err
		}
		reference, err := frame.Pixels(img)
		if err != nil {
			return nil, err
		}
		pixels = append(pixels, reference...)
	}
	encoder, err := p.referenceProgram(grid)
	if err != nil {
		return nil, err
	}
	var held tensorPool
	defer held.free()
	images := tensors.FromFlatDataAndDimensions(pixels, len(lanes), height, width, 3)
	held.keep(images)
	return runOnce(encoder, images)
}

// denoise takes every lane through the group's span and returns the latents
// [lanes, N, C]. Where steps remain, before is the latents before the span's last step.
func (p *Pipeline) denoise(ctx context.Context, lanes []job, g group, prompts []*tensors.Tensor) (x *tensors.Tensor, before []float32, err error) {
	tokens, channels := g.shape.grid.Tokens(), p.spec.Channels
	var latents, scales []float32
	for _, w := range lanes {
		if w.latents == nil {
			w.latents = Noise(w.request.Seed, tokens*channels)
		}
		latents = append(latents, w.latents...)
		scales = append(scales, float32(w.request.Guidance))
	}
	program, err := p.stepProgram(g.shape)
	if err != nil {
		return nil, nil, err
	}
	var held tensorPool
	defer held.free()
	guidance := tensors.FromValue(scales)
	held.keep(guidance)
	sigmas := p.model.Sigmas(g.shape.steps, tokens)
	last := sigmas[g.span.to]
	sketches, taken := p.sketcher(ctx, g), g.span.from
	step := func(x *tensors.Tensor, sigma, next float64) (*tensors.Tensor, error) {
		taken++
		levels := []*tensors.Tensor{x, everyLane(sigma, len(lanes)), everyLane(next, len(lanes))}
		var held tensorPool
		held.keep(levels...)
		defer held.free()
		if next == last && next > 0 {
			var err error
			if before, err = tensors.CopyFlatData[float32](x); err != nil {
				return nil, fmt.Errorf("read latents: %w", err)
			}
		}
		inputs := append(append(levels, guidance), prompts...)
		if next > 0 && sketches.due() {
			return sketches.step(program, inputs, level{sigma, next}, taken)
		}
		return runOnce(program, inputs...)
	}
	x = tensors.FromFlatDataAndDimensions(latents, len(lanes), tokens, channels)
	x, err = Denoise(ctx, x, sigmas[g.span.from:g.span.to+1], step)
	return x, before, err
}

// begin sets the latents of lanes that start from noised references [lanes, N, C]:
// (1 − sigma)·reference + sigma·noise, at the level of the first step.
func (p *Pipeline) begin(lanes []job, g group, reference *tensors.Tensor) error {
	values, err := tensors.CopyFlatData[float32](reference)
	if err != nil {
		return fmt.Errorf("read reference: %w", err)
	}
	sigma := float32(p.model.Sigmas(g.shape.steps, g.shape.grid.Tokens())[g.shape.start])
	size := len(values) / len(lanes)
	for i := range lanes {
		if lanes[i].latents != nil {
			continue // a preview is continued
		}
		lanes[i].latents = Noise(lanes[i].request.Seed, size)
		for k, v := range values[i*size : (i+1)*size] {
			lanes[i].latents[k] = (1-sigma)*v + sigma*lanes[i].latents[k]
		}
	}
	return nil
}

func everyLane(v float64, lanes int) *tensors.Tensor {
	values := make([]float32, lanes)
	for i := range values {
		values[i] = float32(v)
	}
	return tensors.FromValue(values)
}

// runOnce runs a program of one output.
func runOnce(p *nn.Program, inputs ...*tensors.Tensor) (*tensors.Tensor, error) {
	out, err := p.Run(inputs...)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// tensorPool frees tensors without waiting for the garbage collector.
type tensorPool []*tensors.Tensor

func (p *tensorPool) keep(t ...*tensors.Tensor) { *p = append(*p, t...) }

func (p *tensorPool) free() {
	for _, t := range *p {
		t.FinalizeAll() //nolint:errcheck // the garbage collector tries again
	}
}

// errNaN is permanent: the same request gives the same image.
var errNaN = fmt.Errorf("%w: the image has pixels that are NaN: check the model's weights", reflectionflow.ErrPermanent)

// fromPixels makes an image of [H, W, 3] in [-1, 1]; other values are clamped.
func fromPixels(pixels []float32, width, height int) (image.Image, error) {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		for c := range 3 {
			v := float64(pixels[3*i+c])
			if math.IsNaN(v) {
				return nil, errNaN
			}
			img.Pix[4*i+c] = uint8(math.RoundToEven(255 * min(1, max(0, v/2+0.5))))
		}
		img.Pix[4*i+3] = 255
	}
	return img, nil
}
