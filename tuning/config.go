package tuning

import (
	"fmt"
	"math"
	"slices"

	"reflectionflow"
)

// Config holds the settings of one training run, whatever is trained.
type Config struct {
	Steps        int     `yaml:"steps" json:"steps"`                 // optimiser steps
	Batch        int     `yaml:"batch" json:"batch"`                 // samples of one gradient
	Accumulate   int     `yaml:"accumulate" json:"accumulate"`       // batches averaged per step, computed side by side; 1 by default
	Optimizer    string  `yaml:"optimizer" json:"optimizer"`         // adamw (default), muon or prodigy
	LearningRate float64 `yaml:"learning_rate" json:"learning_rate"` // peak; 1 for prodigy
	Warmup       int     `yaml:"warmup" json:"warmup"`               // steps of linear warm-up
	FinalRate    float64 `yaml:"final_rate" json:"final_rate"`       // the cosine ends at this share of the peak
	Beta1        float64 `yaml:"beta1" json:"beta1"`                 // 0.9 by default
	Beta2        float64 `yaml:"beta2" json:"beta2"`                 // 0.99 by default: short runs
	WeightDecay  float64 `yaml:"weight_decay" json:"weight_decay"`   // decoupled, on matrices only
	Clip         float64 `yaml:"clip" json:"clip"`                   // bound on the gradient's global norm, 1 by default
	EMA          float64 `yaml:"ema" json:"ema"`                     // decay of the moving average of the weights
	Seed         uint64  `yaml:"seed" json:"seed"`
	SaveEvery    int     `yaml:"save_every" json:"save_every"`     // steps between checkpoints, 100 by default
	SampleEvery  int     `yaml:"sample_every" json:"sample_every"` // steps between sample grids, 0 for none but the last
}

// withDefaults fills in what was left zero.
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

// Validate reports settings that cannot train, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c Config) Validate() error {
	bad := func(what string, value any) error {
		return fmt.Errorf("%w: training setting %s is %v", reflectionflow.ErrInvalid, what, value)
	}
	c = c.withDefaults()
	switch {
	case c.Steps < 1:
		return bad("steps", c.Steps)
	case c.Batch < 1:
		return bad("batch", c.Batch)
	case c.Accumulate < 1:
		return bad("accumulate", c.Accumulate)
	case !(c.LearningRate > 0):
		return bad("learning_rate", c.LearningRate)
	case c.Warmup < 0:
		return bad("warmup", c.Warmup)
	case c.Seed > reflectionflow.MaxSeed:
		return bad("seed", c.Seed)
	case !(c.EMA >= 0 && c.EMA < 1):
		return bad("ema", c.EMA)
	case !slices.Contains([]string{"adamw", "muon", "prodigy"}, c.Optimizer):
		return bad("optimizer", c.Optimizer)
	}
	return nil
}

// rate is the learning rate of a step, from 0: linear warm-up, then half a
// cosine from LearningRate down to FinalRate of it.
func (c Config) rate(step int) float64 {
	if step < c.Warmup {
		return c.LearningRate * float64(step+1) / float64(c.Warmup)
	}
	progress := float64(step-c.Warmup) / math.Max(1, float64(c.Steps-c.Warmup))
	cosine := 0.5 * (1 + math.Cos(math.Pi*math.Min(1, progress)))
	return c.LearningRate * (c.FinalRate + (1-c.FinalRate)*cosine)
}

// averaging is the moving average's decay at a step: short at first, so that the
// random start is soon forgotten.
func (c Config) emaDecay(step int) float64 {
	return math.Min(c.EMA, float64(1+step)/float64(10+step))
}
