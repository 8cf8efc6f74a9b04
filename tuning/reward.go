package tuning

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/genref"
	"reflectionflow/nn"
	"reflectionflow/verifier/detect"
	"reflectionflow/verifier/reward"
)

// Reward is the recipe of the pairwise verifier.
type Reward struct {
	Patch     int `yaml:"patch"`      // side of a patch in pixels
	Width     int `yaml:"width"`      // channels
	Depth     int `yaml:"depth"`      // blocks over the patches
	TextDepth int `yaml:"text_depth"` // blocks over the words
	Heads     int `yaml:"heads"`
	Hidden    int `yaml:"hidden"`
	Length    int `yaml:"length"` // largest number of words of a prompt
	// StartFromDetector starts from the image encoder of the trained detector, which must have
	// the same size.
	StartFromDetector bool `yaml:"start_from_detector"`
	// Triplets is the folder of a GenRef set with images of the base, empty for none; Generated is
	// their share of a batch, in [0, 1].
	Triplets  string  `yaml:"triplets"`
	Generated float64 `yaml:"drawn"`
	// Redrawn is the share of pairs of the detector's redrawn scenes, in [0, 1]; see [Redraw].
	Redrawn float64 `yaml:"redrawn"`
	Degrade Degrade `yaml:"degrade"`
	Train   Config  `yaml:"train"`
}

// VerifierPrefix is the prefix of the pairwise verifier's weights in a store, and the name of
// its folder in a model.
const VerifierPrefix = "verifier"

func (r Reward) config(w World) (reward.Config, error) {
	cfg := reward.Config{
		Side: w.Size, Patch: r.Patch, Width: r.Width, Depth: r.Depth, TextDepth: r.TextDepth,
		Heads: r.Heads, Hidden: r.Hidden, Length: r.Length, Vocabulary: clipart.Vocabulary(),
	}
	return cfg, cfg.Validate()
}

// Preference is a pair of images of one prompt, one better than the other.
type Preference struct {
	Prompt        string
	Better, Worse image.Image
}

// Pairs samples a preference. It depends on rng alone.
type Pairs func(rng *rand.Rand) (Preference, error)

// TripletPairs samples from triplets: the enhanced image is better than the flawed one.
func TripletPairs(triplets []genref.Triplet) Pairs {
	return func(rng *rand.Rand) (Preference, error) {
		p, err := decodeTriplet(triplets[rng.IntN(len(triplets))])
		return Preference{p.prompt, p.enhanced, p.flawed}, err
	}
}

// rewardTask learns to prefer a scene that meets a prompt to a flawed one. A share r.Generated of
// the pairs comes from generated, which may be nil, and a share r.Redrawn from redrawn scenes.
func rewardTask(backend compute.Backend, w World, r Reward, generated Pairs, redrawn redrawnScenes) (Task, error) {
	cfg, err := r.config(w)
	if err != nil {
		return Task{}, err
	}
	if !(r.Generated >= 0 && r.Generated <= 1) || (r.Generated > 0 && generated == nil) {
		return Task{}, fmt.Errorf("%w: verifier: drawn is %v: must be from 0 to 1, and 0 without triplets", reflectionflow.ErrInvalid, r.Generated)
	}
	data, err := newScenes(w)
	if err != nil {
		return Task{}, err
	}
	batch := r.Train.Batch
	mix := mixedPairs{data: data, recipe: r, generated: generated, redrawn: redrawn}
	return Task{
		Name:   VerifierPrefix,
		Inputs: []shapes.Shape{shapes.Make(dtypes.Uint8, 2*batch, w.Size, w.Size, 3), shapes.Make(dtypes.Int32, batch, r.Length)},
		Loss: func(s nn.Scope, in []*Node) (*Node, []*Node) {
			loss, right := reward.Loss(s.In(VerifierPrefix), cfg, nn.Images(in[0]), in[1])
			return loss, []*Node{right}
		},
		Watched:   []string{"right"},
		Trainable: underPrefix(VerifierPrefix),
		Batch: func(index uint64) ([]*tensors.Tensor, error) {
			rng := rand.New(rand.NewPCG(r.Train.Seed, index))
			pixels, texts, err := mix.batch(batch, rng)
			if err != nil {
				return nil, fmt.Errorf("make pairs: %w", err)
			}
			return []*tensors.Tensor{
				tensors.FromFlatDataAndDimensions(pixels, 2*batch, w.Size, w.Size, 3),
				tensors.FromFlatDataAndDimensions(cfg.Words(texts), batch, r.Length),
			}, nil
		},
		Sample: rewardSample(backend, w, cfg, r.Degrade),
	}, nil
}

// startFromDetector copies a detector's image encoder to the names of the reward network's.
func startFromDetector(store, detector *nn.Store, prefix string) error {
	for _, name := range detector.Names(prefix + ".") {
		rest := strings.TrimPrefix(name, prefix)
		if strings.HasPrefix(rest, ".head.") {
			continue
		}
		if err := store.CopyFrom(detector, name, VerifierPrefix+"."+reward.ImageScope+rest); err != nil {
			return err
		}
	}
	return nil
}

// mixedPairs samples rendered pairs, pairs of generated images, and pairs of redrawn scenes.
type mixedPairs struct {
	data      scenes
	recipe    Reward
	generated Pairs
	redrawn   redrawnScenes
}

// batch returns n pairs: the better images [n, size, size, 3], then the worse ones.
func (m mixedPairs) batch(n int, rng *rand.Rand) (pixels []uint8, texts []string, err error) {
	size := m.data.size * m.data.size * 3
	pixels = make([]uint8, 2*n*size)
	for i := range n {
		better, worse := pixels[i*size:(i+1)*size], pixels[(n+i)*size:(n+i+1)*size]
		text, err := m.pair(better, worse, rng)
		if err != nil {
			return nil, nil, err
		}
		for _, img := range [][]uint8{better, worse} {
			if err := m.recipe.Degrade.apply(img, m.data.size, rng); err != nil {
				return nil, nil, err
			}
		}
		texts = append(texts, text)
	}
	return pixels, texts, nil
}

func (m mixedPairs) pair(better, worse []uint8, rng *rand.Rand) (string, error) {
	switch kind := rng.Float64(); {
	case kind < m.recipe.Generated:
		return m.generatedPair(better, worse, rng)
	case kind < m.recipe.Generated+m.recipe.Redrawn && m.redrawn.count() > 1:
		return m.redrawnPair(better, worse, rng)
	default:
		return m.data.rendered(clipart.Train, better, worse, rng)
	}
}

// redrawnPair samples a redrawn scene and, of a few others that do not meet its prompt, the one
// that has most in common with it.
func (m mixedPairs) redrawnPair(better, worse []uint8, rng *rand.Rand) (string, error) {
	const tries = 24
	i := rng.IntN(m.redrawn.count())
	_, prompt := m.redrawn.scene(i)
	other, most := -1, -1
	for range tries {
		j := rng.IntN(m.redrawn.count())
		scene, _ := m.redrawn.scene(j)
		truth, err := scene.Truth(m.data.size, m.data.size)
		if err != nil {
			return "", err
		}
		met := 0
		for _, r := range prompt.Requirements {
			if ok, _ := clipart.Check(r, truth); ok {
				met++
			}
		}
		for _, o := range truth {
			if slices.ContainsFunc(prompt.Requirements, func(r reflectionflow.Requirement) bool { return r.Object == o.Class }) {
				met++ // the right class, though not as required
			}
		}
		if met > most && !clipart.CheckAll(prompt.Requirements, truth) {
			other, most = j, met
		}
	}
	if other < 0 {
		return m.data.rendered(clipart.Train, better, worse, rng)
	}
	copy(better, m.redrawn.at(i))
	copy(worse, m.redrawn.at(other))
	return prompt.Text, nil
}

func (m mixedPairs) generatedPair(better, worse []uint8, rng *rand.Rand) (string, error) {
	p, err := m.generated(rng)
	if err != nil {
		return "", err
	}
	for _, side := range []struct {
		into []uint8
		from image.Image
	}{{better, p.Better}, {worse, p.Worse}} {
		pixels, err := detect.Pixels(side.from, m.data.size)
		if err != nil {
			return "", err
		}
		copy(side.into, pixels)
	}
	return p.Prompt, nil
}

// otherScene is the percentage of pairs whose worse image shows another prompt's scene.
const otherScene = 20

// rendered samples a prompt of a split, renders a scene of it and one that does not meet it:
// mostly the same scene with a flaw, sometimes another scene.
func (s scenes) rendered(split clipart.Split, better, worse []uint8, rng *rand.Rand) (string, error) {
	for {
		scene, prompt := s.sampler.SampleMixed(split, rng)
		var wrong clipart.Scene
		if rng.IntN(100) < otherScene {
			wrong = s.varied(rng)
			truth, err := wrong.Truth(s.size, s.size)
			if err != nil {
				return "", err
			}
			if clipart.CheckAll(prompt.Requirements, truth) {
				continue
			}
		} else {
			var err error
			if wrong, _, err = s.sampler.Flaw(scene, prompt, rng); err != nil {
				continue // rare: no flaw was found, so the next prompt is used
			}
		}
		if err := scene.RenderInto(better, s.size, s.size); err != nil {
			return "", err
		}
		if err := wrong.RenderInto(worse, s.size, s.size); err != nil {
			return "", err
		}
		if rng.IntN(2) == 0 {
			return clipart.VariedCaption(prompt.Requirements, rng), nil
		}
		return prompt.Text, nil
	}
}

// The number of held-out pairs for measuring the verifier, and for the sample sheet.
const (
	rewardPairs = 128
	rewardShown = 32
)

// rewardSample measures the share of held-out pairs in the right order and saves some pairs:
// the better image, with a green edge if it is preferred and a red one if not, above the
// worse.
func rewardSample(backend compute.Backend, w World, cfg reward.Config, d Degrade) func(context.Context, *nn.Store, string) (map[string]float64, error) {
	return func(ctx context.Context, averaged *nn.Store, path string) (map[string]float64, error) {
		model, err := reward.New(backend, cfg, averaged, VerifierPrefix)
		if err != nil {
			return nil, err
		}
		defer model.Close() //nolint:errcheck // the weights stay in the store
		held, err := heldOutPairs(w, d)
		if err != nil {
			return nil, err
		}
		right := make([]bool, len(held))
		err = detect.ForEach(ctx, len(held), func(i int) error {
			better, err := model.Score(held[i].Prompt, held[i].Better)
			if err != nil {
				return err
			}
			worse, err := model.Score(held[i].Prompt, held[i].Worse)
			right[i] = better > worse
			return err
		})
		if err != nil {
			return nil, err
		}
		return map[string]float64{"accuracy": fraction(right)}, saveGrid(path, pairGrid(held[:rewardShown], right), 8)
	}
}

func heldOutPairs(w World, d Degrade) ([]Preference, error) {
	data, err := newScenes(w)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(validationSeed, 3))
	size := w.Size * w.Size * 3
	var held []Preference
	for range rewardPairs {
		pixels := make([]uint8, 2*size)
		text, err := data.rendered(clipart.Validation, pixels[:size], pixels[size:], rng)
		if err != nil {
			return nil, err
		}
		for _, img := range [][]uint8{pixels[:size], pixels[size:]} {
			if err := d.apply(img, w.Size, rng); err != nil {
				return nil, err
			}
		}
		images := split(pixels, w.Size, w.Size)
		held = append(held, Preference{text, images[0], images[1]})
	}
	return held, nil
}

func fraction(right []bool) float64 {
	n := 0
	for _, r := range right {
		if r {
			n++
		}
	}
	return float64(n) / float64(len(right))
}

// pairGrid arranges pairs in rows of eight, the worse images below the better ones.
func pairGrid(pairs []Preference, right []bool) []image.Image {
	var grid []image.Image
	for first := 0; first < len(pairs); first += 8 {
		for i := first; i < first+8; i++ {
			edge := color.NRGBA{R: 220, A: 255}
			if right[i] {
				edge = color.NRGBA{G: 170, A: 255}
			}
			grid = append(grid, framed(pairs[i].Better, [4]float64{0, 0, 1, 1}, edge))
		}
		for i := first; i < first+8; i++ {
			grid = append(grid, pairs[i].Worse)
		}
	}
	return grid
}
