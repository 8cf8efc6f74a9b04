package reflector

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"reflectionflow"
	"reflectionflow/internal/english"
)

// Actionable says what a reflection tells the corrector: what to change, where, and how.
type Actionable struct {
	What  bool // it names an object, or a value, of a requirement
	Where bool // it gives a place or a number, or points at an object ("the cup")
	How   bool // it has a verb of change
}

// Score is the share of what, where and how that the reflection tells.
func (a Actionable) Score() float64 {
	n := 0.0
	for _, told := range []bool{a.What, a.Where, a.How} {
		if told {
			n++
		}
	}
	return n / 3
}

// problem tells a model what the reflection lacks; nil for nothing.
func (a Actionable) problem() error {
	switch {
	case !a.What:
		return errors.New("the reflection names none of the objects and properties that were asked for: say what to change")
	case !a.How:
		return errors.New("the reflection has no verb that says what to do, such as add, remove, move, recolor or replace: say how to change it")
	case !a.Where:
		return errors.New("the reflection says neither where nor how many: give a place or a number")
	}
	return nil
}

// changing are verbs of change.
var changing = wordSet(`add remove delete erase drop move place put make change turn recolor recolour color colour paint replace swap exchange
enlarge shrink resize scale rotate shift write draw show give take set bring reduce increase raise lower separate spell correct align position render
insert include keep leave cover lift flip mirror tilt open close brighten darken lighten sharpen blur extend widen narrow split merge join repaint dress hang`)

// placing are words of a place or a number.
var placing = wordSet(`left right above below over under beneath underneath behind front inside outside beside next near between among top bottom center centre
middle corner side edge background foreground upper lower beyond around onto on
one two three four five six seven eight nine ten another second third fourth fifth single both all each every more fewer only extra entire whole`)

func wordSet(text string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(text) {
		set[w] = true
	}
	return set
}

// Judge tells what a reflection on an image of the prompt says, by its words alone. For a
// prompt without requirements the words of the prompt count as what was asked for.
func Judge(p reflectionflow.Prompt, reflection string) Actionable {
	words := wordsOf(reflection)
	var a Actionable
	for _, w := range words {
		a.How = a.How || changing[w]
		a.Where = a.Where || placing[w] || strings.IndexFunc(w, unicode.IsDigit) >= 0
	}
	text := " " + strings.Join(words, " ") + " "
	for _, name := range names(p) {
		if !strings.Contains(text, " "+name+" ") {
			continue
		}
		a.What = true
		for _, pointing := range []string{" the ", " this ", " that ", " its "} {
			a.Where = a.Where || strings.Contains(text, pointing+name+" ")
		}
	}
	return a
}

// wordsOf are the words of a text in lower case.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// names are what the requirements ask for, as words: objects in both numbers, colors and
// values; else the longer words of the prompt.
func names(p reflectionflow.Prompt) []string {
	var list []string
	add := func(texts ...string) {
		for _, text := range texts {
			if w := strings.Join(wordsOf(text), " "); w != "" && !slices.Contains(list, w) {
				list = append(list, w)
			}
		}
	}
	for _, r := range p.Requirements {
		for _, object := range []string{r.Object, r.Target, r.Second} {
			if object == "" {
				continue
			}
			last := object[strings.LastIndexByte(object, ' ')+1:] // the mouse of a computer mouse
			add(object, english.Plural(object), last, english.Plural(last))
		}
		add(r.Value)
		for _, w := range append(wordsOf(r.Value), r.Color, r.TargetColor) {
			if len(w) > 3 || w == r.Color {
				add(w)
			}
		}
	}
	if len(p.Requirements) == 0 {
		for _, w := range wordsOf(p.Text) {
			if len([]rune(w)) > 2 {
				add(w)
			}
		}
	}
	return list
}
