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
	"reflectionflow/clipart/template"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
	"reflectionflow/verifier/detect"
	"reflectionflow/weights/safetensors"
)

// Redraw sets how many training images the base regenerates from rendered scenes. A scene is
// partly noised, and the base denoises it with the scene's own caption (SDEdit, arXiv
// 2108.01073). The objects keep their places and get the look of the base's images, so a
// network sees generated images with known content.
type Redraw struct {
	Images int     `yaml:"pictures"` // number of images, made once before training; 0 for none
	Share  float64 `yaml:"share"`    // share of a batch, in [0, 1]
	// Low and High bound the timestep to which a scene is noised, in (0, 1). At a higher
	// timestep the base changes more.
	Low   float64 `yaml:"low"`
	High  float64 `yaml:"high"`
	Steps int     `yaml:"steps"` // denoising steps, 1 or more
	// Faded keeps images in which an object cannot be seen ([template.Visible]): a base fades some
	// objects, and a network that learned their labels names what nobody can see. Without it a
	// detector and a judge learn from the other images alone.
	Faded bool `yaml:"faded"`
}

// Validate reports settings out of range, as an error wrapping [reflectionflow.ErrInvalid].
func (r Redraw) Validate() error {
	switch {
	case r.Images < 0 || !(r.Share >= 0 && r.Share <= 1):
		return fmt.Errorf("%w: redraw: pictures %d and share %v: must be 0 or more, and from 0 to 1", reflectionflow.ErrInvalid, r.Images, r.Share)
	case r.Images > 0 && (!(r.Low > 0 && r.Low <= r.High && r.High < 1) || r.Steps < 1):
		return fmt.Errorf("%w: redraw: low %v, high %v, %d steps: use 0 < low <= high < 1 and 1 step or more", reflectionflow.ErrInvalid, r.Low, r.High, r.Steps)
	}
	return nil
}

// cacheKey identifies the settings in the metadata of stored images. Its form must not
// change: images with another key are generated again.
func (r Redraw) cacheKey() string {
	return fmt.Sprintf("{Pictures:%d Share:%v Low:%v High:%v Steps:%d}", r.Images, r.Share, r.Low, r.High, r.Steps)
}

// redrawn holds images that the base regenerated from scenes.
type redrawn struct {
	size   int
	seed   uint64
	key    string // identifies the source
	how    Redraw
	source func(i int) (clipart.Scene, caption, error) // scene and caption of image i, always the same
	pixels []uint8                                     // [n, size, size, 3]
}

func (r *redrawn) count() int {
	if r == nil {
		return 0
	}
	return len(r.pixels) / (3 * r.size * r.size)
}

// at returns image i, which must not be changed.
func (r *redrawn) at(i int) []uint8 {
	n := 3 * r.size * r.size
	return r.pixels[i*n : (i+1)*n]
}

// redrawnScenes are redrawn scenes of the prompts of a split.
type redrawnScenes struct {
	*redrawn
	sampler clipart.Sampler
	split   clipart.Split
	kept    []int // the images that are used
}

// count is the number of images that are used.
func (r redrawnScenes) count() int { return len(r.kept) }

// at returns image i of those that are used, which must not be changed.
func (r redrawnScenes) at(i int) []uint8 { return r.redrawn.at(r.kept[i]) }

// scene returns the scene and the prompt of image i of those that are used.
func (r redrawnScenes) scene(i int) (clipart.Scene, reflectionflow.Prompt) {
	return r.sampler.SampleMixed(r.split, r.rng(r.kept[i]))
}

// keep sets the images that are used: those whose objects can all be seen, unless faded ones are
// wanted too.
func (r *redrawnScenes) keep(ctx context.Context) error {
	visible := make([]bool, r.redrawn.count())
	err := detect.ForEach(ctx, len(visible), func(i int) error {
		if r.how.Faded {
			visible[i] = true
			return nil
		}
		scene, _ := r.sampler.SampleMixed(r.split, r.rng(i))
		truth, err := scene.Truth(r.size, r.size)
		if err != nil {
			return err
		}
		seen, err := template.Visible(split(slices.Clone(r.redrawn.at(i)), r.size, r.size)[0], truth)
		visible[i] = !slices.Contains(seen, false)
		return err
	})
	for i, v := range visible {
		if v {
			r.kept = append(r.kept, i)
		}
	}
	if err == nil && len(r.kept) == 0 && len(visible) > 0 {
		return fmt.Errorf("%w: redraw: in each of %d images an object cannot be seen: train the base for longer, or set faded", reflectionflow.ErrInvalid, len(visible))
	}
	return err
}

// rng returns the random source of scene i, in a stream that nothing else uses.
func (r redrawnScenes) rng(i int) *rand.Rand {
	return rand.New(rand.NewPCG(r.seed, 1<<61|uint64(i)))
}

// redrawnSplits are redrawn scenes for training and for measuring.
type redrawnSplits struct{ training, held redrawnScenes }

// heldOutRedrawnImages is the number of held-out scenes that are redrawn to measure a network.
const heldOutRedrawnImages = 96

// openRedrawnScenes redraws scenes with the captions of the base's training, and stores the
// images in the stage's folder: as many of training prompts as r asks for, and
// [heldOutRedrawnImages] of validation prompts.
func openRedrawnScenes(ctx context.Context, opts StageOptions, stage string, r Recipe, d Detector) (redrawnSplits, error) {
	of := func(split clipart.Split, how Redraw) redrawnScenes {
		return redrawnScenes{redrawn: &redrawn{seed: d.seed(stage), how: how}, split: split}
	}
	training, err := openRedrawnSplit(ctx, opts, stage, r, of(clipart.Train, d.Redraw))
	if err != nil {
		return redrawnSplits{}, err
	}
	d.Redraw.Images = min(d.Redraw.Images, heldOutRedrawnImages)
	held, err := openRedrawnSplit(ctx, opts, filepath.Join(stage, "held-out"), r, of(clipart.Validation, d.Redraw))
	return redrawnSplits{training, held}, err
}

func openRedrawnSplit(ctx context.Context, opts StageOptions, stage string, r Recipe, s redrawnScenes) (redrawnScenes, error) {
	if err := s.how.Validate(); err != nil || s.how.Images == 0 {
		return redrawnScenes{}, err
	}
	folder, err := flux1.OpenFolder(opts.model())
	if err != nil {
		return redrawnScenes{}, fmt.Errorf("redrawing scenes needs a trained base: %w", err)
	}
	model, err := flux1.LoadModel(folder, nil)
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
	if err := s.open(ctx, model, opts, opts.stage(stage)); err != nil {
		return redrawnScenes{}, err
	}
	return s, s.keep(ctx)
}

// open reads the images in dir if they are of this base, these settings and this source.
// Otherwise it generates and stores them.
func (r *redrawn) open(ctx context.Context, model *flux1.Model, opts StageOptions, dir string) error {
	sum, err := fingerprint(model.Store, flux1.TransformerPrefix)
	if err != nil {
		return err
	}
	guidance := [2]float64{model.Settings.Guidance, model.Settings.GuidanceRescale}
	key := fmt.Sprintf("%s, %s, seed %d, base %x, guidance %v", r.key, r.how.cacheKey(), r.seed, sum, guidance)
	path := filepath.Join(dir, "redrawn.safetensors")
	shape := []int{r.how.Images, r.size, r.size, 3}
	if r.pixels, err = readPixels(path, key, shape); r.pixels != nil || err != nil {
		return err
	}
	if err := r.generate(ctx, model, opts); err != nil {
		return fmt.Errorf("redraw scenes: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tensor := safetensors.Tensor{Name: "pixels", Shape: shape, DType: safetensors.U8, Raw: r.pixels}
	return safetensors.Write(path, []safetensors.Tensor{tensor}, map[string]string{"key": key})
}

// readPixels returns the pixels in a file, or nil if there are none with that key.
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
	return slices.Clone(pixels), err // closing the file unmaps its memory
}

// redrawBatch is the number of images per run of the program.
const redrawBatch = 8

// generate makes all images, several batches in parallel.
func (r *redrawn) generate(ctx context.Context, model *flux1.Model, opts StageOptions) error {
	program, err := redrawProgram(opts.Backend, model, r.size, r.how.Steps)
	if err != nil {
		return err
	}
	defer program.Close()
	size := 3 * r.size * r.size
	batches := (r.how.Images + redrawBatch - 1) / redrawBatch
	pixels := make([]uint8, batches*redrawBatch*size)
	err = inParallel(ctx, batches, opts.preparing("redraw scenes", redrawBatch, r.how.Images), func(i int) error {
		return r.generateBatch(program, model, i*redrawBatch, pixels[i*redrawBatch*size:(i+1)*redrawBatch*size])
	})
	r.pixels = pixels[:r.how.Images*size]
	return err
}

func (r *redrawn) generateBatch(program *nn.Program, model *flux1.Model, first int, pixels []uint8) error {
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

func redrawGrid(model *flux1.Model, side int) flux.Grid {
	unit := 2 * model.Folder.VAE.Factor()
	return flux.Grid{Rows: side / unit, Cols: side / unit}
}

// redrawProgram encodes rendered images [B, side, side, 3], noises them to their levels [B],
// takes the given number of guided Euler steps back, and decodes.
func redrawProgram(backend compute.Backend, model *flux1.Model, side, steps int) (*nn.Program, error) {
	f, grid := model.Folder, redrawGrid(model, side)
	inputs := []shapes.Shape{
		shapes.Make(dtypes.Uint8, redrawBatch, side, side, 3),
		shapes.Make(dtypes.Float32, redrawBatch, grid.Tokens(), f.Transformer.InChannels), shapes.Make(dtypes.Float32, redrawBatch),
		shapes.Make(dtypes.Int32, 2*redrawBatch, model.Settings.TextLength), shapes.Make(dtypes.Int32, 2*redrawBatch, f.CLIP.Positions),
	}
	return nn.Compile(backend, model.Store, inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		noise, level := in[1], in[2]
		mean, _ := flux.Encode(s.In(flux1.VAEPrefix), f.VAE, nn.Images(in[0]))
		t := Reshape(level, -1, 1, 1)
		x := Add(Mul(flux.Pack(f.VAE.Scale(mean)), OneMinus(t)), Mul(noise, t))
		text, pooled := flux1.T5Encode(s.In(flux1.T5Prefix), f.T5, in[3]), flux1.CLIPPooled(s.In(flux1.CLIPPrefix), f.CLIP, in[4])
		scale := BroadcastToDims(Scalar(s.Graph(), dtypes.Float32, model.Settings.Guidance), redrawBatch)
		for i := range steps {
			sigma := MulScalar(level, 1-float64(i)/float64(steps))
			next := MulScalar(level, 1-float64(i+1)/float64(steps))
			both := Split(flux1.Transformer(s.In(flux1.TransformerPrefix), f.Transformer, flux1.Inputs{
				Latents: Concatenate([]*Node{x, x}, 0), Grid: grid, Text: text, Pooled: pooled, Timestep: Concatenate([]*Node{sigma, sigma}, 0),
			}), 0, 2)
			velocity := flux.RescaleGuidance(x, both[0], flux.Guide(both[0], both[1], scale), sigma, model.Settings.GuidanceRescale)
			x = flux.EulerStep(x, velocity, sigma, next)
		}
		return []*Node{flux.Decode(s.In(flux1.VAEPrefix), f.VAE, f.VAE.Unscale(flux.Unpack(x, grid)))}, nil
	}, nn.Options{Name: "redraw"})
}
