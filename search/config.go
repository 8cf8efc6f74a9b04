package search

import (
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
)

// The strategies. Each has the axes of the one before it and one more; Adaptive
// has those of Reflection and chooses among them.
const (
	Noise       = "noise"        // best of N
	NoisePrompt = "noise-prompt" // later rounds use a refined prompt
	Reflection  = "reflection"   // later rounds correct the chain's best image
	Adaptive    = "adaptive"     // each image by the action with the highest expected gain
)

// AdaptiveConfig holds what the adaptive strategies add to Reflection. Together with
// Config.EarlyStop these are their parts; each can be switched off, to measure its
// effect.
type AdaptiveConfig struct {
	// Routing makes each image by the action with the highest expected gain per unit
	// of the budget. Without it, the best image is corrected, as Reflection does.
	Routing bool `json:"routing"`
	// Abandon stops images early whose previews score low, where the generator is a
	// [reflectionflow.Previewer] and the verifier a [reflectionflow.PreviewVerifier].
	Abandon bool `json:"abandon"`
	// Rollover shares budgets: images that right prompts left over go to the other
	// prompts of the same call. Without it, every prompt has its own budget only.
	Rollover bool `json:"rollover"`
	// Confirm asks the verifier again, about the image moved a little, before an image counts
	// as right, and about every image once the verifier contradicts itself.
	Confirm bool `json:"confirm,omitempty"`
	// Survey picks actions at random, to fit a policy (see [Search.Fit]).
	Survey bool `json:"survey,omitempty"`
	// Policy holds the fitted numbers.
	Policy Policy `json:"policy"`
}

// variants are the adaptive strategy, whole, without each of its parts, and for verifiers that
// err.
var variants = []struct {
	name     string
	ablation bool
	change   func(*Config)
}{
	{Adaptive, false, func(*Config) {}},
	{"adaptive-no-stop", true, func(c *Config) { c.EarlyStop = false }},
	{"adaptive-no-routing", true, func(c *Config) { c.Adaptive.Routing = false }},
	{"adaptive-no-abandon", true, func(c *Config) { c.Adaptive.Abandon = false }},
	{"adaptive-no-rollover", true, func(c *Config) { c.Adaptive.Rollover = false }},
	{"adaptive-confirm", false, func(c *Config) { c.Adaptive.Confirm = true }},
}

// Strategies lists the names of all strategies.
func Strategies() []string {
	names := []string{Noise, NoisePrompt, Reflection}
	for _, v := range variants {
		names = append(names, v.name)
	}
	return names
}

// IsAblation reports the name of a strategy that lacks a part of another one, to measure what
// the part is worth. Nobody needs it to find an image.
func IsAblation(name string) bool {
	for _, v := range variants {
		if v.name == name {
			return v.ablation
		}
	}
	return false
}

// Config says what a search does. Together with the prompt, the generator, the
// verifier, the reflector and the refiner it determines the result, whatever Batch is.
// [Default] fills it.
type Config struct {
	Strategy string `json:"strategy"` // one of Strategies
	// Width is the number of chains. It is also the window: how many candidates may
	// be under way before the first of them is verified.
	Width int `json:"width"`
	// Depth is the number of rounds, round 0 included; 0 means as many as the
	// budget allows.
	Depth int `json:"depth"`
	// Patience is the number of corrections without improvement after which a chain
	// restarts from new noise. It needs the noise and the reflection axis. 0 means
	// that chains never restart.
	Patience  int    `json:"patience,omitempty"`
	Budget    Budget `json:"budget"`
	EarlyStop bool   `json:"early_stop"` // stop at the first candidate that is right
	Seed      uint64 `json:"seed"`       // every seed of the search derives from it
	Axes      Axes   `json:"axes"`
	// Adaptive is set for the adaptive strategies alone.
	Adaptive *AdaptiveConfig `json:"adaptive,omitempty"`
	// What every request asks for; see [reflectionflow.Request].
	ImageWidth  int     `json:"image_width"`
	ImageHeight int     `json:"image_height"`
	Steps       int     `json:"steps"`
	Guidance    float64 `json:"guidance"`
	// Batch is the most images handed to one call of the generator or verifier.
	// 0 means half the width, rounded up: one half is generated while the other is
	// verified. It does not change the result.
	Batch int `json:"batch"`
}

// Axes are the ways in which rounds after the first vary a candidate. An axis that the
// strategy does not have must be off.
type Axes struct {
	// Noise gives every candidate new noise; off, a corrected or rewritten candidate
	// keeps the noise that its chain started with.
	Noise bool `json:"noise"`
	// Prompt lets the refiner rewrite the prompt.
	Prompt bool `json:"prompt"`
	// Reflection lets the corrector correct the chain's best image.
	Reflection bool `json:"reflection"`
}

// Bounds on a configuration, against mistakes and hostile input.
const (
	MaxWidth  = 1024
	MaxImages = 1 << 20
	MaxBatch  = 1024
)

// Default returns the defaults of a strategy. [Config.Validate] reports an unknown one.
func Default(strategy string) Config {
	c := Config{
		Strategy:  strategy,
		Width:     1,                 // each image uses all before it: deep beats wide at equal images (arXiv 2504.16080 §5)
		Depth:     0,                 // the budget decides
		Budget:    Budget{Images: 8}, // where the paper's curve flattens
		EarlyStop: true,
		Axes: Axes{
			Noise:      true,
			Prompt:     strategy == NoisePrompt || strategy == Reflection,
			Reflection: strategy == Reflection,
		},
		// Size and sampling of the embedded clipart model; commands replace them by
		// those of the chosen model.
		ImageWidth: 128, ImageHeight: 128, Steps: 20, Guidance: 3,
	}
	if strategy == Reflection {
		c.Patience = 2
	}
	if strategy == Noise {
		c.Width = 2 // images are independent: the least width that overlaps generating with verifying
	}
	for _, v := range variants {
		if v.name == strategy {
			c.Axes = Axes{Noise: true, Prompt: true, Reflection: true}
			c.Adaptive = &AdaptiveConfig{Routing: true, Abandon: true, Rollover: true, Policy: DefaultPolicy()}
			v.change(&c)
		}
	}
	return c
}

// Validate reports a configuration that no search can use, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c Config) Validate() error {
	if err := c.validateAxes(); err != nil {
		return err
	}
	switch {
	case c.Width < 1 || c.Width > MaxWidth:
		return invalid("width %d: must be from 1 to %d", c.Width, MaxWidth)
	case c.Depth < 0 || c.Depth > MaxImages:
		return invalid("depth %d: must be from 0 (as deep as the budget) to %d", c.Depth, MaxImages)
	case c.Patience < 0 || c.Patience > MaxImages:
		return invalid("patience %d: must be from 0 (never restart) to %d", c.Patience, MaxImages)
	case c.Batch < 0 || c.Batch > MaxBatch:
		return invalid("batch %d: must be from 0 (half the width) to %d", c.Batch, MaxBatch)
	}
	if err := c.Budget.Validate(); err != nil {
		return err
	}
	if c.Depth == 0 && c.Budget == (Budget{}) {
		return invalid("nothing bounds the search: set a budget of images or seconds, or a depth")
	}
	return c.request(reflectionflow.Prompt{Text: "any"}).Validate()
}

func (c Config) validateAxes() error {
	if !slices.Contains(Strategies(), c.Strategy) {
		return invalid("unknown strategy %q: use one of %s", c.Strategy, strings.Join(Strategies(), ", "))
	}
	has := Default(c.Strategy)
	switch {
	case c.Axes.Prompt && !has.Axes.Prompt:
		return invalid("strategy %q has no prompt axis", c.Strategy)
	case c.Axes.Reflection && !has.Axes.Reflection:
		return invalid("strategy %q has no reflection axis", c.Strategy)
	case c.Axes == Axes{}:
		return invalid("all axes are off, so every round would generate the same images: switch one on")
	case (c.Adaptive != nil) != (has.Adaptive != nil):
		return invalid("strategy %q and the adaptive settings do not fit: start from search.Default(%q)", c.Strategy, c.Strategy)
	case c.Adaptive != nil && !c.Axes.Noise:
		return invalid("strategy %q needs the noise axis: switch it on", c.Strategy)
	case c.Adaptive != nil:
		return c.Adaptive.Policy.validate()
	}
	return nil
}

// request is what every candidate starts from: the user's prompt.
func (c Config) request(prompt reflectionflow.Prompt) reflectionflow.Request {
	return reflectionflow.Request{
		Prompt:   prompt.Text,
		Width:    c.ImageWidth,
		Height:   c.ImageHeight,
		Steps:    c.Steps,
		Guidance: c.Guidance,
	}
}

// patience is the number of corrections without improvement before a chain restarts; 0
// for no bound.
func (c Config) patience() int {
	if c.Axes.Noise && c.Axes.Reflection {
		return c.Patience
	}
	return 0
}

// Corrects reports whether the search may correct images, unless an early stop ends it
// before.
func (c Config) Corrects() bool {
	few := c.Budget.Images > 0 && c.Budget.Images <= c.Width && (c.Adaptive == nil || !c.Adaptive.Rollover)
	return c.Axes.Reflection && c.Depth != 1 && !few
}

func (c Config) batch() int {
	if c.Batch > 0 {
		return c.Batch
	}
	return (c.Width + 1) / 2
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
}
