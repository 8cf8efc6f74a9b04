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
	"reflectionflow/flux/nn"
	"reflectionflow/genref"
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
	Length    int `yaml:"length"` // words of a prompt
	// StartFromDetector copies the trained detector's image encoder, which must be
	// of the same size, and trains it further.
	StartFromDetector bool `yaml:"start_from_detector"`
	// Triplets is the folder of GenRef shards with pictures the base drew, empty for
	// none; Drawn is their share of a batch.
	Triplets string  `yaml:"triplets"`
	Drawn    float64 `yaml:"drawn"`
	// Redrawn is the share of pairs of the detector's redrawn scenes, see [Redraw].
	Redrawn float64 `yaml:"redrawn"`
	Degrade Degrade `yaml:"degrade"`
	Train   Config  `yaml:"train"`
}

// VerifierPrefix is where the pairwise verifier's weights stand in a store, and its
// folder in a model.
const VerifierPrefix = "verifier"

func (r Reward) config(w World) (reward.Config, error) {
	cfg := reward.Config{
		Side: w.Size, Patch: r.Patch, Width: r.Width, Depth: r.Depth, TextDepth: r.TextDepth,
		Heads: r.Heads, Hidden: r.Hidden, Length: r.Length, Vocabulary: clipart.Vocabulary(),
	}
	return cfg, cfg.Validate()
}

// Preference is a pair of pictures of one prompt.
type Preference struct {
	Prompt        string
	Better, Worse image.Image
}

// Pairs draws a preference; it depends on rng alone.
type Pairs func(rng *rand.Rand) (Preference, error)

// TripletPairs draws from triplets: the enhanced picture is better than the flawed
// one.
func TripletPairs(triplets []genref.Triplet) Pairs {
	return func(rng *rand.Rand) (Preference, error) {
		p, err := decodeTriplet(triplets[rng.IntN(len(triplets))])
		return Preference{p.prompt, p.enhanced, p.flawed}, err
	}
}

// rewardTask learns to prefer the scene that a prompt asks for to a flawed one,
// with a share of r.Drawn what drawn says, which may be nil for none, and with a
// share of r.Redrawn one redrawn scene to another.
func rewardTask(backend compute.Backend, w World, r Reward, drawn Pairs, over redrawnScenes) (Task, error) {
	cfg, err := r.config(w)
	if err != nil {
		return Task{}, err
	}
	if !(r.Drawn >= 0 && r.Drawn <= 1) || (r.Drawn > 0 && drawn == nil) {
		return Task{}, fmt.Errorf("%w: verifier: drawn is %v: must be from 0 to 1, and needs triplets above 0", reflectionflow.ErrInvalid, r.Drawn)
	}
	data, err := newScenes(w)
	if err != nil {
		return Task{}, err
	}
	batch := r.Train.Batch
	mix := mixedPairs{data: data, recipe: r, drawn: drawn, over: over}
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
				return nil, fmt.Errorf("draw pairs: %w", err)
			}
			return []*tensors.Tensor{
				tensors.FromFlatDataAndDimensions(pixels, 2*batch, w.Size, w.Size, 3),
				tensors.FromFlatDataAndDimensions(cfg.Words(texts), batch, r.Length),
			}, nil
		},
		Sample: rewardSample(backend, w, cfg, r.Degrade),
	}, nil
}

// startFromDetector copies a detector's image encoder to where the reward
// network's belongs.
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

// mixedPairs draws rendered pairs, a share from pictures drawn by the base, and a
// share of scenes redrawn by it.
type mixedPairs struct {
	data   scenes
	recipe Reward
	drawn  Pairs
	over   redrawnScenes
}

// batch draws n pairs: the better pictures [n, size, size, 3], then the worse.
func (m mixedPairs) batch(n int, rng *rand.Rand) (pixels []uint8, texts []string, err error) {
	size := m.data.size * m.data.size * 3
	pixels = make([]uint8, 2*n*size)
	for i := range n {
		better, worse := pixels[i*size:(i+1)*size], pixels[(n+i)*size:(n+i+1)*size]
		text, err := m.pair(better, worse, rng)
		if err != nil {
			return nil, nil, err
		}
		for _, picture := range [][]uint8{better, worse} {
			if err := m.recipe.Degrade.apply(picture, m.data.size, rng); err != nil {
				return nil, nil, err
			}
		}
		texts = append(texts, text)
	}
	return pixels, texts, nil
}

func (m mixedPairs) pair(better, worse []uint8, rng *rand.Rand) (string, error) {
	switch kind := rng.Float64(); {
	case kind < m.recipe.Drawn:
		return m.generatedPair(better, worse, rng)
	case kind < m.recipe.Drawn+m.recipe.Redrawn && m.over.count() > 1:
		return m.redrawnPair(better, worse, rng)
	default:
		return m.data.rendered(clipart.Train, better, worse, rng)
	}
}

// redrawnPair is a redrawn scene and another one that its prompt does not fit,
// of a few the one that has most in common with it.
func (m mixedPairs) redrawnPair(better, worse []uint8, rng *rand.Rand) (string, error) {
	const tries = 24
	i := rng.IntN(m.over.count())
	_, prompt := m.over.scene(i)
	other, most := -1, -1
	for range tries {
		j := rng.IntN(m.over.count())
		scene, _ := m.over.scene(j)
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
				met++ // the same kind of object, though not as asked for
			}
		}
		if met > most && !clipart.CheckAll(prompt.Requirements, truth) {
			other, most = j, met
		}
	}
	if other < 0 {
		return m.data.rendered(clipart.Train, better, worse, rng)
	}
	copy(better, m.over.at(i))
	copy(worse, m.over.at(other))
	return prompt.Text, nil
}

func (m mixedPairs) generatedPair(better, worse []uint8, rng *rand.Rand) (string, error) {
	p, err := m.drawn(rng)
	if err != nil {
		return "", err
	}
	for _, picture := range []struct {
		into []uint8
		from image.Image
	}{{better, p.Better}, {worse, p.Worse}} {
		pixels, err := detect.Pixels(picture.from, m.data.size)
		if err != nil {
			return "", err
		}
		copy(picture.into, pixels)
	}
	return p.Prompt, nil
}

// otherScene is in how many of 100 pairs the worse picture is of another prompt.
const otherScene = 20

// rendered draws a prompt of a split, a scene for it, and one that misses it:
// mostly the same with a flaw, now and then quite another.
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
				continue // no flaw was found: rare, and the next prompt will do
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

// How many held-out pairs the verifier is measured on, and how many are drawn.
const (
	rewardPairs = 128
	rewardShown = 32
)

// rewardSample measures how many held-out pairs are put in the right order and
// draws some: the better picture with a green edge where it is preferred and a red
// one where not, above the worse.
func rewardSample(backend compute.Backend, w World, cfg reward.Config, d Degrade) func(context.Context, *nn.Store, string) (map[string]float64, error) {
	return func(ctx context.Context, averaged *nn.Store, path string) (map[string]float64, error) {
		model, err := reward.New(backend, cfg, averaged, VerifierPrefix)
		if err != nil {
			return nil, err
		}
		defer model.Close() //nolint:errcheck // nothing is lost
		held, err := heldOutPairs(w, d)
		if err != nil {
			return nil, err
		}
		right := make([]bool, len(held))
		err = detect.Spread(ctx, len(held), func(i int) error {
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
		for _, picture := range [][]uint8{pixels[:size], pixels[size:]} {
			if err := d.apply(picture, w.Size, rng); err != nil {
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

// pairGrid lays pairs out in rows of eight, the worse below the better.
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
