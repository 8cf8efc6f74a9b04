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

// stopAndShare is the noise axis alone with the early stopping and the budget sharing of the
// adaptive strategy: what an adaptive search gains beyond it comes from the other axes.
const stopAndShare = "noise+stop+share"

// arm reads STRATEGY[+widthN][+VERIFIER][+flipN[s]][@MOST], where STRATEGY may be [stopAndShare].
func (o evaluateOptions) arm(flags *pflag.FlagSet, model assemble.Model, text string) (arm, error) {
	text, limit, limited := strings.Cut(text, "@")
	most, err := strconv.Atoi(limit)
	if limited && (err != nil || most < 1) {
		return arm{}, fmt.Errorf("%w: strategy %.60q@%.20q: give the largest number of images after @, such as @8", reflectionflow.ErrInvalid, text, limit)
	}
	g := o.search
	var kind, options string
	if strings.HasPrefix(text+"+", stopAndShare+"+") {
		kind, options, g.strategy = stopAndShare, strings.TrimPrefix(text[len(stopAndShare):], "+"), search.Adaptive
	} else {
		kind, options, _ = strings.Cut(text, "+")
		g.strategy = kind
	}
	largest := o.budgets[len(o.budgets)-1]
	if limited {
		largest = min(largest, most)
	}
	g.budget = strconv.Itoa(largest)
	cfg, err := g.config(flags, model)
	if err != nil {
		return arm{}, err
	}
	if kind == stopAndShare {
		cfg.Axes = search.Axes{Noise: true}
	}
	a := arm{Arm: geneval.Arm{Name: text, Kind: kind, Most: most}, cfg: cfg}
	if err := a.vary(options, model.Verifiers); err != nil {
		return arm{}, err
	}
	a.Width = a.cfg.Width
	a.Nested = nested(a.cfg)
	a.Pooled = a.cfg.Adaptive != nil && a.cfg.Adaptive.Rollover
	if a.Settings, err = armSettings(a.cfg); err != nil {
		return arm{}, err
	}
	return a, a.cfg.Validate()
}

// vary reads the options after a strategy, each at most once.
func (a *arm) vary(options string, verifiers []string) error {
	wide, flips := false, false // a width is given, a rate of errors
	for option := range strings.SplitSeq(options, "+") {
		if option == "" && options == "" {
			return nil
		}
		width, isWidth := strings.CutPrefix(option, "width")
		rate, isFlip := strings.CutPrefix(option, "flip")
		switch {
		case isWidth && wide, isFlip && flips, !isWidth && !isFlip && a.Verifier != "":
			return fmt.Errorf("%w: strategy %.60q has two widths, two verifiers or two rates of errors: give one", reflectionflow.ErrInvalid, a.Name)
		case isWidth:
			n, err := strconv.Atoi(width)
			if err != nil || n < 1 {
				return fmt.Errorf("%w: strategy %.60q: %.40q: give a number of chains, such as width8", reflectionflow.ErrInvalid, a.Name, option)
			}
			a.cfg.Width, wide = n, true
		case isFlip:
			percent, systematic := strings.CutSuffix(rate, "s")
			n, err := strconv.Atoi(percent)
			if err != nil || n < 0 || n > 50 {
				return fmt.Errorf("%w: strategy %.60q: %.40q: give the percentage of wrong verdicts, from 0 to 50, such as flip20, or flip20s for systematic errors", reflectionflow.ErrInvalid, a.Name, option)
			}
			a.Errors, flips = &geneval.Errors{Percent: n, Systematic: systematic}, true
		case option == oracle || slices.Contains(verifiers, option):
			a.Verifier = option
		default:
			return fmt.Errorf("%w: strategy %.60q: %.40q is no widthN, no flipN and no verifier: there is %s",
				reflectionflow.ErrInvalid, a.Name, option, strings.Join(append(slices.Clone(verifiers), oracle), ", "))
		}
	}
	return nil
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
