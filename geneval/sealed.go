package geneval

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"

	"reflectionflow/clipart"
)

var sealedName = regexp.MustCompile(`^[a-z0-9]+([-.][a-z0-9]+)*$`)

// Sealed samples a test set that nobody has looked at: n prompts, as many of each task, from a
// seed that only the name determines. Held-out prompts come first (of the test split, then of the
// validation split); tasks with few prompts, such as the 80 of single_object, are filled with
// others. None of the prompts in known, the development set, is taken while there are others. A
// set is generated after everything is fixed, and evaluated once per release: see
// docs/sealed.md. The error wraps [reflectionflow.ErrInvalid] for a name of other than lower-case
// letters, digits, hyphens and points, and where there are fewer than n prompts.
func Sealed(name string, tasks []clipart.Task, classes []string, known []Metadata, n int) ([]Metadata, error) {
	if !sealedName.MatchString(name) || len(name) > 40 {
		return nil, invalid("sealed set %.40q: name it by lower-case letters, digits, hyphens and points, such as sealed:v1", name)
	}
	if n < 1 || n > maxPrompts {
		return nil, invalid("%d prompts: must be from 1 to %d", n, maxPrompts)
	}
	sampler, err := clipart.NewSampler(classes...)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte("sealed/" + name))
	seed := binary.LittleEndian.Uint64(sum[:])
	developed := make(map[string]bool, len(known))
	for _, m := range known {
		developed[m.Prompt] = true
	}
	each := (n + len(tasks) - 1) / len(tasks)
	var all []Metadata
	for i, task := range tasks {
		fresh, used, err := sealedTask(sampler, task, developed, each, rand.New(rand.NewPCG(seed, uint64(i)))) //nolint:gosec // reproducible on purpose
		if err != nil {
			return nil, err
		}
		all = append(all, slices.Concat(fresh, used)[:min(each, len(fresh)+len(used))]...)
	}
	if len(all) < n {
		return nil, invalid("%d prompts: these classes allow only %d", n, len(all))
	}
	return First(all, n), nil
}

// sealedTask samples prompts of a task that are not of the development set, and of those that are.
func sealedTask(sampler clipart.Sampler, task clipart.Task, developed map[string]bool, n int, rng *rand.Rand) (fresh, used []Metadata, err error) {
	for _, split := range []clipart.Split{clipart.Test, clipart.Validation, clipart.Train} {
		if len(fresh) >= n {
			break
		}
		// Some are of the development set: as many more are sampled.
		for _, p := range sampler.Prompts(task, split, n+len(developed), rng) {
			m, err := FromPrompt(string(task), p)
			if err != nil {
				return nil, nil, err
			}
			if developed[m.Prompt] {
				used = append(used, m)
			} else {
				fresh = append(fresh, m)
			}
		}
	}
	return fresh, used, nil
}

// seen tells the prompts whose requirements are of the training split, and how many they are; none for other suites.
func (w *pageWriter) seen() (seen []bool, count int) {
	seen = make([]bool, len(w.results.Prompts))
	for i, m := range w.results.Prompts {
		if m.Suite != "" {
			return nil, 0
		}
		if seen[i] = clipart.SplitOf(m.Prompt) == clipart.Train; seen[i] {
			count++
		}
	}
	return seen, count
}

// prompts says what the prompts are to the embedded model.
func (w *pageWriter) prompts() string {
	if _, count := w.seen(); count > 0 {
		return "prompts"
	}
	return "held-out prompts"
}

// seenRows compares, for prompt sets that have both, the prompts whose requirements are of the
// training split of the embedded model with the held-out ones.
func (w *pageWriter) seenRows() {
	prompts := w.results.Prompts
	seen, count := w.seen()
	if count == 0 || count == len(prompts) {
		return
	}
	w.line("## Seen in training and held out")
	w.line("Of the prompts, %d have requirements that the embedded model was trained on, in whatever words, and %d are held out.", count, len(prompts)-count)
	rows := [][]string{{"ours", "images per prompt", "seen in training", "held out"}}
	for _, r := range w.table.contenders() {
		values, _, _ := w.results.collect(r.Strategy, r.Budget)
		line := []string{r.Strategy, fmt.Sprint(r.Budget)}
		for _, want := range []bool{true, false} {
			var tags []string
			var of []float64
			for i, m := range prompts {
				if seen[i] == want {
					tags, of = append(tags, m.Tag), append(of, values[i])
				}
			}
			e := Overall(tags, of)
			line = append(line, fmt.Sprintf("%s (%.0f–%.0f)", percent(e.Mean), 100*e.Low, 100*e.High))
		}
		rows = append(rows, line)
	}
	w.grid(rows)
}
