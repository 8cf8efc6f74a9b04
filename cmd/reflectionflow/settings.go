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
	"strings"

	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/disk"
	"reflectionflow/search"
)

// config returns the configuration of a search: the strategy's and the model's defaults,
// and the flags that were given.
func (o generateOptions) config(flags *pflag.FlagSet, model assemble.Model) (search.Config, error) {
	given := config.Search{Strategy: o.strategy, Budget: o.budget, Depth: &o.depth, Seed: &o.seed, Batch: &o.batch, AnySize: &o.anySize}
	if flags.Changed("early-stop") || search.Default(o.strategy).Adaptive == nil {
		given.EarlyStop = &o.earlyStop
	}
	if flags.Changed("width") {
		given.Width = &o.width
	}
	if flags.Changed("steps") {
		given.Steps = &o.steps
	}
	if flags.Changed("guidance") {
		given.Guidance = &o.guidance
	}
	if flags.Changed("size") {
		given.Size = o.size
	}
	if flags.Changed("axes") {
		given.Axes = o.axes
	}
	cfg, err := assemble.SearchConfig(given, model)
	return cfg, explainSize(err)
}

// explainSize adds to the refusal of a size which flag overrides it.
func explainSize(err error) error {
	if errors.Is(err, assemble.ErrSize) {
		return fmt.Errorf("%w (--any-size generates it all the same)", err)
	}
	return err
}

// checkSize refuses a size that the model was not made for, unless the user insists.
func (o engineOptions) checkSize(model assemble.Model, width, height int) error {
	return explainSize(model.SizeError(width, height, o.anySize))
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
