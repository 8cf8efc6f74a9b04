package tuning

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/flux/nn"
	"reflectionflow/flux/safetensors"
)

// Redraw says how many training pictures the base draws over rendered scenes: a
// scene is noised part of the way and denoised by the base with the scene's own
// caption (SDEdit, arXiv 2108.01073). The objects stay where they were and look as
// the base draws them, so a network sees the base's own strokes with a known truth.
type Redraw struct {
	Pictures int     `yaml:"pictures"` // drawn once, before training; 0 for none
	Share    float64 `yaml:"share"`    // of a batch
	// Low and High bound the timestep that a scene is noised to, in (0, 1): the
	// higher, the more the base decides.
	Low   float64 `yaml:"low"`
	High  float64 `yaml:"high"`
	Steps int     `yaml:"steps"` // denoising steps
}

// Validate reports settings that cannot redraw, as an error wrapping
// [reflectionflow.ErrInvalid].
func (r Redraw) Validate() error {
	switch {
	case r.Pictures < 0 || !(r.Share >= 0 && r.Share <= 1):
		return fmt.Errorf("%w: redraw: %d pictures and a share of %v: must be 0 or more, and from 0 to 1", reflectionflow.ErrInvalid, r.Pictures, r.Share)
	case r.Pictures > 0 && (!(r.Low > 0 && r.Low <= r.High && r.High < 1) || r.Steps < 1):
		return fmt.Errorf("%w: redraw: timesteps from %v to %v in %d steps: must rise within (0, 1), in 1 step or more", reflectionflow.ErrInvalid, r.Low, r.High, r.Steps)
	}
	return nil
}

// redrawn are pictures that the base drew over scenes.
type redrawn struct {
	size   int
	seed   uint64
	key    string // names the source
	how    Redraw
	source func(i int) (clipart.Scene, caption, error) // of picture i, always the same
	pixels []uint8                                     // [n, size, size, 3]
}

func (r *redrawn) count() int {
	if r == nil {
		return 0
	}
	return len(r.pixels) / (3 * r.size * r.size)
}

// at returns picture i, not to be changed.
func (r *redrawn) at(i int) []uint8 {
	n := 3 * r.size * r.size
	return r.pixels[i*n : (i+1)*n]
}

// redrawnScenes are redrawn scenes of the prompts of a split.
type redrawnScenes struct {
	*redrawn
	sampler clipart.Sampler
	split   clipart.Split
}

// scene is what picture i was drawn over, and for which prompt.
func (r redrawnScenes) scene(i int) (clipart.Scene, reflectionflow.Prompt) {
	return r.sampler.SampleMixed(r.split, r.rng(i))
}

// rng is the source of scene i. Its streams are apart from those of batches and banks.
func (r redrawnScenes) rng(i int) *rand.Rand {
	return rand.New(rand.NewPCG(r.seed, 1<<61|uint64(i)))
}

// redrawnSplits are redrawn scenes to learn from and to be measured on.
type redrawnSplits struct{ training, held redrawnScenes }

// heldOutRedrawnImages is how many held-out scenes are redrawn to measure a network on.
const heldOutRedrawnImages = 96

// openRedrawnScenes redraws scenes as the base has seen them and keeps the pictures in
// the stage's folder: as many of training prompts as r asks for, and
// [heldOutRedrawnImages] of validation prompts.
func openRedrawnScenes(ctx context.Context, opts StageOptions, stage string, r Recipe, d Detector) (redrawnSplits, error) {
	of := func(split clipart.Split, how Redraw) redrawnScenes {
		return redrawnScenes{redrawn: &redrawn{seed: d.seed(stage), how: how}, split: split}
	}
	training, err := openRedrawnSplit(ctx, opts, stage, r, of(clipart.Train, d.Redraw))
	if err != nil {
		return redrawnSplits{}, err
	}
	d.Redraw.Pictures = min(d.Redraw.Pictures, heldOutRedrawnImages)
	held, err := openRedrawnSplit(ctx, opts, filepath.Join(stage, "held-out"), r, of(clipart.Validation, d.Redraw))
	return redrawnSplits{training, held}, err
}

func openRedrawnSplit(ctx context.Context, opts StageOptions, stage string, r Recipe, s redrawnScenes) (redrawnScenes, error) {
	if err := s.how.Validate(); err != nil || s.how.Pictures == 0 {
		return redrawnScenes{}, err
	}
	folder, err := flux.OpenFolder(opts.model())
	if err != nil {
		return redrawnScenes{}, fmt.Errorf("redrawing scenes needs a trained base: %w", err)
	}
	model, err := flux.LoadModel(folder, nil)
	if err != nil {
		return redrawnScenes{}, err
	}
	data, err := newCaptioned(r)
	if err != nil {
		return redrawnScenes{}, err
	}
	s.size, s.sampler = r.World.Size, data.sampler
	s.source = func(i int) (clipart.Scene, caption, error) {
		rng := s.rng(i)
		scene, prompt := s.sampler.SampleMixed(s.split, rng)
		return scene, caption{long: clipart.TrainingCaption(scene, prompt, rng), short: prompt.Text}, nil
	}
	s.key = fmt.Sprintf("split %v of world %v, first look %v", s.split, r.World, r.Base.FirstLook)
	return s, s.open(ctx, model, opts, opts.stage(stage))
}

// open reads the pictures kept in dir if they are of this base, these settings and
// this source; otherwise it draws them and keeps them there.
func (r *redrawn) open(ctx context.Context, model *flux.Model, opts StageOptions, dir string) error {
	sum, err := fingerprint(model.Store, flux.TransformerPrefix)
	if err != nil {
		return err
	}
	guidance := [2]float64{model.Settings.Guidance, model.Settings.GuidanceRescale}
	key := fmt.Sprintf("%s, %+v, seed %d, base %x, guidance %v", r.key, r.how, r.seed, sum, guidance)
	path := filepath.Join(dir, "redrawn.safetensors")
	shape := []int{r.how.Pictures, r.size, r.size, 3}
	if r.pixels, err = readPixels(path, key, shape); r.pixels != nil || err != nil {
		return err
	}
	if err := r.draw(ctx, model, opts); err != nil {
		return fmt.Errorf("redraw scenes: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tensor := safetensors.Tensor{Name: "pixels", Shape: shape, DType: safetensors.U8, Raw: r.pixels}
	return safetensors.Write(path, []safetensors.Tensor{tensor}, map[string]string{"key": key})
}

// readPixels returns the pixels in the file, or nil if there are none of that key.
func readPixels(path, key string, shape []int) ([]uint8, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	file, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	if file.Metadata()["key"] != key {
		return nil, nil
	}
	info, err := file.Info("pixels")
	if err != nil || info.DType != safetensors.U8 || !slices.Equal(info.Shape, shape) {
		return nil, err
	}
	pixels, err := file.Bytes("pixels")
	return slices.Clone(pixels), err // the file's memory ends with it
}

// redrawBatch is how many pictures are drawn at a time.
const redrawBatch = 8

// draw draws all pictures, batches side by side.
func (r *redrawn) draw(ctx context.Context, model *flux.Model, opts StageOptions) error {
	program, err := redrawProgram(opts.Backend, model, r.size, r.how.Steps)
	if err != nil {
		return err
	}
	defer program.Close()
	size := 3 * r.size * r.size
	batches := (r.how.Pictures + redrawBatch - 1) / redrawBatch
	pixels := make([]uint8, batches*redrawBatch*size)
	err = inParallel(ctx, batches, opts.preparing("redraw scenes", redrawBatch, r.how.Pictures), func(i int) error {
		return r.generateBatch(program, model, i*redrawBatch, pixels[i*redrawBatch*size:(i+1)*redrawBatch*size])
	})
	r.pixels = pixels[:r.how.Pictures*size]
	return err
}

func (r *redrawn) generateBatch(program *nn.Program, model *flux.Model, first int, pixels []uint8) error {
	side, grid := r.size, redrawGrid(model, r.size)
	channels, size := model.Folder.Transformer.InChannels, 3*r.size*r.size
	rendered := make([]uint8, redrawBatch*size)
	var noise, levels []float32
	text := newTexts(model, 2*redrawBatch)
	for i := range redrawBatch {
		rng := rand.New(rand.NewPCG(r.seed, 1<<60|uint64(first+i))) //nolint:gosec // counts from 0
		scene, words, err := r.source(first + i)
		if err != nil {
			return err
		}
		if err := scene.RenderInto(rendered[i*size:(i+1)*size], side, side); err != nil {
			return err
		}
		text.add(words)
		levels = append(levels, float32(r.how.Low+(r.how.High-r.how.Low)*rng.Float64()))
		for range grid.Tokens() * channels {
			noise = append(noise, float32(rng.NormFloat64()))
		}
	}
	for range redrawBatch {
		text.add(caption{}) // for classifier-free guidance
	}
	t5, clip := text.tensors()
	out, err := program.Run(
		tensors.FromFlatDataAndDimensions(rendered, redrawBatch, side, side, 3),
		tensors.FromFlatDataAndDimensions(noise, redrawBatch, grid.Tokens(), channels),
		tensors.FromFlatDataAndDimensions(levels, redrawBatch), t5, clip)
	if err != nil {
		return err
	}
	for i, v := range tensors.MustCopyFlatData[float32](out[0]) {
		pixels[i] = toByte(127.5*float64(v) + 127.5)
	}
	return out[0].FinalizeAll()
}

func redrawGrid(model *flux.Model, side int) flux.Grid {
	unit := 2 * model.Folder.VAE.Factor()
	return flux.Grid{Rows: side / unit, Cols: side / unit}
}

// redrawProgram encodes rendered pictures [B, side, side, 3], noises them to their
// levels [B], takes the given number of guided Euler steps back and decodes.
func redrawProgram(backend compute.Backend, model *flux.Model, side, steps int) (*nn.Program, error) {
	f, grid := model.Folder, redrawGrid(model, side)
	inputs := []shapes.Shape{
		shapes.Make(dtypes.Uint8, redrawBatch, side, side, 3),
		shapes.Make(dtypes.Float32, redrawBatch, grid.Tokens(), f.Transformer.InChannels), shapes.Make(dtypes.Float32, redrawBatch),
		shapes.Make(dtypes.Int32, 2*redrawBatch, model.Settings.TextLength), shapes.Make(dtypes.Int32, 2*redrawBatch, f.CLIP.Positions),
	}
	return nn.Compile(backend, model.Store, inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		noise, level := in[1], in[2]
		mean, _ := flux.Encode(s.In(flux.VAEPrefix), f.VAE, nn.Images(in[0]))
		t := Reshape(level, -1, 1, 1)
		x := Add(Mul(flux.Pack(f.VAE.Scale(mean)), OneMinus(t)), Mul(noise, t))
		text, pooled := flux.T5Encode(s.In(flux.T5Prefix), f.T5, in[3]), flux.CLIPPooled(s.In(flux.CLIPPrefix), f.CLIP, in[4])
		scale := BroadcastToDims(Scalar(s.Graph(), dtypes.Float32, model.Settings.Guidance), redrawBatch)
		for i := range steps {
			sigma := MulScalar(level, 1-float64(i)/float64(steps))
			next := MulScalar(level, 1-float64(i+1)/float64(steps))
			both := Split(flux.Transformer(s.In(flux.TransformerPrefix), f.Transformer, flux.Inputs{
				Latents: Concatenate([]*Node{x, x}, 0), Grid: grid, Text: text, Pooled: pooled, Timestep: Concatenate([]*Node{sigma, sigma}, 0),
			}), 0, 2)
			velocity := flux.RescaleGuidance(x, both[0], flux.Guide(both[0], both[1], scale), sigma, model.Settings.GuidanceRescale)
			x = flux.EulerStep(x, velocity, sigma, next)
		}
		return []*Node{flux.Decode(s.In(flux.VAEPrefix), f.VAE, f.VAE.Unscale(flux.Unpack(x, grid)))}, nil
	}, nn.Options{Name: "redraw"})
}
