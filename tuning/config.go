package tuning

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"reflectionflow"
)

// Config holds the settings of one training run.
type Config struct {
	Steps        int     `yaml:"steps" json:"steps"`                 // optimizer steps, 1 or more
	Batch        int     `yaml:"batch" json:"batch"`                 // samples per gradient, 1 or more
	Accumulate   int     `yaml:"accumulate" json:"accumulate"`       // gradients averaged per step, computed in parallel; 1 by default
	Optimizer    string  `yaml:"optimizer" json:"optimizer"`         // adamw (default), muon or prodigy
	LearningRate float64 `yaml:"learning_rate" json:"learning_rate"` // peak of the schedule, above 0; 1 for prodigy
	Warmup       int     `yaml:"warmup" json:"warmup"`               // steps of linear warm-up
	FinalRate    float64 `yaml:"final_rate" json:"final_rate"`       // final rate as a share of the peak
	Beta1        float64 `yaml:"beta1" json:"beta1"`                 // 0.9 by default
	Beta2        float64 `yaml:"beta2" json:"beta2"`                 // 0.99 by default, for short runs
	WeightDecay  float64 `yaml:"weight_decay" json:"weight_decay"`   // decoupled; only of matrices
	Clip         float64 `yaml:"clip" json:"clip"`                   // largest global norm of the gradient, 1 by default
	EMA          float64 `yaml:"ema" json:"ema"`                     // decay of the moving average of the weights, in [0, 1); 0.999 by default
	Seed         uint64  `yaml:"seed" json:"seed"`
	// Precision is what the products of the forward and the backward pass are computed in: f32 (default), or bf16 with sums in
	// f32. The weights that learn, the optimizer's state and the loss are f32 in either.
	Precision   string `yaml:"precision" json:"precision,omitempty"`
	SaveEvery   int    `yaml:"save_every" json:"save_every"`     // steps between checkpoints, 100 by default
	SampleEvery int    `yaml:"sample_every" json:"sample_every"` // steps between sample sheets; 0 for one at the end
}

// withDefaults replaces zeros by defaults.
func (c Config) withDefaults() Config {
	set := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	if c.Accumulate == 0 {
		c.Accumulate = 1
	}
	if c.Optimizer == "" {
		c.Optimizer = "adamw"
	}
	if c.SaveEvery == 0 {
		c.SaveEvery = 100
	}
	set(&c.Beta1, 0.9)
	set(&c.Beta2, 0.99)
	set(&c.Clip, 1)
	set(&c.EMA, 0.999)
	return c
}

// Validate reports settings out of range, as an error wrapping [reflectionflow.ErrInvalid].
func (c Config) Validate() error {
	bad := func(setting string, value any, must string) error {
		return fmt.Errorf("%w: training setting %s is %v: must be %s", reflectionflow.ErrInvalid, setting, value, must)
	}
	c = c.withDefaults()
	switch {
	case c.Steps < 1:
		return bad("steps", c.Steps, "1 or more")
	case c.Batch < 1:
		return bad("batch", c.Batch, "1 or more")
	case c.Accumulate < 1:
		return bad("accumulate", c.Accumulate, "1 or more")
	case !(c.LearningRate > 0):
		return bad("learning_rate", c.LearningRate, "above 0")
	case c.Warmup < 0:
		return bad("warmup", c.Warmup, "0 or more")
	case c.Seed > reflectionflow.MaxSeed:
		return bad("seed", c.Seed, fmt.Sprintf("from 0 to %d", uint64(reflectionflow.MaxSeed)))
	case !(c.EMA >= 0 && c.EMA < 1):
		return bad("ema", c.EMA, "from 0 to below 1")
	case !slices.Contains(precisions, c.Precision):
		return bad("precision", c.Precision, "f32 or bf16")
	case !slices.Contains(optimizers, c.Optimizer):
		return bad("optimizer", c.Optimizer, "one of "+strings.Join(optimizers, ", "))
	}
	return nil
}

// precisions are the values of [Config.Precision]; "" is f32, and int8 is what `--precision int8` makes of a recipe: bf16,
// and weights that are stored as small integers and do not learn are multiplied as such.
var precisions = []string{"", "f32", "bf16", "int8"}

// optimizers are the values of [Config.Optimizer].
var optimizers = []string{"adamw", "muon", "prodigy"}

// rate returns the learning rate of a step, counted from 0: linear warm-up, then half a
// cosine from LearningRate down to FinalRate of it.
func (c Config) rate(step int) float64 {
	if step < c.Warmup {
		return c.LearningRate * float64(step+1) / float64(c.Warmup)
	}
	progress := float64(step-c.Warmup) / math.Max(1, float64(c.Steps-c.Warmup))
	cosine := 0.5 * (1 + math.Cos(math.Pi*math.Min(1, progress)))
	return c.LearningRate * (c.FinalRate + (1-c.FinalRate)*cosine)
}

// emaDecay returns the decay of the moving average at a step. It starts low, so that the
// average forgets the random initial weights.
func (c Config) emaDecay(step int) float64 {
	return math.Min(c.EMA, float64(1+step)/float64(10+step))
}
