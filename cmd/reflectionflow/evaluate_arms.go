package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/search"
)

// arm is a strategy to evaluate, with the settings of its search.
type arm struct {
	geneval.Arm
	cfg search.Config
}

// oracle is the name of the verifier that is the judge itself.
const oracle = "oracle"

// arms reads the strategies, each at the largest budget.
func (o evaluateOptions) arms(flags *pflag.FlagSet, model assemble.Model) ([]arm, error) {
	var arms []arm
	for _, text := range o.strategies {
		a, err := o.arm(flags, model, strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		arms = append(arms, a)
	}
	return arms, nil
}

// arm reads STRATEGY[+widthN][+VERIFIER].
func (o evaluateOptions) arm(flags *pflag.FlagSet, model assemble.Model, text string) (arm, error) {
	parts := strings.Split(text, "+")
	g := o.search
	g.strategy = parts[0]
	g.budget = strconv.Itoa(o.budgets[len(o.budgets)-1])
	cfg, err := g.config(flags, model)
	if err != nil {
		return arm{}, err
	}
	a := arm{Arm: geneval.Arm{Name: text, Kind: parts[0]}, cfg: cfg}
	wide := false // a width is given
	for _, option := range parts[1:] {
		width, isWidth := strings.CutPrefix(option, "width")
		switch n, err := strconv.Atoi(width); {
		case isWidth && err == nil && n > 0 && !wide:
			a.cfg.Width, wide = n, true
		case isWidth && wide, a.Verifier != "" && !isWidth:
			return arm{}, fmt.Errorf("%w: strategy %.60q has two widths or two verifiers: give one", reflectionflow.ErrInvalid, text)
		case option == oracle || slices.Contains(model.Verifiers, option):
			a.Verifier = option
		default:
			return arm{}, fmt.Errorf("%w: strategy %.60q: %.40q is neither widthN nor a verifier: there is %s",
				reflectionflow.ErrInvalid, text, option, strings.Join(append(slices.Clone(model.Verifiers), oracle), ", "))
		}
	}
	a.Width = a.cfg.Width
	a.Nested = nested(a.cfg)
	a.Pooled = a.cfg.Adaptive != nil && a.cfg.Adaptive.Rollover
	if a.Settings, err = armSettings(a.cfg); err != nil {
		return arm{}, err
	}
	return a, a.cfg.Validate()
}

// armSettings are the settings of a search without the batch, which does not change the
// result, and the seed, which is the evaluation's.
func armSettings(cfg search.Config) (json.RawMessage, error) {
	cfg.Batch, cfg.Seed = 0, 0
	data, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return data, nil
}

// nested reports whether a search with a smaller budget of images is a prefix of one with
// a larger: each candidate depends on earlier ones only, and not on time or the budget.
func nested(cfg search.Config) bool {
	return cfg.Adaptive == nil && cfg.Budget.Seconds == 0
}

// probe is the search that estimates the difficulty of prompts: the base alone.
func (o evaluateOptions) probe(flags *pflag.FlagSet, model assemble.Model) (search.Config, error) {
	g := o.search
	g.strategy, g.budget, g.earlyStop = search.Noise, strconv.Itoa(max(o.difficulty, 1)), false
	return g.config(flags, model)
}
