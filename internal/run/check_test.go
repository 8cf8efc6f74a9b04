package run

import (
	"errors"
	"strings"
	"testing"

	"reflectionflow"
)

func TestManifestRequirements(t *testing.T) {
	clock := reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "clock", Count: 1}
	for says, change := range map[string]func(r *reflectionflow.Requirement){
		"":                       func(*reflectionflow.Requirement) {},
		`unknown kind "bogus"`:   func(r *reflectionflow.Requirement) { r.Kind = "bogus" },
		"count 0: must be":       func(r *reflectionflow.Requirement) { r.Count = 0 },
		"count 10001: must be":   func(r *reflectionflow.Requirement) { r.Count = 10001 },
		"without an object":      func(r *reflectionflow.Requirement) { r.Object = "" },
		"has control characters": func(r *reflectionflow.Requirement) { r.Color = "red\x1b[2J" },
		`unknown relation "in"`:  func(r *reflectionflow.Requirement) { r.Kind, r.Relation = reflectionflow.Position, "in" },
		"without a target": func(r *reflectionflow.Requirement) {
			r.Kind, r.Relation = reflectionflow.Position, reflectionflow.Above
		},
	} {
		r := clock
		change(&r)
		m := Manifest{
			Prompt: reflectionflow.Prompt{Text: "clocks", Requirements: []reflectionflow.Requirement{clock, r}},
			Search: []byte("{}"), Model: Model{Name: "m"},
		}
		err := m.validate()
		if says == "" && err == nil {
			continue
		}
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "requirement 2: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}
