package clipart

import (
	"math/rand/v2"
	"slices"

	"reflectionflow"
)

// ShortCaption words requirements as GenEval words its prompts: "a photo of a clock and a dog", "a
// photo of three clocks", "a photo of a dog right of a tie". Requirements that GenEval has no
// wording for follow the same form: "at least two dogs", "no cat". [Parse] reads the caption of
// its own requirements back to the same requirements. The caption of no requirements is empty.
func ShortCaption(requirements []reflectionflow.Requirement) string {
	if len(requirements) == 0 {
		return ""
	}
	return "a photo of " + wording{plural: genEvalPlural}.sentence(requirements)
}

// VariedCaption is [ShortCaption] in random other words, for training: with or without "a photo
// of", other spellings of plurals and relations. It asks for the same requirements in the same
// order.
func VariedCaption(requirements []reflectionflow.Requirement, rng *rand.Rand) string {
	w := wording{plural: genEvalPlural, toThe: rng.IntN(10) < 3}
	if rng.IntN(10) < 3 {
		w.plural = englishPlural
	}
	varied := make([]reflectionflow.Requirement, 0, len(requirements))
	for _, r := range requirements {
		if r.Kind == reflectionflow.Position && r.Count <= 1 && rng.IntN(10) < 2 {
			r = inverse(r)
		}
		varied = append(varied, r)
	}
	sentence := w.sentence(varied)
	switch n := rng.IntN(20); {
	case n < 9:
		return "a photo of " + sentence
	case n < 16:
		return sentence
	case n < 18:
		return "a picture of " + sentence
	default:
		return "an image of " + sentence
	}
}

// TrainingCaption returns a random text that a generator is trained on for a scene and its prompt:
// GenEval's wording, other short wordings, or a long caption. A long caption says more than the
// prompt, for example that the cup is blue. If that makes it a prompt of another [Split], a short
// wording is returned instead.
func TrainingCaption(scene Scene, prompt reflectionflow.Prompt, rng *rand.Rand) string {
	n := rng.IntN(20)
	switch {
	case n < 5:
		return ShortCaption(prompt.Requirements)
	case n < 13 || splitOf(SceneRequirements(scene)) != splitOf(prompt.Requirements):
		return VariedCaption(prompt.Requirements, rng)
	case n < 16:
		return LongCaption(scene)
	default:
		return DetailedCaption(prompt.Requirements, scene)
	}
}

// inverse states a position from the side of its target.
func inverse(r reflectionflow.Requirement) reflectionflow.Requirement {
	return reflectionflow.Requirement{
		Kind: reflectionflow.Position, Object: r.Target, Color: r.TargetColor,
		Relation: opposite(r.Relation), Target: r.Object, TargetColor: r.Color,
	}
}

func opposite(relation reflectionflow.Relation) reflectionflow.Relation {
	switch relation {
	case reflectionflow.LeftOf:
		return reflectionflow.RightOf
	case reflectionflow.RightOf:
		return reflectionflow.LeftOf
	case reflectionflow.Above:
		return reflectionflow.Below
	default:
		return reflectionflow.Above
	}
}

// wording is a choice of words.
type wording struct {
	plural func(class string) string
	toThe  bool // "to the left of" for "left of"
}

// sentence lists positions first, then objects without a position, then absent objects.
func (w wording) sentence(requirements []reflectionflow.Requirement) string {
	mentioned := make(map[[2]string]bool)
	var clauses, absent []string
	for _, r := range requirements {
		if r.Kind != reflectionflow.Position {
			continue
		}
		subject := w.counted(requirements, r.Object, r.Color)
		target := w.counted(requirements, r.Target, r.TargetColor)
		clauses = append(clauses, subject+" "+w.relation(r.Relation)+" "+target)
		mentioned[[2]string{r.Object, r.Color}] = true
		mentioned[[2]string{r.Target, r.TargetColor}] = true
	}
	for _, r := range requirements {
		switch {
		case r.Kind == reflectionflow.Position || mentioned[[2]string{r.Object, r.Color}]:
		case r.Kind == reflectionflow.Absent:
			absent = append(absent, w.phrase(r))
		default:
			clauses = append(clauses, w.phrase(r))
		}
	}
	return list(append(clauses, absent...))
}

// counted is the phrase for an object of a position, with its required count.
func (w wording) counted(requirements []reflectionflow.Requirement, class, color string) string {
	for _, r := range requirements {
		if r.Object == class && r.Color == color && (r.Kind == reflectionflow.AtLeast || r.Kind == reflectionflow.Exactly) {
			return w.phrase(r)
		}
	}
	return article(colored(color, class))
}

func (w wording) relation(relation reflectionflow.Relation) string {
	if w.toThe && (relation == reflectionflow.LeftOf || relation == reflectionflow.RightOf) {
		return "to the " + string(relation)
	}
	return string(relation)
}

// phrase words one count: "a red dog", "one dog", "three red dogs", "no dog".
func (w wording) phrase(r reflectionflow.Requirement) string {
	if r.Kind == reflectionflow.Absent {
		return "no " + colored(r.Color, r.Object)
	}
	if r.Kind == reflectionflow.AtLeast && r.Count <= 1 {
		return article(colored(r.Color, r.Object))
	}
	number := w.number(r.Count, r.Color, r.Object)
	if r.Kind == reflectionflow.AtLeast {
		return "at least " + number
	}
	return number
}

// number is a count with its object: "one red dog", "three red dogs".
func (w wording) number(n int, color, class string) string {
	n = min(max(n, 1), maxNumber)
	if n == 1 {
		return "one " + colored(color, class)
	}
	return numberWords[n] + " " + colored(color, w.plural(class))
}

// maxLongWords bounds long captions, in words without punctuation.
const maxLongWords = 40

// LongCaption describes the layout of a scene: "a photo of two dogs. dog top left, dog at the
// right." Objects come in reading order, top to bottom and left to right. The caption has at most
// 40 words without punctuation: the opening sentence or the places are left out if they do not
// fit. An opening sentence that alone is longer is kept whole.
func LongCaption(scene Scene) string {
	scene.Objects = slices.Clone(scene.Objects)
	slices.SortStableFunc(scene.Objects, byPlace)
	return DetailedCaption(SceneRequirements(scene), scene)
}

// DetailedCaption is [LongCaption] with the requirements as its opening sentence, positions
// included: "a photo of a dog right of a tie. tie top left, dog bottom right." With a scene from
// [Layout] it is the refined wording of a prompt.
func DetailedCaption(requirements []reflectionflow.Requirement, scene Scene) string {
	if len(scene.Objects) == 0 {
		return "plain background."
	}
	opening, outline := ShortCaption(requirements)+".", Outline(scene, requirements)+"."
	for _, text := range []string{opening + " " + outline, outline} {
		if countWords(text) <= maxLongWords {
			return text
		}
	}
	return opening
}

// SceneRequirements returns the counts of the objects of a scene by class and color, without
// positions.
func SceneRequirements(scene Scene) []reflectionflow.Requirement {
	var requirements []reflectionflow.Requirement
	for _, g := range groupObjects(scene.Objects) {
		r := one(g.class, g.color)
		if g.n > 1 {
			r = exactly(g.n, g.class, g.color)
		}
		requirements = append(requirements, r)
	}
	return requirements
}

func countWords(text string) int {
	n := 0
	for _, word := range Words(text) {
		if word != "." && word != "," {
			n++
		}
	}
	return n
}

// group is the number of objects of one class and color.
type group struct {
	class, color string
	n            int
}

func groupObjects(objects []Placement) []group {
	var groups []group
next:
	for _, o := range objects {
		for i, g := range groups {
			if g.class == o.Class && g.color == o.Color {
				groups[i].n++
				continue next
			}
		}
		groups = append(groups, group{o.Class, o.Color, 1})
	}
	return groups
}

// place names the ninth of the image that a center lies in.
func place(x, y float64) string {
	horizontal, vertical := third(x, "left", "right"), third(y, "top", "bottom")
	switch {
	case horizontal == "" && vertical == "":
		return "in the middle"
	case horizontal == "" || vertical == "":
		return "at the " + vertical + horizontal
	default:
		return "at the " + vertical + " " + horizontal
	}
}

// third returns low below 0.4, high above 0.6 and "" between.
func third(v float64, low, high string) string {
	switch {
	case v < 0.4:
		return low
	case v > 0.6:
		return high
	}
	return ""
}
