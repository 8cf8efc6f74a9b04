package clipart

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"reflectionflow"
)

// Task is a kind of prompt: one of the six of GenEval, of the three of [Compound], or [Free].
type Task string

// GenEval's tasks by their tags, the compound tasks, and the mixture used in training only.
const (
	SingleObject Task = "single_object" // a photo of a bench
	TwoObject    Task = "two_object"    // a photo of a clock and a dog
	Counting     Task = "counting"      // a photo of three clocks
	ColorTask    Task = "colors"        // a photo of a red dog
	PositionTask Task = "position"      // a photo of a dog right of a tie
	ColorAttr    Task = "color_attr"    // a photo of a red cup and a blue book

	// Compound tasks ask for more than GenEval's.
	CountingAttr Task = "counting_attr" // a photo of two apples and a green laptop
	PositionAttr Task = "position_attr" // a photo of a white handbag right of a green carrot
	ThreeAttr    Task = "three_attr"    // a photo of a red cup, a blue book and a black dog

	// Free is not a task of GenEval: colored counts, colored positions, three objects, absent
	// objects. It makes training more varied.
	Free Task = "free"
)

// Tasks lists GenEval's six tasks in GenEval's order, without [Free].
func Tasks() []Task {
	return []Task{SingleObject, TwoObject, Counting, ColorTask, PositionTask, ColorAttr}
}

// Compound lists tasks that combine GenEval's: counts, positions and colors in one prompt, or the
// colors of three objects. A generator that succeeds at each of GenEval's tasks may still fail at
// these (GenEval 2, arXiv 2512.16853).
func Compound() []Task { return []Task{CountingAttr, PositionAttr, ThreeAttr} }

// Split is the use of a prompt: training, validation or test.
type Split string

// The splits have about 80%, 10% and 10% of the prompts.
const (
	Train      Split = "train"
	Validation Split = "validation"
	Test       Split = "test"
)

// SplitOf returns the split of a prompt. All prompts with the same requirements share a split,
// however they are worded: "a dog and a cat" with "a cat, a dog", "a dog left of a cat" with "a
// cat right of a dog". So no rewording of a held-out prompt is used in training. The split of a
// text without requirements depends on its words. SplitOf reads texts as captions: it accepts more
// than [Parse].
//
// All tasks are split alike, also the 80 prompts of single_object and the 790 of colors: the few
// classes that are held out alone occur in training next to others, counted and colored.
func SplitOf(promptText string) Split {
	prompt, err := parseCaption(promptText)
	if err != nil {
		return splitOfKey(strings.Join(Words(promptText), " "))
	}
	return splitOf(prompt.Requirements)
}

func splitOf(requirements []reflectionflow.Requirement) Split {
	return splitOfKey(promptKey(requirements))
}

func splitOfKey(key string) Split {
	hash := fnv.New64a()
	hash.Write([]byte(key)) // a hash never fails to write
	// The low bits of FNV-1a are weak on short texts; fold the high ones in.
	sum := hash.Sum64()
	sum ^= sum >> 32
	sum *= 0x9e3779b97f4a7c15
	switch n := (sum >> 33) % 10; n {
	case 0:
		return Test
	case 1:
		return Validation
	default:
		return Train
	}
}

// promptKey is equal for all prompts with the same requirements: requirements in sorted order,
// positions from one side, "a dog" like "one dog".
func promptKey(requirements []reflectionflow.Requirement) string {
	parts := make([]string, 0, len(requirements))
	for _, r := range requirements {
		switch r.Kind {
		case reflectionflow.Position:
			if r.Count <= 1 && (r.Relation == reflectionflow.RightOf || r.Relation == reflectionflow.Below) {
				r = inverse(r)
			}
			parts = append(parts, fmt.Sprintf("%d %s %s/%s/%s %s", r.Count, r.Color, r.Object, r.Relation, r.TargetColor, r.Target))
		case reflectionflow.Absent:
			parts = append(parts, "0 "+r.Color+" "+r.Object)
		default:
			parts = append(parts, fmt.Sprintf("%d %s %s", max(r.Count, 1), r.Color, r.Object))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ";")
}
