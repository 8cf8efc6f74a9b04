package tuning

import (
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux"
	"reflectionflow/flux/nn"
	"reflectionflow/verifier/detect"
)

// Detector is the recipe of a detector: the verifier's and the judge's.
type Detector struct {
	Architecture string  `yaml:"architecture"` // transformer or residual
	Cell         int     `yaml:"cell"`         // side of a cell in pixels
	Width        int     `yaml:"width"`        // channels
	Depth        int     `yaml:"depth"`        // blocks
	Heads        int     `yaml:"heads"`        // of a transformer's attention
	Hidden       int     `yaml:"hidden"`       // width of a transformer's middle layers
	Groups       int     `yaml:"groups"`       // of a residual network's group norms
	Degrade      Degrade `yaml:"degrade"`
	Train        Config  `yaml:"train"`
}

func (d Detector) config(w World) (detect.Config, error) {
	data, err := newScenes(w)
	if err != nil {
		return detect.Config{}, err
	}
	cfg := detect.Config{
		Architecture: d.Architecture, Classes: data.sampler.Known(), Colors: clipart.Colors(), Side: w.Size, Cell: d.Cell,
		Width: d.Width, Depth: d.Depth, Heads: d.Heads, Hidden: d.Hidden, Groups: d.Groups,
	}.WithDefaults()
	return cfg, cfg.Validate()
}

// Prefixes of the weights of the two detectors in a store, and the names of their
// folders in a model.
const (
	DetectorPrefix = "detector"
	JudgePrefix    = "judge"
)

// DetectorTask learns to read rendered scenes. With a share of degrade.round_trip,
// vae is the configuration of the trained autoencoder whose weights the store
// must hold; otherwise it is not looked at.
func DetectorTask(backend compute.Backend, w World, d Detector, vae flux.AutoencoderConfig) (Task, error) {
	return detectionTask(backend, DetectorPrefix, w, d, vae)
}

// JudgeTask is [DetectorTask] for the judge. Its scenes are drawn from another
// stream than any detector's, whatever the seeds.
func JudgeTask(backend compute.Backend, w World, d Detector, vae flux.AutoencoderConfig) (Task, error) {
	return detectionTask(backend, JudgePrefix, w, d, vae)
}

// judgeStream sets the judge's random streams apart from the detector's.
const judgeStream = 0x6a75646765 << 16

func detectionTask(backend compute.Backend, prefix string, w World, d Detector, vae flux.AutoencoderConfig) (Task, error) {
	cfg, err := d.config(w)
	if err != nil {
		return Task{}, err
	}
	trip, err := newRoundTrip(d.Degrade, d.Train.Batch, w.Size, vae)
	if err != nil {
		return Task{}, err
	}
	data, err := newScenes(w)
	if err != nil {
		return Task{}, err
	}
	seed := d.Train.Seed
	if prefix == JudgePrefix {
		seed ^= judgeStream
	}
	inputs := append([]shapes.Shape{shapes.Make(dtypes.Uint8, d.Train.Batch, w.Size, w.Size, 3)}, cfg.TargetShapes(d.Train.Batch)...)
	return Task{
		Name:   prefix,
		Inputs: append(inputs, trip.shapes()...),
		Loss: func(s nn.Scope, in []*Node) (*Node, []*Node) {
			return detect.Loss(s.In(prefix), cfg, trip.pass(s, nn.Images(in[0]), in[3:]), in[1], in[2])
		},
		Watched:   detect.Watched,
		Trainable: under(prefix),
		Batch: func(index uint64) ([]*tensors.Tensor, error) {
			rng := rand.New(rand.NewPCG(seed, index))
			pictures, target, err := labelled(data, cfg, d, rng)
			if err != nil {
				return nil, fmt.Errorf("draw scenes: %w", err)
			}
			batch := append([]*tensors.Tensor{pictures}, target.Tensors()...)
			return append(batch, trip.noise(rng)...), nil
		},
		Sample: detectionSample(backend, prefix, w, cfg, d.Degrade),
	}, nil
}

// labelled draws one batch of degraded pictures and what is in them.
func labelled(data scenes, cfg detect.Config, d Detector, rng *rand.Rand) (*tensors.Tensor, *detect.Target, error) {
	size, n := data.size, d.Train.Batch
	pixels, target := make([]uint8, 0, n*size*size*3), &detect.Target{}
	for range n {
		scene := data.varied(rng)
		truth, err := scene.Truth(size, size)
		if err != nil {
			return nil, nil, err
		}
		picture := make([]uint8, size*size*3)
		if err := scene.RenderInto(picture, size, size); err != nil {
			return nil, nil, err
		}
		if err := d.Degrade.apply(picture, size, rng); err != nil {
			return nil, nil, err
		}
		pixels = append(pixels, picture...)
		if err := target.Add(cfg, truth); err != nil {
			return nil, nil, err
		}
	}
	return tensors.FromFlatDataAndDimensions(pixels, n, size, size, 3), target, nil
}

// varied draws a scene: that of a training prompt, or one of random objects, so
// that a detector cannot guess from one object what the others must be.
func (s scenes) varied(rng *rand.Rand) clipart.Scene {
	scene, _ := s.sampler.SampleMixed(clipart.Train, rng)
	if rng.IntN(2) == 0 {
		return scene
	}
	classes, colors := s.sampler.Known(), clipart.Colors()
	kind := rng.IntN(len(classes))
	scene.Objects = nil
	for range rng.IntN(6) {
		if rng.IntN(2) == 0 { // else one more of a kind
			kind = rng.IntN(len(classes))
		}
		o := clipart.Placement{Class: classes[kind], Size: 0.22 + 0.5*rng.Float64()*rng.Float64(), Flip: rng.IntN(2) == 0}
		o.Drawing = rng.IntN(clipart.Drawings(o.Class))
		if o.Class != "person" && rng.IntN(2) == 0 {
			o.Color = colors[rng.IntN(len(colors))]
		}
		for range 12 {
			o.X, o.Y = o.Size/2+(1-o.Size)*rng.Float64(), o.Size/2+(1-o.Size)*rng.Float64()
			if !crowded(o, scene.Objects) {
				scene.Objects = append(scene.Objects, o)
				break
			}
		}
	}
	return scene
}

// crowded reports whether an object would cover much of another.
func crowded(o clipart.Placement, others []clipart.Placement) bool {
	for _, p := range others {
		apart := max(o.X-p.X, p.X-o.X, o.Y-p.Y, p.Y-o.Y)
		if (o.Size+p.Size)/2-apart > 0.3*min(o.Size, p.Size) {
			return true
		}
	}
	return false
}

// roundTrip passes the first pictures of a batch through the frozen autoencoder,
// with noise on the latents: what comes out looks like what the base model draws.
type roundTrip struct {
	pictures int
	side     int // of the latents
	level    float64
	vae      flux.AutoencoderConfig
}

func newRoundTrip(d Degrade, batch, size int, vae flux.AutoencoderConfig) (roundTrip, error) {
	if !(d.RoundTrip >= 0 && d.RoundTrip <= 1) {
		return roundTrip{}, fmt.Errorf("%w: degrade: round_trip is %v, must be from 0 to 1", reflectionflow.ErrInvalid, d.RoundTrip)
	}
	t := roundTrip{pictures: int(d.RoundTrip * float64(batch)), level: d.LatentNoise, vae: vae}
	if t.pictures == 0 {
		return roundTrip{}, nil
	}
	if err := vae.Validate(); err != nil {
		return roundTrip{}, fmt.Errorf("degrade by the autoencoder: %w", err)
	}
	t.side = size / vae.Factor()
	return t, nil
}

func (t roundTrip) shapes() []shapes.Shape {
	if t.pictures == 0 {
		return nil
	}
	return []shapes.Shape{shapes.Make(dtypes.Float32, t.pictures, t.side, t.side, t.vae.LatentChannels)}
}

// noise draws the noise on the latents: for each picture of a level of its own,
// from 0 to the recipe's, in standard deviations of the latents.
func (t roundTrip) noise(rng *rand.Rand) []*tensors.Tensor {
	if t.pictures == 0 {
		return nil
	}
	numbers := t.side * t.side * t.vae.LatentChannels
	values := make([]float32, 0, t.pictures*numbers)
	for range t.pictures {
		level := t.level * rng.Float64() / t.vae.ScalingFactor
		for range numbers {
			values = append(values, float32(level*rng.NormFloat64()))
		}
	}
	return []*tensors.Tensor{tensors.FromFlatDataAndDimensions(values, t.pictures, t.side, t.side, t.vae.LatentChannels)}
}

// pass returns images [B, H, W, 3], the first of them as the autoencoder draws
// them.
func (t roundTrip) pass(s nn.Scope, images *Node, noise []*Node) *Node {
	if t.pictures == 0 {
		return images
	}
	s = s.In(flux.VAEPrefix)
	if !s.In("decoder.conv_in").Has("weight") {
		panic(fmt.Errorf("%w: degrade: round_trip needs a trained autoencoder", reflectionflow.ErrInvalid))
	}
	mean, _ := flux.Encode(s, t.vae, SliceAxis(images, 0, AxisRange(0, t.pictures)))
	drawn := StopGradient(ClipScalar(flux.Decode(s, t.vae, Add(mean, noise[0])), -1, 1))
	if t.pictures == images.Shape().Dim(0) {
		return drawn
	}
	return Concatenate([]*Node{drawn, SliceAxis(images, 0, AxisRange(t.pictures))}, 0)
}
