package genref

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Prompts draws a prompt. It is a function of the random source alone.
type Prompts func(*rand.Rand) (reflectionflow.Prompt, error)

// WorldPrompts draws from a split of the embedded world's prompts over the given
// classes: GenEval's six tasks and [clipart.Free], evenly.
func WorldPrompts(split clipart.Split, classes []string) (Prompts, error) {
	sampler, err := clipart.NewSampler(classes...)
	if err != nil {
		return nil, err
	}
	tasks := append(clipart.Tasks(), clipart.Free)
	return func(rng *rand.Rand) (reflectionflow.Prompt, error) {
		// With few classes a task may have no prompt of the split: try another.
		for range 4 * len(tasks) {
			if p := sampler.Prompts(tasks[rng.IntN(len(tasks))], split, 1, rng); len(p) == 1 {
				return p[0], nil
			}
		}
		return reflectionflow.Prompt{}, fmt.Errorf("%w: there are no %s prompts about %d classes", reflectionflow.ErrInvalid, split, len(sampler.Known()))
	}, nil
}

// PromptList is the prompts of a file.
type PromptList struct {
	Prompts []reflectionflow.Prompt
	// Long holds the long wordings that the file gives, by the prompt's text.
	Long map[string]string
	// Duplicates counts lines left out because the prompt was there before, OtherSplit
	// those of another split.
	Duplicates, OtherSplit int
}

// maxPromptLine bounds a line of a prompts file, and maxPrompts their number.
const (
	maxPromptLine = 64 << 10
	maxPrompts    = 10_000_000
)

// ReadPrompts reads the prompts of a split from a file: one a line, as plain text or as
// a JSON object with "prompt" and perhaps "long", a longer wording; other fields, such
// as those of GenEval's metadata, are passed over. parse finds a prompt's requirements.
// A line that is no prompt, or that parse refuses, is an error wrapping
// [reflectionflow.ErrInvalid] with its number; so is a file that leaves no prompts.
func ReadPrompts(r io.Reader, split clipart.Split, parse func(string) (reflectionflow.Prompt, error)) (PromptList, error) {
	list := PromptList{Long: make(map[string]string)}
	seen := make(map[string]bool)
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxPromptLine)
	for line := 1; scanner.Scan(); line++ {
		data := bytes.TrimSpace(scanner.Bytes())
		if len(data) == 0 {
			continue
		}
		text, long, err := promptLine(data)
		var p reflectionflow.Prompt
		if err == nil {
			p, err = parse(text)
		}
		switch {
		case err != nil:
			return list, fmt.Errorf("line %d: %w", line, err)
		case seen[p.Text]:
			list.Duplicates++
			continue
		case len(list.Prompts) == maxPrompts:
			return list, fmt.Errorf("%w: more than %d prompts: split the file", reflectionflow.ErrInvalid, maxPrompts)
		}
		seen[p.Text] = true
		if split != "" && clipart.SplitOf(p.Text) != split {
			list.OtherSplit++
			continue
		}
		list.Prompts = append(list.Prompts, p)
		if long != "" {
			list.Long[p.Text] = long
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return list, fmt.Errorf("%w: a line has more than %d bytes", reflectionflow.ErrInvalid, maxPromptLine)
	case err != nil:
		return list, fmt.Errorf("read prompts: %w", err)
	case len(list.Prompts) == 0 && list.OtherSplit > 0:
		return list, fmt.Errorf("%w: none of the %d prompts is of the split %s", reflectionflow.ErrInvalid, list.OtherSplit, split)
	case len(list.Prompts) == 0:
		return list, fmt.Errorf("%w: there are no prompts", reflectionflow.ErrInvalid)
	}
	return list, nil
}

func promptLine(data []byte) (text, long string, err error) {
	text = string(data)
	if data[0] == '{' {
		var line struct{ Prompt, Long string }
		if err := json.Unmarshal(data, &line); err != nil {
			return "", "", fmt.Errorf("%w: it is no JSON object with a prompt: %v", reflectionflow.ErrInvalid, err)
		}
		text, long = line.Prompt, strings.TrimSpace(line.Long)
	}
	if len(long) > reflectionflow.MaxPromptBytes {
		return "", "", fmt.Errorf("%w: the long wording has %d bytes, at most %d are allowed", reflectionflow.ErrInvalid, len(long), reflectionflow.MaxPromptBytes)
	}
	return text, long, (reflectionflow.Prompt{Text: text}).Validate()
}

// Sample draws from the list.
func (l PromptList) Sample(rng *rand.Rand) (reflectionflow.Prompt, error) {
	return l.Prompts[rng.IntN(len(l.Prompts))], nil
}

// Refine implements [reflectionflow.Refiner] by the long wordings of the list; it is
// empty for a prompt without.
func (l PromptList) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	refinements := make([]reflectionflow.Refinement, len(observations))
	for i, o := range observations {
		refinements[i].Text = l.Long[o.Prompt.Text]
	}
	return refinements, ctx.Err()
}
