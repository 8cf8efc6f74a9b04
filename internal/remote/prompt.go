package remote

import (
	"regexp"
	"strings"
)

// Some servers read commands out of a prompt: networks to load, weights, parameters,
// comments. Prompts are untrusted, and rewritten ones come from a language model. So
// every engine escapes them such that the server reads them as plain text. The syntax is
// from the servers' sources, which are named below.

// tags matches the beginning of commands in angle brackets: <lora:name:1> and other extra
// networks (AUTOMATIC1111, modules/extra_networks.py; LocalAI), <sd_cpp_extra_args>
// (stable-diffusion.cpp, examples/server, its routes for OpenAI's and AUTOMATIC1111's
// clients), and tokens such as <|endoftext|> and </s>, after which text encoders stop
// reading.
var tags = regexp.MustCompile(`<([\pL\pN_/|])`)

// escapeTags disables tags by a space after "<". Every engine uses it, because any server
// may be behind any protocol.
func escapeTags(text string) string { return tags.ReplaceAllString(text, "< $1") }

var (
	brackets = strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`, "[", `\[`, "]", `\]`,
		// The server drops comments, which begin with a number sign
		// (modules/processing_scripts/comments.py). Text encoders read the wide one the same.
		"#", "＃")
	keywords = regexp.MustCompile(`\b(?:AND|BREAK)\b`)
	// A number at the end is the weight of the whole prompt, as in "the clock shows 12:30".
	weight = regexp.MustCompile(`:\s*[-+]?(?:\d+\.?|\d*\.\d+)\s*$`)
)

// a1111Prompt escapes for AUTOMATIC1111 and Forge (modules/prompt_parser.py): brackets are
// weights and schedules unless escaped; AND and BREAK join prompts.
func a1111Prompt(text string) string {
	text = keywords.ReplaceAllStringFunc(brackets.Replace(escapeTags(text)), strings.ToLower)
	if weight.MatchString(text) {
		text = strings.TrimRight(text, " \t\r\n") + ","
	}
	return text
}

var (
	// escaped brackets: after two backslashes a bracket has its meaning again.
	escaped = regexp.MustCompile(`\\+([()\[\]])`)
	// closing matches a number between a colon and a bracket, which stable-diffusion.cpp reads
	// as a weight, and drops if no bracket was opened.
	closing = regexp.MustCompile(`:([-+]?[.\d]+\))`)
	joint   = regexp.MustCompile(`\bBREAK\b`)
)

// sdcppPrompt escapes for stable-diffusion.cpp (src/util.cpp, parse_prompt_attention). Of
// the documented escapes the server undoes only that of the opening round bracket; before
// others the backslash stays in the text. So square brackets become round ones, and closing
// brackets are not escaped.
func sdcppPrompt(text string) string {
	text = escaped.ReplaceAllString(escapeTags(text), "$1")
	text = strings.NewReplacer("(", `\(`, "[", `\(`, "]", ")").Replace(text)
	return joint.ReplaceAllString(closing.ReplaceAllString(text, ": $1"), "break")
}

// comfyPrompt escapes for ComfyUI's text encoders (comfy/sd1_clip.py): round brackets are
// weights unless escaped; "embedding:" names a file. The editor's choices {a|b} and
// comments are resolved in the browser and not by the server.
func comfyPrompt(text string) string {
	return strings.NewReplacer("(", `\(`, ")", `\)`, "embedding:", "embedding :").Replace(escapeTags(text))
}

// openAIPrompt escapes for servers of OpenAI's images API.
func (d dialect) openAIPrompt(text string) string {
	if d.name == "localai" {
		// LocalAI reads the text after a bar as negative prompt.
		text = strings.ReplaceAll(text, "|", "/")
	}
	return escapeTags(text)
}
