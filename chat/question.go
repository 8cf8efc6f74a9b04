package chat

import (
	"fmt"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/english"
)

// Question is a question about an image that is answered by one word.
type Question struct {
	Text string `json:"question"`
	// Answer is the expected one: "Yes", "No", or a number in words.
	Answer string `json:"answer"`
}

// largestCount is the largest number that "How many" asks for. A larger one may have
// several tokens, and the first, such as the 1 of 12, may begin another number.
const largestCount = 9

// QuestionOf words a requirement as a question whose expected answer means that it is met.
// The wording is that of GenEval 2 where it has one.
func QuestionOf(r reflectionflow.Requirement) Question {
	object := named(r.Color, r.Object)
	many := english.Plural(object)
	switch r.Kind {
	case reflectionflow.Exactly:
		if r.Count <= largestCount {
			return Question{fmt.Sprintf("How many %s are in the image?", many), english.Number(r.Count)}
		}
		return yes("Are there exactly %s %s in the image?", english.Number(r.Count), many)
	case reflectionflow.AtLeast:
		if r.Count > 1 {
			return yes("Are there at least %s %s in the image?", english.Number(r.Count), many)
		}
		return yes("%s in the image?", there(object))
	case reflectionflow.AtMost:
		return yes("Are there at most %s %s in the image?", english.Number(r.Count), many)
	case reflectionflow.Absent:
		return Question{fmt.Sprintf("Are there any %s in the image?", many), "No"}
	case reflectionflow.Position, reflectionflow.Interaction:
		return related(r, object)
	case reflectionflow.Color:
		return shared(r, r.Object, r.Color)
	case reflectionflow.Attribute:
		return shared(r, object, r.Value)
	case reflectionflow.Place:
		return yes("%s %s of the image?", there(object), place(r.Value))
	}
	return described(r, object)
}

// VQAScoreQuestion asks about a prompt as a whole, in the words of GenEval 2's VQAScore
// (after arXiv 2404.01291).
func VQAScoreQuestion(prompt string) Question {
	return Question{`Does this image show "` + prompt + `"? Answer the question with Yes or No.`, "Yes"}
}

func yes(format string, args ...any) Question { return Question{fmt.Sprintf(format, args...), "Yes"} }

func named(color, object string) string { return strings.TrimSpace(color + " " + object) }

// there asks for an object.
func there(object string) string {
	if english.IsPlural(object) {
		return "Are there " + object
	}
	return "Is there " + english.Article(object)
}

// is begins a question about the object of which there is one.
func is(object string) string {
	if english.IsPlural(object) {
		return "Are the " + object
	}
	return "Is the " + object
}

// related words a relation between objects.
func related(r reflectionflow.Requirement, object string) Question {
	target := "the " + named(r.TargetColor, r.Target)
	if r.Kind == reflectionflow.Interaction {
		return yes("%s %s %s in the image?", is(object), r.Relation, target)
	}
	relation := string(r.Relation)
	switch r.Relation {
	case reflectionflow.LeftOf, reflectionflow.RightOf:
		relation = "to the " + relation
	case reflectionflow.Between:
		target += " and the " + r.Second
	}
	return yes("%s %s %s in the image?", is(object), relation, target)
}

// shared words a property of all objects, or of so many.
func shared(r reflectionflow.Requirement, object, property string) Question {
	many := english.Plural(object)
	switch {
	case r.Count == 0:
		return yes("Are all %s in the image %s?", many, property)
	case r.Count == 1 && r.Kind == reflectionflow.Color:
		return yes("%s in the image?", there(named(property, object)))
	case r.Count == 1:
		return yes("%s in the image that is %s?", there(object), property)
	}
	return yes("Are at least %s of the %s in the image %s?", english.Number(r.Count), many, property)
}

func place(value string) string {
	switch value {
	case "center":
		return "in the center"
	case "left", "right":
		return "on the " + value + " side"
	case "top", "bottom":
		return "at the " + value
	}
	return "in the " + value + " corner"
}

// described words what is not about the relation or the number of objects.
func described(r reflectionflow.Requirement, object string) Question {
	switch r.Kind {
	case reflectionflow.Text:
		if r.Object == "" {
			return yes("Does the image show the text %q, letter for letter?", r.Value)
		}
		return yes("Does the %s in the image show the text %q, letter for letter?", object, r.Value)
	case reflectionflow.Activity:
		return yes("%s %s in the image?", is(object), r.Value)
	case reflectionflow.Scene:
		return yes("Is the setting of the image: %s?", r.Value)
	case reflectionflow.Style:
		return yes("Is this the style or medium of the image: %s?", r.Value)
	case reflectionflow.Free:
		return yes("Does the image show this: %s?", r.Value)
	}
	return yes("Does the image show this: %s?", r)
}
