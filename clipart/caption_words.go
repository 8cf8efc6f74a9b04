package clipart

import "strings"

// numberWords are the numbers that captions spell out, from zero to [maxNumber].
var numberWords = [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}

// maxNumber is the largest number that captions and instructions spell out.
const maxNumber = len(numberWords) - 1

// MaxCount is how many objects a prompt may ask for in all: one for each quarter of the scene.
const MaxCount = corners

// article puts "a" or "an" before a name, by its first letter as GenEval does.
func article(name string) string {
	if name != "" && strings.ContainsRune("aeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// genEvalPlural is the plural of GenEval's prompts: "es" after an s, otherwise "s", without
// exceptions ("knifes", "benchs").
func genEvalPlural(class string) string {
	if strings.HasSuffix(class, "s") {
		return class + "es"
	}
	return class + "s"
}

// englishPlural is the plural of a class in ordinary English.
func englishPlural(class string) string {
	switch class {
	case "person":
		return "people"
	case "knife":
		return "knives"
	case "computer mouse":
		return "computer mice"
	case "sheep", "scissors", "skis", "broccoli":
		return class
	}
	for _, ending := range []string{"s", "x", "ch", "sh"} {
		if strings.HasSuffix(class, ending) {
			return class + "es"
		}
	}
	return class + "s"
}

// colored puts a color, if there is one, before a name.
func colored(color, name string) string {
	if color == "" {
		return name
	}
	return color + " " + name
}

// list joins phrases with commas and a last "and".
func list(phrases []string) string {
	switch n := len(phrases); n {
	case 0:
		return ""
	case 1:
		return phrases[0]
	default:
		return strings.Join(phrases[:n-1], ", ") + " and " + phrases[n-1]
	}
}

// Words splits a text into the tokens of a word-level tokenizer: lower-case words, with full stops
// and commas as tokens of their own.
func Words(text string) []string {
	text = strings.ToLower(text)
	text = strings.ReplaceAll(text, ".", " . ")
	text = strings.ReplaceAll(text, ",", " , ")
	return strings.Fields(text)
}
