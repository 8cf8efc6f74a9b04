package clipart

import (
	"strings"

	"reflectionflow"
)

// maxInstructionWords bounds instructions.
const maxInstructionWords = 25

// Instruction words fixes as one short imperative sentence without a full stop: "add one more
// clock and make the cup blue". It has at most 25 words; fixes that do not fit are left out. It is
// empty for no fixes.
func Instruction(fixes []Fix) string {
	var clauses []string
	words := 0
	for _, f := range fixes {
		clause := f.String()
		words += len(strings.Fields(clause))
		if len(clauses) > 0 {
			words++ // "and"
		}
		if words > maxInstructionWords {
			break
		}
		clauses = append(clauses, clause)
	}
	return list(clauses)
}

// String words a fix as an imperative clause, for example "remove one dog".
func (f Fix) String() string {
	switch f.Kind {
	case AddObject:
		text := "add " + f.added()
		if f.Place == "" && f.Relation != "" {
			return text + " " + f.towards()
		}
		return text + f.at()
	case RemoveObject:
		return "remove " + f.described(f.Color)
	case RecolorObject:
		return "make " + f.described(f.From) + " " + f.Color
	case MoveObject:
		if to, found := strings.CutPrefix(f.Place, "at"); found {
			return "move " + f.moved() + " to" + to
		}
		return "move " + f.moved() + " " + f.towards()
	case ReplaceObject:
		from := "one " + f.From
		if f.All || f.Place != "" {
			from = "the " + f.From
		}
		return "replace " + from + f.at() + " with " + article(colored(f.Color, f.Object))
	}
	return string(f.Kind)
}

// at is the place with a space before it, or empty.
func (f Fix) at() string {
	if f.Place == "" {
		return ""
	}
	return " " + f.Place
}

// added is "a red clock", "two clocks", "one more clock".
func (f Fix) added() string {
	name := colored(f.Color, f.Object)
	n := min(max(f.Count, 1), maxNumber)
	switch {
	case n == 1 && f.More:
		return "one more " + name
	case n == 1:
		return article(name)
	case f.More:
		return numberWords[n] + " more " + colored(f.Color, genEvalPlural(f.Object))
	default:
		return numberWords[n] + " " + colored(f.Color, genEvalPlural(f.Object))
	}
}

// described is "the red dog", "all dogs", "one dog", "two red dogs".
func (f Fix) described(color string) string {
	n := min(max(f.Count, 1), maxNumber)
	switch {
	case f.All && n == 1:
		return "the " + colored(color, f.Object)
	case f.All:
		return "all " + colored(color, genEvalPlural(f.Object))
	default:
		return wording{plural: genEvalPlural}.number(n, color, f.Object)
	}
}

func (f Fix) moved() string {
	if f.Count > 1 {
		return "the " + colored(f.Color, genEvalPlural(f.Object))
	}
	return "the " + colored(f.Color, f.Object)
}

// towards is "to the left of the cat", "above the red cat".
func (f Fix) towards() string {
	target := "the " + colored(f.TargetColor, f.Target)
	if f.Relation == reflectionflow.LeftOf || f.Relation == reflectionflow.RightOf {
		return "to the " + string(f.Relation) + " " + target
	}
	return string(f.Relation) + " " + target
}
