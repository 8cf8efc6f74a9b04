package genref

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"reflectionflow"
)

// Combine is how several rewards of a prompt's images become one value. Their scales differ
// by orders of magnitude, and only differences between images of one prompt have a meaning.
type Combine string

// The ways to combine.
const (
	// ByRank takes the weighted mean of the ranks, from 0 for the worst image to 1 for the best.
	ByRank Combine = "rank"
	// ByZScore takes the weighted mean of the z-scores: the distance from the prompt's mean in
	// standard deviations.
	ByZScore Combine = "zscore"
)

// EnsembleMember is one reward of an ensemble.
type EnsembleMember struct {
	Name     string                  `json:"name"`
	Weight   float64                 `json:"weight"` // above 0
	Verifier reflectionflow.Verifier `json:"-"`
}

// Reward is the source of the subset general (arXiv 2504.16080 §4.1): a model generates
// several images per prompt, an ensemble of rewards ranks them, and the best is paired with
// the worst.
type Reward struct {
	Engine
	Config RewardConfig
}

// RewardConfig sets how images are generated and ranked.
type RewardConfig struct {
	Images  int              `json:"images"` // images per prompt, from 2 to 1024; 4 in the paper
	Combine Combine          `json:"combine"`
	Members []EnsembleMember `json:"rewards"`
	ImageConfig
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c RewardConfig) Validate() error {
	if err := checkImages(c.Images); err != nil {
		return err
	}
	if c.Combine != ByRank && c.Combine != ByZScore {
		return fmt.Errorf("%w: rewards cannot be combined by %.40q: use %s or %s", reflectionflow.ErrInvalid, c.Combine, ByRank, ByZScore)
	}
	if len(c.Members) == 0 {
		return fmt.Errorf("%w: name one reward or more", reflectionflow.ErrInvalid)
	}
	for i, m := range c.Members {
		switch {
		case !(m.Weight > 0) || math.IsInf(m.Weight, 0):
			return fmt.Errorf("%w: reward %q has weight %v: must be above 0", reflectionflow.ErrInvalid, m.Name, m.Weight)
		case slices.ContainsFunc(c.Members[:i], func(n EnsembleMember) bool { return n.Name == m.Name }):
			return fmt.Errorf("%w: reward %q is listed twice", reflectionflow.ErrInvalid, m.Name)
		}
	}
	return c.ImageConfig.Validate()
}

var _ Source = (*Reward)(nil)

// Fill implements [Source].
func (r *Reward) Fill(ctx context.Context, shard FillRequest) (FillResult, error) {
	if err := r.Config.Validate(); err != nil {
		return FillResult{}, err
	}
	f := rewardFiller{filler: filler{Engine: r.Engine, subset: "general", source: "reward", shard: shard}, config: r.Config}
	for _, m := range r.Config.Members {
		f.verifiers = append(f.verifiers, m.Verifier)
	}
	return f.fill(ctx, func(context.Context) ([]task, error) { return f.tasks(r.Config.Images, r.Config.ImageConfig) }, f.pair)
}

type rewardFiller struct {
	filler
	config RewardConfig
}

// pair adds the triplet of a prompt.
func (f *rewardFiller) pair(ctx context.Context, t task) error {
	generated := t.judged()
	if len(generated) < 2 {
		f.skipped[SkippedNoPair]++
		return nil
	}
	f.config.combine(generated)
	byValue := func(a, b attempt) int { return cmp.Compare(a.value, b.value) }
	worst, best := slices.MinFunc(generated, byValue), slices.MaxFunc(generated, byValue)
	if best.value-worst.value < 1e-9 {
		f.skipped[SkippedAlike]++
		return nil
	}
	apart := distance(opaque(worst.img), opaque(best.img))
	if apart == 0 {
		f.skipped[SkippedSame]++
		return nil
	}
	reflection, err := f.reflect(ctx, t.prompt, worst)
	if err != nil {
		return err
	}
	if reflection == "" {
		f.skipped[SkippedNoFix]++
		return nil
	}
	return f.add(pairing{t.prompt, best, worst, reflection, Provenance{Distance: apart}})
}

// combine sets the value and the rewards of every image of a prompt.
func (c RewardConfig) combine(generated []attempt) {
	total := 0.0
	for i := range generated {
		generated[i].value, generated[i].rewards = 0, make(map[string]float64)
	}
	for k, m := range c.Members {
		values := make([]float64, len(generated))
		for i, a := range generated {
			values[i] = a.scores[k].Value
			a.rewards[m.Name] = values[i]
		}
		total += m.Weight
		scale := ranks
		if c.Combine == ByZScore {
			scale = zScores
		}
		for i, v := range scale(values) {
			generated[i].value += m.Weight * v
		}
	}
	for i := range generated {
		generated[i].value /= total
	}
}

// ranks returns the values' ranks, from 0 for the smallest to 1. Equal values get the mean
// of their ranks.
func ranks(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		below, equal := 0, 0
		for _, w := range values {
			switch {
			case w < v:
				below++
			case w == v:
				equal++
			}
		}
		out[i] = (float64(below) + float64(equal-1)/2) / float64(max(len(values)-1, 1))
	}
	return out
}

// zScores returns the values' distances from their mean in standard deviations; 0 if all
// values are equal.
func zScores(values []float64) []float64 {
	mean, square := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		square += (v - mean) * (v - mean) / float64(len(values))
	}
	out := make([]float64, len(values))
	if square == 0 {
		return out
	}
	for i, v := range values {
		out[i] = (v - mean) / math.Sqrt(square)
	}
	return out
}
