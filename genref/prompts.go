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
	"reflectionflow/internal/disk"
)

// Prompts samples a prompt. It is deterministic in the random source.
type Prompts func(*rand.Rand) (reflectionflow.Prompt, error)

// WorldPrompts samples from the prompts of a split that only name the given classes:
// GenEval's six tasks and [clipart.Free], with equal probability. Unknown classes, and
// classes that leave no prompts, are errors wrapping [reflectionflow.ErrInvalid].
func WorldPrompts(split clipart.Split, classes []string) (Prompts, error) {
	sampler, err := clipart.NewSampler(classes...)
	if err != nil {
		return nil, err
	}
	tasks := append(clipart.Tasks(), clipart.Free)
	return func(rng *rand.Rand) (reflectionflow.Prompt, error) {
		// With few classes, a task may have no prompt of the split.
		for range 4 * len(tasks) {
			if p := sampler.Prompts(tasks[rng.IntN(len(tasks))], split, 1, rng); len(p) == 1 {
				return p[0], nil
			}
		}
		return reflectionflow.Prompt{}, fmt.Errorf("%w: no %s prompts are about these %d classes: name more classes", reflectionflow.ErrInvalid, split, len(sampler.Known()))
	}, nil
}

// PromptList holds the prompts of a file.
type PromptList struct {
	Prompts []reflectionflow.Prompt
	// Long holds the long wordings in the file, by the text of their prompts.
	Long map[string]string
	// Duplicates counts lines that repeat a prompt, OtherSplit prompts of another split.
	// Both are left out.
	Duplicates, OtherSplit int
}

// Bounds on a file of prompts.
const (
	maxPromptLine = 64 << 10
	maxPrompts    = 10_000_000
)

// ReadPrompts reads the prompts of a split, or all if split is empty. A line is plain text
// or a JSON object with "prompt" and optionally "long", a longer wording. Other fields,
// such as those of GenEval's metadata, are ignored. parse finds the requirements of a
// prompt. Errors wrap [reflectionflow.ErrInvalid]: a line that is not a prompt or that
// parse refuses, with its number; more than 10 million prompts; no prompts.
func ReadPrompts(r io.Reader, split clipart.Split, parse func(string) (reflectionflow.Prompt, error)) (PromptList, error) {
	list := PromptList{Long: make(map[string]string)}
	seen := make(map[string]bool)
	r, err := disk.Text(r)
	if err != nil {
		return list, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	}
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
		return list, fmt.Errorf("%w: the file has no prompts", reflectionflow.ErrInvalid)
	}
	return list, nil
}

func promptLine(data []byte) (text, long string, err error) {
	text = string(data)
	if data[0] == '{' {
		var line struct{ Prompt, Long string }
		if err := json.Unmarshal(data, &line); err != nil {
			return "", "", fmt.Errorf("%w: it is not a JSON object with a prompt: %v", reflectionflow.ErrInvalid, err)
		}
		text, long = line.Prompt, strings.TrimSpace(line.Long)
	}
	if len(long) > reflectionflow.MaxPromptBytes {
		return "", "", fmt.Errorf("%w: the long wording has %d bytes, at most %d are allowed", reflectionflow.ErrInvalid, len(long), reflectionflow.MaxPromptBytes)
	}
	return text, long, (reflectionflow.Prompt{Text: text}).Validate()
}

// Sample returns a random prompt of the list.
func (l PromptList) Sample(rng *rand.Rand) (reflectionflow.Prompt, error) {
	return l.Prompts[rng.IntN(len(l.Prompts))], nil
}

// Refine implements [reflectionflow.Refiner] with the long wordings of the list. A prompt
// without one gets an empty refinement.
func (l PromptList) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	refinements := make([]reflectionflow.Refinement, len(observations))
	for i, o := range observations {
		refinements[i].Text = l.Long[o.Prompt.Text]
	}
	return refinements, ctx.Err()
}
