package assemble_test

import (
	"errors"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/requirements"
)

const remoteParts = `
generators: {sd: {type: remote, url: "sdcpp+http://localhost:1"}}
endpoints: {vlm: {url: "http://localhost:2", cache: none}}
`

// Prompts of other engines than clip-art are read as plain English; what is not read is
// kept.
func TestEnglishIsTheParserOfFreePrompts(t *testing.T) {
	for _, parsers := range []string{"", "use: {parser: english}\n", "parsers: {mine: {type: english}}\n"} {
		parse, err := builder(t, remoteParts+parsers).Parser(assemble.Model{})
		if err != nil {
			t.Fatalf("%q: %v", parsers, err)
		}
		p, cost, err := parse(t.Context(), "two dogs on a red sofa, supercalifragilistic")
		if err != nil || len(p.Requirements) != 5 || len(requirements.Unread(p)) != 1 || cost.TokensIn != 0 {
			t.Errorf("%q: %+v, %+v, %v", parsers, p, cost, err)
		}
	}
}

// A prompt that is read needs no language model: nothing listens at the endpoint.
func TestEnglishAsksOnlyAboutTheRest(t *testing.T) {
	parse, err := builder(t, remoteParts+"parsers: {mine: {type: english, endpoint: vlm}}\n").Parser(assemble.Model{})
	if err != nil {
		t.Fatal(err)
	}
	if p, _, err := parse(t.Context(), "two dogs on a red sofa"); err != nil || len(p.Requirements) != 4 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestEnglishWithAPromptNeedsAnEndpoint(t *testing.T) {
	_, err := builder(t, remoteParts+"parsers: {mine: {type: english, prompt: p.txt}}\n").Parser(assemble.Model{})
	if !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Error(err)
	}
}
