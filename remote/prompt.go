package remote

import (
	"regexp"
	"strings"
)

// Some servers read more out of a prompt than words: networks to load, weights,
// parameters, comments. A prompt comes from anybody, and after a rewriting from a
// language model; so each engine sends it in a form in which it means itself. What
// the forms are is from the servers' sources, named at each.

// tags begin like the marks by which servers are told things inside a prompt:
// <lora:name:1> and other extra networks (AUTOMATIC1111, modules/extra_networks.py;
// LocalAI), <sd_cpp_extra_args> (stable-diffusion.cpp, examples/server, its routes
// for OpenAI's and AUTOMATIC1111's clients), and tokens such as <|endoftext|> and
// </s>, after which text encoders read nothing.
var tags = regexp.MustCompile(`<([\pL\pN_/|])`)

// plain takes tags their meaning: none has a space in this place. Every engine sends
// its prompts through it, since any of them may have such a server behind it.
func escapeTags(text string) string { return tags.ReplaceAllString(text, "< $1") }

var (
	brackets = strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`, "[", `\[`, "]", `\]`,
		// Behind a number sign everything would be a comment
		// (modules/processing_scripts/comments.py); the wide one is read as the same.
		"#", "＃")
	keywords = regexp.MustCompile(`\b(?:AND|BREAK)\b`)
	// A number at the end would be the weight of the whole, as in "the clock shows 12:30".
	weight = regexp.MustCompile(`:\s*[-+]?(?:\d+\.?|\d*\.\d+)\s*$`)
)

// a1111Prompt is for AUTOMATIC1111 and Forge (modules/prompt_parser.py): brackets are
// weights and schedules unless escaped, AND and BREAK join prompts.
func a1111Prompt(text string) string {
	text = keywords.ReplaceAllStringFunc(brackets.Replace(escapeTags(text)), strings.ToLower)
	if weight.MatchString(text) {
		text = strings.TrimRight(text, " \t\r\n") + ","
	}
	return text
}

var (
	// escaped brackets: two backslashes would make the bracket count again.
	escaped = regexp.MustCompile(`\\+([()\[\]])`)
	// closing is a number between a colon and a bracket, which stable-diffusion.cpp
	// takes for a weight, and drops where no bracket was opened.
	closing = regexp.MustCompile(`:([-+]?[.\d]+\))`)
	joint   = regexp.MustCompile(`\bBREAK\b`)
)

// sdcppPrompt is for stable-diffusion.cpp (src/util.cpp, parse_prompt_attention). Of
// the escapes that it documents it undoes that of the opening round bracket alone, and
// leaves the backslash in front of the others. So square brackets become round ones,
// and closing ones stay as they are.
func sdcppPrompt(text string) string {
	text = escaped.ReplaceAllString(escapeTags(text), "$1")
	text = strings.NewReplacer("(", `\(`, "[", `\(`, "]", ")").Replace(text)
	return joint.ReplaceAllString(closing.ReplaceAllString(text, ": $1"), "break")
}

// comfyPrompt is for ComfyUI's text encoders (comfy/sd1_clip.py): round brackets are
// weights unless escaped, "embedding:" names a file. The choices {a|b} and comments of
// its editor are read in the browser, not by the server.
func comfyPrompt(text string) string {
	return strings.NewReplacer("(", `\(`, ")", `\)`, "embedding:", "embedding :").Replace(escapeTags(text))
}

// openAIPrompt is for servers of OpenAI's images API.
func (d dialect) openAIPrompt(text string) string {
	if d.name == "localai" {
		// What follows a bar would be taken as what must not be in the picture.
		text = strings.ReplaceAll(text, "|", "/")
	}
	return escapeTags(text)
}
