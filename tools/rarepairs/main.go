// Rarepairs writes prompts about pairs of classes that the base of the embedded model has hardly
// seen together, and, to compare with, about pairs that it has often seen.
//
//	go run ./tools/rarepairs OUT
//
// It samples the recipe's training scenes again from their seed, counts in how many of them two
// classes stand together and how often a class has a color, and prints both. OUT/rare.jsonl has
// prompts of the test split about the pairs with at most three scenes, OUT/common.jsonl as many about
// the pairs with fourteen or more, in GenEval's form, for evaluate --prompts.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
	model "reflectionflow/models/clipart"
	"reflectionflow/tuning"
)

const (
	rare     = 3  // the most scenes of a rare pair
	common   = 14 // the fewest of a common one
	each     = 32 // prompts of a task
	sampling = 40000
	seed     = 1
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "use: rarepairs OUT")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "rarepairs:", err)
		os.Exit(1)
	}
}

// pair is two classes in alphabetical order, or a class and a color.
type pair [2]string

func pairOf(a, b string) pair { return pair{min(a, b), max(a, b)} }

func run(out string) error {
	recipe, err := tuning.ParseRecipe(model.Recipe())
	if err != nil {
		return err
	}
	pairs, colors, err := count(recipe)
	if err != nil {
		return err
	}
	all := clipart.Classes()
	fmt.Printf("%d training scenes; of %d pairs of classes %s\n", recipe.Base.Scenes, len(all)*(len(all)-1)/2, spread(pairs, len(all)*(len(all)-1)/2))
	colored := (len(all) - 1) * len(clipart.Colors()) // a person has no color
	fmt.Printf("of %d pairs of class and color %s\n", colored, spread(colors, colored))
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	return write(out, pairs)
}

// count counts the scenes in which two classes, or a class and a color, are together.
func count(recipe tuning.Recipe) (pairs, colors map[pair]int, err error) {
	pairs, colors = make(map[pair]int), make(map[pair]int)
	for i := range recipe.Base.Scenes {
		scene, err := tuning.BaseScene(recipe, i)
		if err != nil {
			return nil, nil, err
		}
		seen := make(map[pair]bool)
		for k, o := range scene.Objects {
			if o.Color != "" {
				colors[pair{o.Class, o.Color}]++
			}
			for _, other := range scene.Objects[k+1:] {
				if other.Class != o.Class {
					seen[pairOf(o.Class, other.Class)] = true
				}
			}
		}
		for p := range seen {
			pairs[p]++
		}
	}
	return pairs, colors, nil
}

// spread describes counts of n things.
func spread(counts map[pair]int, n int) string {
	values := make([]int, 0, n)
	for _, c := range counts {
		values = append(values, c)
	}
	for range n - len(values) {
		values = append(values, 0)
	}
	slices.Sort(values)
	return fmt.Sprintf("%d are in no scene; the rarest hundredth is in %d at most, the median in %d, the most frequent in %d", n-len(counts), values[n/100], values[n/2], values[n-1])
}

// write samples the prompts of both sets.
func write(out string, pairs map[pair]int) error {
	sets := map[string]*strings.Builder{"rare": {}, "common": {}}
	for i, task := range []clipart.Task{clipart.PositionTask, clipart.ColorAttr, clipart.PositionAttr} {
		left := map[string]int{"rare": each, "common": each}
		for _, p := range (clipart.Sampler{}).Prompts(task, clipart.Test, sampling, rand.New(rand.NewPCG(seed, uint64(i)))) { //nolint:gosec // reproducible on purpose
			set := setOf(p, pairs)
			if left[set] == 0 {
				continue
			}
			left[set]--
			m, err := geneval.FromPrompt(string(task), p)
			if err != nil {
				return err
			}
			text, err := m.Text()
			if err != nil {
				return err
			}
			sets[set].WriteString(text + "\n")
		}
		if left["rare"]+left["common"] > 0 {
			return fmt.Errorf("%s: prompts are missing: %v", task, left)
		}
	}
	for name, lines := range sets {
		if err := os.WriteFile(filepath.Join(out, name+".jsonl"), []byte(lines.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// setOf names the set of a prompt about two classes, or is empty.
func setOf(p reflectionflow.Prompt, pairs map[pair]int) string {
	switch n := pairs[pairOf(p.Requirements[0].Object, p.Requirements[1].Object)]; {
	case n <= rare:
		return "rare"
	case n >= common:
		return "common"
	}
	return ""
}
