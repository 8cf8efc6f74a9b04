package clipart

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"reflectionflow"
)

// Sampler samples prompts and scenes over a set of classes. The zero value uses all of [Classes].
// It is immutable and safe for concurrent use; each goroutine needs its own random source.
type Sampler struct {
	classes      []string
	firstDrawing bool
}

// NewSampler returns a sampler over the given classes: at least three, one of which is not person.
// No classes means all of [Classes].
func NewSampler(known ...string) (Sampler, error) {
	if len(known) == 0 {
		return Sampler{}, nil
	}
	seen := make(map[string]bool)
	for _, class := range known {
		if !slices.Contains(classes().names, class) {
			return Sampler{}, fmt.Errorf("%w: unknown class %q", reflectionflow.ErrInvalid, class)
		}
		if seen[class] {
			return Sampler{}, fmt.Errorf("%w: class %q is named twice", reflectionflow.ErrInvalid, class)
		}
		seen[class] = true
	}
	if len(known) < 3 {
		return Sampler{}, fmt.Errorf("%w: %d classes: scenes need at least 3", reflectionflow.ErrInvalid, len(known))
	}
	return Sampler{classes: slices.Clone(known)}, nil
}

// FirstDrawing returns a sampler that shows every class by its first drawing, never mirrored: a
// small generator learns one drawing per class better than four.
func (s Sampler) FirstDrawing() Sampler {
	s.firstDrawing = true
	return s
}

// chooseDrawing chooses an object's drawing and mirroring.
func (s Sampler) chooseDrawing(o *Placement, rng *rand.Rand) {
	o.Drawing, o.Flip = 0, false
	if s.firstDrawing {
		return
	}
	o.Drawing = rng.IntN(Drawings(o.Class))
	// Mirrored letters would teach the model to write backwards.
	o.Flip = o.Class != "stop sign" && rng.IntN(2) == 0
}

// Known returns the classes of the sampler.
func (s Sampler) Known() []string { return slices.Clone(s.known()) }

func (s Sampler) known() []string {
	if len(s.classes) == 0 {
		return classes().names
	}
	return s.classes
}

// Sample returns a random prompt of a task and a scene that satisfies it, over all classes and
// splits. The prompt has GenEval's wording.
func Sample(task Task, rng *rand.Rand) (Scene, reflectionflow.Prompt) {
	return Sampler{}.Sample(task, rng)
}

// SamplePrompt is [Sample] within one split.
func SamplePrompt(task Task, split Split, rng *rand.Rand) (Scene, reflectionflow.Prompt) {
	return Sampler{}.SamplePrompt(task, split, rng)
}

// Sample is the function [Sample] over the sampler's classes.
func (s Sampler) Sample(task Task, rng *rand.Rand) (Scene, reflectionflow.Prompt) {
	return s.scene(s.requirements(task, rng), rng)
}

// maxSplitTries bounds the search for a prompt of a split. One prompt in ten is in the rarest
// split, so a failure means that a small set of classes has none.
const maxSplitTries = 500

// SamplePrompt is the function [SamplePrompt] over the sampler's classes. If the classes are so
// few that the split has no prompt of the task, the task becomes two_object and then color_attr;
// the split is always the given one.
func (s Sampler) SamplePrompt(task Task, split Split, rng *rand.Rand) (Scene, reflectionflow.Prompt) {
	for _, t := range []Task{task, TwoObject, ColorAttr} {
		for range maxSplitTries {
			if r := s.requirements(t, rng); splitOf(r) == split {
				return s.scene(r, rng)
			}
		}
	}
	// Thousands of color_attr prompts exist over three classes: not reached unless
	// split is none of the three.
	return Scene{}, reflectionflow.Prompt{}
}

// freeRate is the percentage of training samples that are [Free].
const freeRate = 12

// mixed lists the tasks as often as training samples them: those with several objects more often,
// because models learn them last.
var mixed = []Task{
	SingleObject, ColorTask,
	TwoObject, TwoObject, Counting, Counting,
	PositionTask, PositionTask, PositionTask, ColorAttr, ColorAttr, ColorAttr,
}

// resampleRate is the percentage of mixed samples with colors other than white that are sampled
// again. It doubles the share of white objects, which generators and detectors learn last: only
// faint lines inside tell their class.
const resampleRate = 60

// SampleMixed samples GenEval's six tasks, the harder ones more often, and sometimes [Free]. White
// is asked for twice as often as another color.
func (s Sampler) SampleMixed(split Split, rng *rand.Rand) (Scene, reflectionflow.Prompt) {
	task := Free
	if rng.IntN(100) >= freeRate {
		task = mixed[rng.IntN(len(mixed))]
	}
	for {
		scene, prompt := s.SamplePrompt(task, split, rng)
		if !asksColor(prompt, "") || asksColor(prompt, "white") || rng.IntN(100) >= resampleRate {
			return scene, prompt
		}
	}
}

// asksColor reports whether a prompt asks for a color, or for any color if it is empty.
func asksColor(prompt reflectionflow.Prompt, color string) bool {
	return slices.ContainsFunc(prompt.Requirements, func(r reflectionflow.Requirement) bool {
		return slices.ContainsFunc([]string{r.Color, r.TargetColor}, func(c string) bool { return c != "" && (color == "" || c == color) })
	})
}

// Prompts returns n different random prompts of a task within a split, or fewer if there are not
// as many.
func (s Sampler) Prompts(task Task, split Split, n int, rng *rand.Rand) []reflectionflow.Prompt {
	seen := make(map[string]bool)
	var prompts []reflectionflow.Prompt
	for misses := 0; len(prompts) < n && misses < 4*maxSplitTries; misses++ {
		r := s.requirements(task, rng)
		key := promptKey(r)
		if splitOfKey(key) != split || seen[key] {
			continue
		}
		seen[key] = true
		misses = 0
		prompts = append(prompts, reflectionflow.Prompt{Text: ShortCaption(r), Requirements: r})
	}
	return prompts
}

// defaultTintRate is the percentage of objects without a required color that are tinted, so that
// no class implies a color.
const defaultTintRate = 15

func (s Sampler) scene(requirements []reflectionflow.Requirement, rng *rand.Rand) (Scene, reflectionflow.Prompt) {
	prompt := reflectionflow.Prompt{Text: ShortCaption(requirements), Requirements: requirements}
	// All sampled requirements have a layout; the first tries find one.
	for range 100 {
		if scene, err := s.layout(requirements, defaultTintRate, rng); err == nil {
			return scene, prompt
		}
	}
	return Scene{}, prompt
}

// requirements returns random requirements of a task, in the order in which [Parse] finds them in
// the prompt.
func (s Sampler) requirements(task Task, rng *rand.Rand) []reflectionflow.Requirement {
	switch task {
	case SingleObject:
		return []reflectionflow.Requirement{one(s.differing(1, rng)[0], "")}
	case TwoObject:
		c := s.differing(2, rng)
		return []reflectionflow.Requirement{one(c[0], ""), one(c[1], "")}
	case Counting:
		return []reflectionflow.Requirement{exactly(2+rng.IntN(3), s.differing(1, rng)[0], "")}
	case ColorTask:
		return []reflectionflow.Requirement{one(s.colorable(1, rng)[0], anyColor(rng))}
	case PositionTask:
		c := s.differing(2, rng)
		return positioned(one(c[0], ""), one(c[1], ""), rng)
	case ColorAttr:
		c, color := s.colorable(2, rng), differingColors(2, rng)
		return []reflectionflow.Requirement{one(c[0], color[0]), one(c[1], color[1])}
	case CountingAttr:
		c := s.colorable(2, rng)
		return []reflectionflow.Requirement{exactly(2+rng.IntN(2), c[0], ""), one(c[1], anyColor(rng))}
	case PositionAttr:
		c, color := s.colorable(2, rng), differingColors(2, rng)
		return positioned(one(c[0], color[0]), one(c[1], color[1]), rng)
	case ThreeAttr:
		var three []reflectionflow.Requirement
		colors := differingColors(3, rng)
		for i, class := range s.colorable(3, rng) {
			three = append(three, one(class, colors[i]))
		}
		return three
	default:
		return s.free(rng)
	}
}

// free returns random requirements of [Free].
func (s Sampler) free(rng *rand.Rand) []reflectionflow.Requirement {
	switch rng.IntN(7) {
	case 0: // three red cups
		return []reflectionflow.Requirement{exactly(2+rng.IntN(3), s.colorable(1, rng)[0], anyColor(rng))}
	case 1: // a red dog left of a blue cat
		return s.requirements(PositionAttr, rng)
	case 2: // a dog, a cat and a cup, sometimes colored
		var three []reflectionflow.Requirement
		for _, class := range s.differing(3, rng) {
			three = append(three, one(class, sometimesColor(class, 40, rng)))
		}
		return three
	case 3: // two dogs and a cat
		c := s.differing(2, rng)
		return []reflectionflow.Requirement{exactly(2+rng.IntN(2), c[0], ""), one(c[1], sometimesColor(c[1], 30, rng))}
	case 4: // a red cup and a dog
		c := s.colorable(2, rng)
		return []reflectionflow.Requirement{one(c[0], anyColor(rng)), one(c[1], "")}
	case 5: // one red cup and one blue cup
		c, color := s.colorable(1, rng)[0], differingColors(2, rng)
		return []reflectionflow.Requirement{exactly(1, c, color[0]), exactly(1, c, color[1])}
	default: // a dog and no cat
		c := s.differing(2, rng)
		return []reflectionflow.Requirement{
			one(c[0], sometimesColor(c[0], 30, rng)),
			{Kind: reflectionflow.Absent, Object: c[1]},
		}
	}
}

func one(class, color string) reflectionflow.Requirement {
	return reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: class, Color: color, Count: 1}
}

func exactly(n int, class, color string) reflectionflow.Requirement {
	return reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: class, Color: color, Count: n}
}

// relations are those of GenEval, in its order.
var relations = [...]reflectionflow.Relation{
	reflectionflow.LeftOf, reflectionflow.RightOf, reflectionflow.Above, reflectionflow.Below,
}

func positioned(a, b reflectionflow.Requirement, rng *rand.Rand) []reflectionflow.Requirement {
	return []reflectionflow.Requirement{a, b, {
		Kind: reflectionflow.Position, Object: a.Object, Color: a.Color,
		Relation: relations[rng.IntN(len(relations))], Target: b.Object, TargetColor: b.Color,
	}}
}

// person is the class that is never colored (GenEval, create_prompts.py).
const person = "person"

// differing returns n different random classes.
func (s Sampler) differing(n int, rng *rand.Rand) []string {
	return pick(s.known(), n, rng, func(string) bool { return true })
}

// colorable returns n different random classes that may have a color.
func (s Sampler) colorable(n int, rng *rand.Rand) []string {
	return pick(s.known(), n, rng, func(class string) bool { return class != person })
}

func differingColors(n int, rng *rand.Rand) []string {
	return pick(colorNames[:], n, rng, func(string) bool { return true })
}

func pick(from []string, n int, rng *rand.Rand, allowed func(string) bool) []string {
	picked := make([]string, 0, n)
	for len(picked) < n {
		if s := from[rng.IntN(len(from))]; allowed(s) && !slices.Contains(picked, s) {
			picked = append(picked, s)
		}
	}
	return picked
}

func anyColor(rng *rand.Rand) string { return colorNames[rng.IntN(len(colorNames))] }

// sometimesColor is a random color in the given percentage of cases, never for a person.
func sometimesColor(class string, percent int, rng *rand.Rand) string {
	if rng.IntN(100) >= percent || class == person {
		return ""
	}
	return anyColor(rng)
}
