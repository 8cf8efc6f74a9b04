package clipart

import (
	"math/rand/v2"
	"slices"
	"strings"

	"reflectionflow"
)

// Critique words [Corrections] as a person criticizes an image: what is wrong, then what to do,
// without any place or layout, in the words of [Vocabulary]: "there is no red clock. add a red
// clock". It has at most 25 words; corrections that do not fit are left out. It is empty where
// nothing is to be corrected.
func Critique(p reflectionflow.Prompt, seen []reflectionflow.Object) string {
	return criticize(p, seen, func(wrong, fix string) string { return wrong + ". " + fix })
}

// VariedCritique is [Critique] in random other words, for training: without what is wrong, without
// what to do, or worded otherwise. It says the same of all corrections.
func VariedCritique(p reflectionflow.Prompt, seen []reflectionflow.Object, rng *rand.Rand) string {
	form, image := rng.IntN(10), ""
	if rng.IntN(4) == 0 {
		image = "in the " + []string{"photo", "picture", "image"}[rng.IntN(3)] + " "
	}
	return criticize(p, seen, func(wrong, fix string) string {
		switch short, bare := strings.CutPrefix(wrong, "there is "); {
		case form == 0:
			return fix
		case form == 1:
			return image + wrong
		case form < 4 && bare:
			return short + ". " + fix
		case form == 4:
			return fix + ". " + wrong
		}
		return image + wrong + ". " + fix
	})
}

// criticize joins what say says about each correction, as far as it fits.
func criticize(p reflectionflow.Prompt, seen []reflectionflow.Object, say func(wrong, fix string) string) string {
	var sentences []string
	words := 0
	for _, f := range Corrections(p, seen) {
		text := f.String()
		if wrong := f.wrong(seen); wrong != "" {
			text = say(wrong, text)
		}
		if words += len(Words(text)) + 1; words > maxInstructionWords {
			break
		}
		sentences = append(sentences, text)
	}
	return strings.Join(sentences, ". ")
}

// wrong is what a fix finds wrong with the objects that are seen, as a clause.
func (f Fix) wrong(seen []reflectionflow.Object) string {
	english := wording{plural: genEvalPlural}
	switch f.Kind {
	case AddObject, ReplaceObject:
		if f.More {
			return english.there(seenOf(seen, f.Object, f.Color), f.Color, f.Object)
		}
		return "there is no " + colored(f.Color, f.Object)
	case RemoveObject:
		return english.there(seenOf(seen, f.Object, f.Color), f.Color, f.Object)
	case RecolorObject:
		return "no " + f.Object + " is " + f.Color
	case MoveObject:
		subject, target := first(seen, f.Object, f.Color), first(seen, f.Target, f.TargetColor)
		if subject == nil || target == nil || f.Relation == "" {
			return ""
		}
		now := f
		now.Relation = seenRelation(*subject, *target)
		return "the " + colored(f.Color, f.Object) + " is " + strings.TrimPrefix(now.towards(), "to the ")
	}
	return ""
}

// there is "there is one dog" or "there are two red dogs".
func (w wording) there(n int, color, object string) string {
	verb := "are"
	if n == 1 {
		verb = "is"
	}
	return "there " + verb + " " + w.number(max(n, 1), color, object)
}

// is reports an object of a class, in a color unless that is empty.
func is(o reflectionflow.Object, class, color string) bool {
	return o.Class == class && (color == "" || o.Color == color)
}

func seenOf(seen []reflectionflow.Object, class, color string) (n int) {
	for _, o := range seen {
		if is(o, class, color) {
			n++
		}
	}
	return min(n, maxNumber)
}

func first(seen []reflectionflow.Object, class, color string) *reflectionflow.Object {
	if i := slices.IndexFunc(seen, func(o reflectionflow.Object) bool { return is(o, class, color) }); i >= 0 {
		return &seen[i]
	}
	return nil
}

// seenRelation is where one object is from another, along the axis of the larger distance.
func seenRelation(a, b reflectionflow.Object) reflectionflow.Relation {
	ax, ay := center(a)
	bx, by := center(b)
	dx, dy := ax-bx, ay-by
	switch {
	case max(dx, -dx) >= max(dy, -dy) && dx < 0:
		return reflectionflow.LeftOf
	case max(dx, -dx) >= max(dy, -dy):
		return reflectionflow.RightOf
	case dy < 0:
		return reflectionflow.Above
	}
	return reflectionflow.Below
}
