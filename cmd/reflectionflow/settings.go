package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/disk"
	"reflectionflow/search"
)

// config returns the settings of a search: the strategy's and the model's defaults, and
// the flags that were given.
func (o generateOptions) config(flags *pflag.FlagSet, model assemble.Model) (search.Config, error) {
	cfg := search.Default(o.strategy)
	cfg.ImageWidth, cfg.ImageHeight = model.Width, model.Height
	cfg.Steps, cfg.Guidance = model.Steps, model.Guidance
	cfg.Depth, cfg.Seed, cfg.Batch = o.depth, o.seed, o.batch
	if cfg.Adaptive == nil || flags.Changed("early-stop") {
		cfg.EarlyStop = o.earlyStop
	}
	if cfg.Adaptive != nil && model.Policy != nil {
		cfg.Adaptive.Policy = *model.Policy
	}
	if flags.Changed("width") {
		cfg.Width = o.width
	}
	if flags.Changed("steps") {
		cfg.Steps = o.steps
	}
	if flags.Changed("guidance") {
		cfg.Guidance = o.guidance
	}
	var err error
	if flags.Changed("size") {
		if cfg.ImageWidth, cfg.ImageHeight, err = config.ParseSize(o.size); err != nil {
			return search.Config{}, err
		}
	}
	if cfg.Budget, err = parseBudget(o.budget); err != nil {
		return search.Config{}, err
	}
	if flags.Changed("axes") {
		if cfg.Axes, err = parseAxes(o.axes); err != nil {
			return search.Config{}, err
		}
	}
	if err := cfg.Validate(); err != nil {
		return cfg, err
	}
	if err := o.checkSize(model, cfg.ImageWidth, cfg.ImageHeight); err != nil {
		return cfg, err
	}
	if model.Serves == nil {
		return cfg, nil
	}
	return cfg, model.Serves(cfg)
}

// checkSize refuses a size that the model was not made for, unless the user insists.
func (o engineOptions) checkSize(model assemble.Model, width, height int) error {
	if o.anySize || model.CheckSize == nil {
		return nil
	}
	if err := model.CheckSize(width, height); err != nil {
		return fmt.Errorf("%w (--any-size generates it all the same)", err)
	}
	return nil
}

// manyBatch is the batch size for several prompts, which fill more than one window. It
// keeps a concurrent generator busy although a batch ends with its slowest image.
func manyBatch(least int, model assemble.Model) int {
	return min(max(least, 4*model.Concurrency), search.MaxBatch)
}

func decodeConfig(data []byte) (search.Config, error) {
	var cfg search.Config
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&cfg); err != nil {
		return search.Config{}, fmt.Errorf("%w: the settings of the search are damaged: %v", reflectionflow.ErrInvalid, err)
	}
	return cfg, cfg.Validate()
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

// maxPrompts is the most prompts per call, maxPromptLine the most bytes of a line.
const (
	maxPrompts    = 1000
	maxPromptLine = 1 << 20
)

// promptTexts returns the prompts of the arguments, or of a file with one per line; - is
// the standard input.
func (p *program) promptTexts(args []string, file string) ([]string, error) {
	switch {
	case file == "" && len(args) == 0:
		return nil, fmt.Errorf("%w: no prompt: give one in quotes, or --prompts FILE", reflectionflow.ErrInvalid)
	case file == "":
		return args, nil
	case len(args) > 0:
		return nil, fmt.Errorf("%w: give prompts either as arguments or by --prompts, not both", reflectionflow.ErrInvalid)
	case file == "-":
		return readPrompts(p.stdin, "standard input")
	}
	f, err := openInput("prompts", file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readPrompts(f, file)
}

// input is a text file that the user named, without its byte-order mark.
type input struct {
	io.Reader
	io.Closer
}

// openInput opens a text file that the user named. what says what it holds.
func openInput(what, path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", reflectionflow.ErrInvalid, what, err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("%w: %s: %s is a folder", reflectionflow.ErrInvalid, what, path)
	}
	text, err := disk.Text(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s: %s: %v", reflectionflow.ErrInvalid, what, path, err)
	}
	return input{text, f}, nil
}

func readPrompts(r io.Reader, name string) ([]string, error) {
	r, err := disk.Text(r)
	if err != nil {
		return nil, fmt.Errorf("%w: prompts: %s: %v", reflectionflow.ErrInvalid, name, err)
	}
	var texts []string
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxPromptLine)
	for scanner.Scan() {
		if text := strings.TrimSpace(scanner.Text()); text != "" {
			texts = append(texts, text)
		}
		if len(texts) > maxPrompts {
			return nil, fmt.Errorf("%w: %s has more than %d prompts: split it", reflectionflow.ErrInvalid, name, maxPrompts)
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%w: %s has a line of more than %d bytes", reflectionflow.ErrInvalid, name, maxPromptLine)
	case err != nil:
		return nil, fmt.Errorf("read prompts: %w", err)
	case len(texts) == 0:
		return nil, fmt.Errorf("%w: %s has no prompts", reflectionflow.ErrInvalid, name)
	}
	return slices.Clip(texts), nil
}
