package flux

import (
	"context"
	"fmt"
	"image"
	"math"

	"github.com/gomlx/gomlx/core/tensors"
	"golang.org/x/image/draw"

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
	prompts, err := p.encodeTexts(lanes, g.shape)
	held.keep(prompts...)
	if err != nil {
		return nil, nil, err
	}
	if g.shape.conditioned {
		reference, err := p.encodeReferences(lanes, p.model.Settings.ConditionGrid(g.shape.grid))
		if err != nil {
			return nil, nil, err
		}
		held.keep(reference)
		prompts = append(prompts, reference)
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
		sigmas := p.model.Folder.Scheduler.Sigmas(g.shape.steps, g.shape.grid.Tokens())
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

// encodeTexts returns the outputs of the text encoders, [n, T, d] of T5 and [n, d'] of
// CLIP, for the prompts of all lanes and, with classifier-free guidance, the negative
// prompts after them.
func (p *Pipeline) encodeTexts(lanes []job, sh shape) ([]*tensors.Tensor, error) {
	m, n := p.model, sh.texts()*p.lanes
	length, positions := m.Settings.TextLength, m.Folder.CLIP.Positions
	var t5, clip []int32
	for i := range n {
		r := lanes[i%len(lanes)].request
		text, short := r.Text(), pooledPrompt(r)
		if i >= len(lanes) {
			text, short = negativePrompt(r), ""
		}
		t5IDs, clipIDs := m.TextIDs(text, short)
		t5, clip = append(t5, t5IDs...), append(clip, clipIDs...)
	}
	encoder, err := p.encodeProgram(n)
	if err != nil {
		return nil, err
	}
	var held tensorPool
	defer held.free()
	inputs := []*tensors.Tensor{tensors.FromFlatDataAndDimensions(t5, n, length), tensors.FromFlatDataAndDimensions(clip, n, positions)}
	held.keep(inputs...)
	return encoder.Run(inputs...)
}

// negativePrompt is the T5 prompt that classifier-free guidance steers away from: the
// caption of the reference, or the empty prompt. CLIP's is always empty.
func negativePrompt(r reflectionflow.Request) string {
	if r.Reference == nil {
		return ""
	}
	return r.ReferenceCaption
}

// encodeReferences returns the condition's tokens [lanes, M, C].
func (p *Pipeline) encodeReferences(lanes []job, grid Grid) (*tensors.Tensor, error) {
	unit := 2 * p.model.Folder.VAE.Factor()
	width, height := grid.Cols*unit, grid.Rows*unit
	var pixels []float32
	for _, w := range lanes {
		pixels = append(pixels, toPixels(w.request.Reference, width, height)...)
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
	f := p.model.Folder
	tokens, channels := g.shape.grid.Tokens(), f.Transformer.InChannels
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
	sigmas := f.Scheduler.Sigmas(g.shape.steps, tokens)
	last := sigmas[g.span.to]
	step := func(x *tensors.Tensor, sigma, next float64) (*tensors.Tensor, error) {
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
		return runOnce(program, append(append(levels, guidance), prompts...)...)
	}
	x = tensors.FromFlatDataAndDimensions(latents, len(lanes), tokens, channels)
	x, err = Denoise(ctx, x, sigmas[g.span.from:g.span.to+1], step)
	return x, before, err
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

// Resize scales an image to the size given by Catmull-Rom interpolation, over a white
// background. The pipeline and the training resize references with it.
func Resize(img image.Image, width, height int) *image.RGBA {
	canvas := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(canvas, canvas.Bounds(), image.White, image.Point{}, draw.Src)
	draw.CatmullRom.Scale(canvas, canvas.Bounds(), img, img.Bounds(), draw.Over, nil)
	return canvas
}

// toPixels returns the resized image as [H, W, 3] in [-1, 1].
func toPixels(img image.Image, width, height int) []float32 {
	canvas := Resize(img, width, height)
	pixels := make([]float32, 0, 3*width*height)
	for i := 0; i < len(canvas.Pix); i += 4 {
		for _, v := range canvas.Pix[i : i+3] {
			pixels = append(pixels, float32(v)*(2.0/255)-1)
		}
	}
	return pixels
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
