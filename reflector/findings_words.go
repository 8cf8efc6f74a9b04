package reflector

import (
	"fmt"
	"math"
	"strings"

	"reflectionflow"
)

// numbers are the words for small numbers.
var numbers = []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}

func word(n int) string {
	if n >= 0 && n < len(numbers) {
		return numbers[n]
	}
	return fmt.Sprint(n)
}

// amount is "a dog", "an apple" or "two dogs".
func amount(n int, what string) string {
	switch {
	case n != 1:
		return word(n) + " " + plural(what)
	case strings.HasSuffix(what, "scissors") || strings.HasSuffix(what, "skis"):
		return "a pair of " + what
	case strings.ContainsRune("aeiou", rune(what[0])):
		return "an " + what
	}
	return "a " + what
}

// areThere is "is one dog" or "are two dogs".
func areThere(n int, what string) string {
	if n == 1 {
		return "is one " + what
	}
	return "are " + word(n) + " " + plural(what)
}

var irregular = map[string]string{
	"person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice", "goose": "geese", "foot": "feet", "tooth": "teeth",
	"sheep": "sheep", "fish": "fish", "deer": "deer", "skis": "skis", "scissors": "scissors", "knife": "knives", "wolf": "wolves", "leaf": "leaves",
	"loaf": "loaves", "shelf": "shelves", "half": "halves", "bus": "buses", "glasses": "glasses", "people": "people",
}

// plural is the plural of a noun phrase.
func plural(what string) string {
	head, last := "", what
	if i := strings.LastIndexByte(what, ' '); i >= 0 {
		head, last = what[:i+1], what[i+1:]
	}
	if p, ok := irregular[last]; ok {
		return head + p
	}
	for _, end := range []string{"s", "x", "z", "ch", "sh"} {
		if strings.HasSuffix(last, end) {
			return head + last + "es"
		}
	}
	if n := len(last); n > 1 && last[n-1] == 'y' && !strings.ContainsRune("aeiou", rune(last[n-2])) {
		return head + last[:n-1] + "ies"
	}
	return head + last + "s"
}

// plainly is a noun for n objects.
func plainly(object string, n int) string {
	if n == 1 {
		return object
	}
	return plural(object)
}

func named(color, object string) string {
	if color == "" {
		return object
	}
	return color + " " + object
}

func target(r reflectionflow.Requirement) string {
	what := named(r.TargetColor, r.Target)
	if r.Second != "" {
		what += " and the " + r.Second
	}
	return what
}

func upper(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// listing names objects by their places: "the dog at the left and the dog at the top right".
func listing(what string, objects []reflectionflow.Object) string {
	var list []string
	for _, o := range objects {
		name := "the " + what
		if o.Box != ([4]float64{}) {
			name += " " + at(placeOf(o.Box))
		}
		list = append(list, name)
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// at words a place of [reflectionflow.Places].
func at(place string) string {
	if place == "center" {
		return "in the center"
	}
	return "at the " + place
}

// toward words a move to a place.
func toward(place string) string { return "to the " + place }

// placeOf is the part of the image that the center of a box is in: of thirds both ways.
func placeOf(box [4]float64) string {
	third := func(low, high float64, before, after string) string {
		switch c := (low + high) / 2; {
		case c < 1.0/3:
			return before
		case c > 2.0/3:
			return after
		}
		return ""
	}
	place := strings.TrimSpace(third(box[1], box[3], "top", "bottom") + " " + third(box[0], box[2], "left", "right"))
	if place == "" {
		return "center"
	}
	return place
}

// relation words where box a is from box b: along the axis of the larger distance.
func relation(a, b [4]float64) string {
	dx, dy := (a[0]+a[2]-b[0]-b[2])/2, (a[1]+a[3]-b[1]-b[3])/2
	switch {
	case math.Abs(dx) >= math.Abs(dy) && dx < 0:
		return string(reflectionflow.LeftOf)
	case math.Abs(dx) >= math.Abs(dy):
		return string(reflectionflow.RightOf)
	case dy < 0:
		return string(reflectionflow.Above)
	}
	return string(reflectionflow.Below)
}

// statement is a requirement as a sentence.
func statement(r reflectionflow.Requirement) string {
	what := named(r.Color, r.Object)
	switch r.Kind {
	case reflectionflow.AtLeast:
		if r.Count <= 1 {
			return "There is " + amount(1, what) + "."
		}
		return "There are at least " + amount(r.Count, what) + "."
	case reflectionflow.Exactly:
		if r.Count == 1 {
			return "There is exactly one " + what + "."
		}
		return "There are exactly " + amount(r.Count, what) + "."
	case reflectionflow.AtMost:
		if r.Count == 1 {
			return "There is at most one " + what + "."
		}
		return "There are at most " + amount(r.Count, what) + "."
	case reflectionflow.Absent:
		return "There is no " + what + "."
	case reflectionflow.Color:
		if r.Count > 1 {
			return upper(word(r.Count)) + " " + plural(r.Object) + " are " + r.Color + "."
		}
		return "The " + r.Object + " is " + r.Color + "."
	case reflectionflow.Attribute:
		return "The " + what + " is " + r.Value + "."
	case reflectionflow.Position, reflectionflow.Interaction:
		return "The " + what + " is " + string(r.Relation) + " the " + target(r) + "."
	case reflectionflow.Place:
		return "The " + what + " is " + at(r.Value) + " of the image."
	case reflectionflow.Text:
		return fmt.Sprintf("The text %q is in the image.", r.Value)
	case reflectionflow.Activity:
		return "The " + what + " is " + r.Value + "."
	case reflectionflow.Scene:
		return "The setting is " + r.Value + "."
	case reflectionflow.Style:
		return "The style is " + r.Value + "."
	}
	return upper(strings.TrimSuffix(r.Value, ".")) + "."
}
