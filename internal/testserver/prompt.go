package testserver

import (
	"fmt"
	"regexp"
	"strings"
)

// The doubles read prompts as their servers do, and refuse commands in them: prompts are
// untrusted, so a client must escape them.
var (
	tags     = regexp.MustCompile(`<(\w+):([^>]+)>|<sd_cpp_extra_args>|<\|\w+\|>|</s>`)
	weighs   = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*[()\[\]]`)
	keywords = regexp.MustCompile(`\b(?:AND|BREAK)\b|#|:\s*[-+]?(?:\d+\.?|\d*\.\d+)\s*$`)
	// stable-diffusion.cpp undoes only the escape of the opening round bracket.
	sdcppWeighs = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*[(\[]|\bBREAK\b|:[-+]?[.\d]+\)`)
	comfyWeighs = regexp.MustCompile(`(?:^|[^\\])[()]|(?:^|[ \n])embedding:`)
)

// words returns a prompt without escapes.
func words(prompt string, commands []*regexp.Regexp, unescape ...string) (string, error) {
	for _, c := range commands {
		if found := c.FindString(prompt); found != "" {
			return "", fmt.Errorf("the prompt holds a command: %q", found)
		}
	}
	return strings.NewReplacer(unescape...).Replace(prompt), nil
}

func webuiWords(prompt string) (string, error) {
	return words(prompt, []*regexp.Regexp{tags, weighs, keywords}, `\\`, `\`, `\(`, "(", `\)`, ")", `\[`, "[", `\]`, "]")
}

func sdcppWords(prompt string) (string, error) {
	return words(prompt, []*regexp.Regexp{tags, sdcppWeighs}, `\(`, "(")
}

func comfyWords(prompt string) (string, error) {
	return words(prompt, []*regexp.Regexp{tags, comfyWeighs}, `\(`, "(", `\)`, ")")
}

func plainWords(prompt string) (string, error) { return words(prompt, []*regexp.Regexp{tags}) }
