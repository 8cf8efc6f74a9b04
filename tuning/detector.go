package tuning

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/clipart"
	"reflectionflow/nn"
	"reflectionflow/verifier/detect"
)

// Detector is the recipe of a detector: that of the verifier or the judge.
type Detector struct {
	Architecture string  `yaml:"architecture"` // transformer or residual
	Cell         int     `yaml:"cell"`         // side of a cell in pixels
	Width        int     `yaml:"width"`        // channels
	Depth        int     `yaml:"depth"`        // blocks
	Heads        int     `yaml:"heads"`        // attention heads of a transformer
	Hidden       int     `yaml:"hidden"`       // width of a transformer's feed-forward layers
	Groups       int     `yaml:"groups"`       // groups of a residual network's group norms
	Redraw       Redraw  `yaml:"redraw"`
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

// The prefixes of the two detectors' weights in a store, and the names of their folders in a
// model.
const (
	DetectorPrefix = "detector"
	JudgePrefix    = "judge"
)

// judgeStream separates the judge's random streams from those of the detector.
const judgeStream = 0x6a75646765 << 16

// detectorTask learns to detect objects in rendered scenes and, if there are any, in redrawn
// scenes. The prefix is [DetectorPrefix] or [JudgePrefix]; the judge's scenes come from a
// stream that no detector uses, whatever the seeds.
func detectorTask(backend compute.Backend, prefix string, w World, d Detector, redrawn redrawnSplits) (Task, error) {
	cfg, err := d.config(w)
	if err != nil {
		return Task{}, err
	}
	data, err := newScenes(w)
	if err != nil {
		return Task{}, err
	}
	held, err := heldOutSets(w, d.Degrade, redrawn.held)
	if err != nil {
		return Task{}, err
	}
	seed := d.seed(prefix)
	return Task{
		Name:   prefix,
		Inputs: append([]shapes.Shape{shapes.Make(dtypes.Uint8, d.Train.Batch, w.Size, w.Size, 3)}, cfg.TargetShapes(d.Train.Batch)...),
		Loss: func(s nn.Scope, in []*Node) (*Node, []*Node) {
			return detect.Loss(s.In(prefix), cfg, nn.Images(in[0]), in[1], in[2])
		},
		Watched:   detect.LossParts,
		Trainable: underPrefix(prefix),
		Batch: func(index uint64) ([]*tensors.Tensor, error) {
			rng := rand.New(rand.NewPCG(seed, index))
			images, target, err := labeledBatch(data, cfg, d, redrawn.training, rng)
			if err != nil {
				return nil, fmt.Errorf("make labeled images: %w", err)
			}
			return append([]*tensors.Tensor{images}, target.Tensors()...), nil
		},
		Sample: detectionSample(backend, prefix, cfg, held),
	}, nil
}

// seed returns the recipe's seed, in the stream of the prefix.
func (d Detector) seed(prefix string) uint64 {
	if prefix == JudgePrefix {
		return d.Train.Seed ^ judgeStream
	}
	return d.Train.Seed
}

// labeledBatch returns a batch of degraded images and their objects.
func labeledBatch(data scenes, cfg detect.Config, d Detector, redrawn redrawnScenes, rng *rand.Rand) (*tensors.Tensor, *detect.Target, error) {
	size, n := data.size, d.Train.Batch
	pixels, target := make([]uint8, 0, n*size*size*3), &detect.Target{}
	for range n {
		img, scene, err := labeledImage(data, d, redrawn, rng)
		if err != nil {
			return nil, nil, err
		}
		truth, err := scene.Truth(size, size)
		if err != nil {
			return nil, nil, err
		}
		if err := d.Degrade.apply(img, size, rng); err != nil {
			return nil, nil, err
		}
		pixels = append(pixels, img...)
		if err := target.Add(cfg, truth); err != nil {
			return nil, nil, err
		}
	}
	return tensors.FromFlatDataAndDimensions(pixels, n, size, size, 3), target, nil
}

// labeledImage returns an image, rendered or redrawn, and the scene that it shows.
func labeledImage(data scenes, d Detector, redrawn redrawnScenes, rng *rand.Rand) ([]uint8, clipart.Scene, error) {
	if redrawn.count() > 0 && rng.Float64() < d.Redraw.Share {
		i := rng.IntN(redrawn.count())
		scene, _ := redrawn.scene(i)
		return slices.Clone(redrawn.at(i)), scene, nil
	}
	scene := data.varied(rng)
	pixels := make([]uint8, data.size*data.size*3)
	return pixels, scene, scene.RenderInto(pixels, data.size, data.size)
}

// varied samples a scene: that of a training prompt or one of random objects, so that a
// detector cannot infer an object from the others.
func (s scenes) varied(rng *rand.Rand) clipart.Scene {
	scene, _ := s.sampler.SampleMixed(clipart.Train, rng)
	if rng.IntN(2) == 0 {
		return scene
	}
	classes, colors := s.sampler.Known(), clipart.Colors()
	kind := rng.IntN(len(classes))
	scene.Objects = nil
	for range rng.IntN(6) {
		if rng.IntN(2) == 0 { // otherwise another one of the same class
			kind = rng.IntN(len(classes))
		}
		o := clipart.Placement{Class: classes[kind], Size: 0.22 + 0.5*rng.Float64()*rng.Float64(), Flip: rng.IntN(2) == 0}
		o.Drawing = rng.IntN(clipart.Drawings(o.Class))
		if o.Class != "person" && rng.IntN(2) == 0 {
			o.Color = colors[rng.IntN(len(colors))]
			if rng.IntN(5) == 0 { // as in [clipart.Sampler.SampleMixed]
				o.Color = "white"
			}
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

// crowded reports whether an object would cover much of another one.
func crowded(o clipart.Placement, others []clipart.Placement) bool {
	for _, p := range others {
		apart := max(o.X-p.X, p.X-o.X, o.Y-p.Y, p.Y-o.Y)
		if (o.Size+p.Size)/2-apart > 0.3*min(o.Size, p.Size) {
			return true
		}
	}
	return false
}
