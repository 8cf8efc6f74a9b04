package assemble

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/search"
)

// SearchConfig returns the configuration of a search with a model: the defaults of the
// strategy and of the model, and the settings that are given. The strategy is
// [search.Reflection] and the budget 8 images where none is given. Settings that no search
// can use, and a size that the model was not made for, are errors wrapping
// [reflectionflow.ErrInvalid].
func SearchConfig(given config.Search, model Model) (search.Config, error) {
	if given.Strategy == "" {
		given.Strategy = search.Reflection
	}
	if given.Budget == "" {
		given.Budget = "8"
	}
	cfg := search.Default(given.Strategy)
	cfg.ImageWidth, cfg.ImageHeight = model.Width, model.Height
	cfg.Steps, cfg.Guidance = model.Steps, model.Guidance
	if cfg.Adaptive == nil {
		cfg.EarlyStop = true
	} else if model.Policy != nil {
		cfg.Adaptive.Policy = *model.Policy
	}
	set(&cfg.EarlyStop, given.EarlyStop)
	set(&cfg.Width, given.Width)
	set(&cfg.Depth, given.Depth)
	set(&cfg.Seed, given.Seed)
	set(&cfg.Batch, given.Batch)
	set(&cfg.Steps, given.Steps)
	set(&cfg.Guidance, given.Guidance)
	var err error
	if given.Size != "" {
		if cfg.ImageWidth, cfg.ImageHeight, err = config.ParseSize(given.Size); err != nil {
			return search.Config{}, err
		}
	}
	if cfg.Budget, err = parseBudget(given.Budget); err != nil {
		return search.Config{}, err
	}
	if given.Axes != nil {
		if cfg.Axes, err = parseAxes(given.Axes); err != nil {
			return search.Config{}, err
		}
	}
	if err := cfg.Validate(); err != nil {
		return cfg, err
	}
	if err := model.SizeError(cfg.ImageWidth, cfg.ImageHeight, given.AnySize != nil && *given.AnySize); err != nil {
		return cfg, err
	}
	if model.Serves == nil {
		return cfg, nil
	}
	return cfg, model.Serves(cfg)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// ErrSize is wrapped by the error for a size that a model was not made for, which the
// setting any_size overrides.
var ErrSize = errors.New("not a size of the model")

// ErrMemory is wrapped by the error for a search whose images take too much memory.
var ErrMemory = errors.New("too little memory")

// marked says the same as the error that it wraps, which is of the kind of its mark.
type marked struct {
	error
	mark error
}

func (m marked) Unwrap() []error { return []error{m.error, m.mark} }

// SizeError reports a size that the model was not made for, unless any size is wanted.
func (m Model) SizeError(width, height int, anySize bool) error {
	if anySize || m.CheckSize == nil {
		return nil
	}
	if err := m.CheckSize(width, height); err != nil {
		return marked{err, ErrSize}
	}
	return nil
}

// parseBudget reads "8", "90s" or "8,90s".
func parseBudget(text string) (search.Budget, error) {
	var b search.Budget
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		images, err := strconv.Atoi(part)
		if err == nil && images >= 1 && b.Images == 0 {
			b.Images = images
			continue
		}
		limit, err := time.ParseDuration(part)
		if err == nil && limit > 0 && b.Seconds == 0 {
			b.Seconds = limit.Seconds()
			continue
		}
		return b, fmt.Errorf("%w: budget %.40q: use a number of images, a time such as 90s, or both as 8,90s", reflectionflow.ErrInvalid, text)
	}
	return b, nil
}

func parseAxes(names []string) (search.Axes, error) {
	var axes search.Axes
	for _, name := range names {
		switch strings.TrimSpace(name) {
		case "noise":
			axes.Noise = true
		case "prompt":
			axes.Prompt = true
		case "reflection":
			axes.Reflection = true
		default:
			return axes, fmt.Errorf("%w: unknown axis %.40q: use noise, prompt, reflection", reflectionflow.ErrInvalid, name)
		}
	}
	return axes, nil
}
