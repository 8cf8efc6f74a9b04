package chat

import (
	"fmt"
	"slices"
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

// QuestionOf words requirement i of a prompt as a short question that a person would ask,
// whose expected answer means that it is met. It is the only wording of requirements as
// questions: verifiers and judges share it. The wording is that of GenEval 2 where it has
// one. Objects of which the prompt asks for several are asked about in the plural.
func QuestionOf(p reflectionflow.Prompt, i int) Question {
	r := p.Requirements[i]
	object := named(r.Color, r.Object)
	switch r.Kind {
	case reflectionflow.Exactly, reflectionflow.AtLeast, reflectionflow.AtMost, reflectionflow.Absent:
		return number(r, object)
	case reflectionflow.Position, reflectionflow.Interaction:
		return related(p, r, object)
	case reflectionflow.Color:
		return shared(r, r.Object, r.Color)
	case reflectionflow.Attribute:
		return shared(r, object, r.Value)
	case reflectionflow.Place:
		switch {
		case r.Count > 1:
			return yes("Are there at least %s %s %s of the image?", english.Number(r.Count), english.Plural(object), place(r.Value))
		case r.Count == 0 && many(p, r.Object, r.Color) > 1:
			return yes("Are there %s %s of the image?", english.Plural(object), place(r.Value))
		}
		return yes("%s %s of the image?", there(object), place(r.Value))
	case reflectionflow.Activity:
		return yes("%s %s in the image?", is(p, object, r), r.Value)
	case reflectionflow.Text:
		return written(p, r, object)
	}
	return whole(r)
}

// several reports whether a prompt asks for more than one of an object.
func several(p reflectionflow.Prompt, object string) bool { return many(p, object, "") > 1 }

// many is how many of an object, of a color where one is named, a prompt asks for; 0 where
// it does not say.
func many(p reflectionflow.Prompt, object, color string) int {
	n, colored := 0, 0
	for _, r := range p.Requirements {
		switch {
		case r.Object != object:
		case r.Counts():
			n = max(n, r.Count)
		case r.Kind == reflectionflow.Color && r.Color == color:
			colored = max(colored, r.Count)
		}
	}
	if color != "" && colored > 0 {
		return colored
	}
	return n
}

// number words how many of an object there are.
func number(r reflectionflow.Requirement, object string) Question {
	many := english.Plural(object)
	switch {
	case r.Kind == reflectionflow.Exactly && r.Count <= largestCount:
		return Question{fmt.Sprintf("How many %s are in the image?", many), english.Number(r.Count)}
	case r.Kind == reflectionflow.Exactly:
		return yes("Are there exactly %s %s in the image?", english.Number(r.Count), many)
	case r.Kind == reflectionflow.AtLeast && r.Count > 1:
		return yes("Are there at least %s %s in the image?", english.Number(r.Count), many)
	case r.Kind == reflectionflow.AtLeast:
		return yes("%s in the image?", there(object))
	case r.Kind == reflectionflow.AtMost && r.Count == 1:
		return yes("Is there at most one %s in the image?", object)
	case r.Kind == reflectionflow.AtMost && r.Count > 1:
		return yes("Are there at most %s %s in the image?", english.Number(r.Count), many)
	case english.IsUncounted(object):
		return Question{fmt.Sprintf("Is there any %s in the image?", object), "No"}
	}
	return Question{fmt.Sprintf("Are there any %s in the image?", many), "No"}
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

// is begins a question about the object of a requirement: in the plural where the prompt
// asks for several, with their number where it speaks of some of them.
func is(p reflectionflow.Prompt, phrase string, r reflectionflow.Requirement) string {
	switch all := many(p, r.Object, r.Color); {
	case r.Count == 1 && all > 1:
		return "Is one of the " + english.Plural(phrase)
	case r.Count > 1 && r.Count < all:
		return "Are at least " + english.Number(r.Count) + " of the " + english.Plural(phrase)
	case all > 1:
		return "Are the " + english.Plural(phrase)
	case english.IsPlural(phrase):
		return "Are the " + phrase
	}
	return "Is the " + phrase
}

// the names an object that the prompt asks for.
func the(p reflectionflow.Prompt, color, object string) string {
	if many(p, object, color) > 1 {
		return "the " + english.Plural(named(color, object))
	}
	return "the " + named(color, object)
}

// related words a relation between objects.
func related(p reflectionflow.Prompt, r reflectionflow.Requirement, object string) Question {
	target, relation := the(p, r.TargetColor, r.Target), string(r.Relation)
	if r.Kind == reflectionflow.Position {
		switch {
		case r.Relation == reflectionflow.LeftOf || r.Relation == reflectionflow.RightOf:
			relation = "to the " + relation
		case r.Relation == reflectionflow.Between && r.Second == r.Target:
			target = "two " + english.Plural(named(r.TargetColor, r.Target))
		case r.Relation == reflectionflow.Between:
			target += " and " + the(p, "", r.Second)
		}
	}
	return yes("%s %s %s in the image?", is(p, object, r), relation, target)
}

// shared words a property of all objects, or of so many.
func shared(r reflectionflow.Requirement, object, property string) Question {
	many := english.Plural(object)
	switch {
	case r.Count == 0:
		return yes("Are all %s in the image %s?", many, property)
	case r.Count == 1 && !strings.Contains(property, " "):
		return yes("%s in the image?", there(named(property, object)))
	case r.Count == 1:
		return yes("%s in the image that is %s?", there(object), property)
	}
	return yes("Are at least %s of the %s in the image %s?", english.Number(r.Count), many, property)
}

func place(value string) string {
	switch value {
	case "center", "background", "foreground":
		return "in the " + value
	case "left", "right":
		return "on the " + value + " side"
	case "top", "bottom":
		return "at the " + value
	}
	return "in the " + value + " corner"
}

// written words a text in the image.
func written(p reflectionflow.Prompt, r reflectionflow.Requirement, object string) Question {
	if r.Object == "" {
		return yes("Does the image show the text %q, letter for letter?", r.Value)
	}
	do := "Does"
	if several(p, r.Object) || english.IsPlural(object) {
		do = "Do"
	}
	return yes("%s %s in the image show the text %q, letter for letter?", do, the(p, r.Color, r.Object), r.Value)
}

// times are settings that are a time or the weather: "Is it night in the image?"
var times = map[string]bool{
	"day": true, "daytime": true, "night": true, "dawn": true, "dusk": true, "twilight": true, "morning": true, "noon": true, "midday": true,
	"afternoon": true, "evening": true, "midnight": true, "spring": true, "summer": true, "autumn": true, "winter": true,
	"sunny": true, "cloudy": true, "rainy": true, "foggy": true, "snowy": true, "stormy": true, "windy": true,
}

// places are settings without an article.
var places = map[string]bool{"space": true, "outer space": true, "nature": true, "heaven": true, "underwater": true, "indoors": true, "outdoors": true, "downtown": true}

// media are the last words of what an image can be.
var media = []string{"painting", "photo", "photograph", "drawing", "sketch", "render", "rendering", "illustration", "print", "poster", "cartoon", "collage", "mosaic", "mural", "woodcut", "etching", "portrait"}

// whole words what is about the image as a whole.
func whole(r reflectionflow.Requirement) Question {
	value := strings.TrimSpace(r.Value)
	first, _, _ := strings.Cut(strings.ToLower(value), " ")
	begins := slices.Contains([]string{"a", "an", "the", "some", "in", "on", "at", "under", "inside", "near", "by"}, first)
	switch r.Kind {
	case reflectionflow.Scene:
		switch {
		case times[strings.ToLower(value)]:
			return yes("Is it %s in the image?", value)
		case begins || places[strings.ToLower(value)]:
			return yes("Is the setting of the image %s?", value)
		}
		return yes("Is the setting of the image %s?", english.Article(value))
	case reflectionflow.Style:
		last := strings.ToLower(value[strings.LastIndexByte(value, ' ')+1:])
		switch {
		case first == "in":
			return yes("Is the image %s?", value)
		case slices.Contains(media, last) && begins:
			return yes("Is the image %s?", value)
		case slices.Contains(media, last):
			return yes("Is the image %s?", english.Article(value))
		}
		return yes("Is the style or medium of the image %s?", value)
	case reflectionflow.Free:
		return yes("Does the image show this: %s?", value)
	}
	return yes("Does the image show this: %s?", r)
}
