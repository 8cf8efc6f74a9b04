package conformance

import (
	"context"
	"testing"

	"reflectionflow"
)

type compares func(context.Context, []reflectionflow.Pair) ([]reflectionflow.Preference, error)

func (f compares) Compare(ctx context.Context, p []reflectionflow.Pair) ([]reflectionflow.Preference, error) {
	return f(ctx, p)
}

func goodPreferences(ctx context.Context, pairs []reflectionflow.Pair) ([]reflectionflow.Preference, error) {
	var out []reflectionflow.Preference
	for _, p := range pairs {
		if p.First == nil || p.Second == nil || p.Prompt.Validate() != nil {
			return nil, reflectionflow.ErrInvalid
		}
		a, _, _, _ := p.First.At(p.First.Bounds().Min.X, p.First.Bounds().Min.Y).RGBA()
		b, _, _, _ := p.Second.At(p.Second.Bounds().Min.X, p.Second.Bounds().Min.Y).RGBA()
		out = append(out, reflectionflow.Preference{First: .5 + .4*(float64(a)-float64(b))/65535, Shown: .5})
	}
	return out, ctx.Err()
}

// A comparer that keeps the contract passes, and each way to break it is found.
func TestFaultyComparers(t *testing.T) {
	pairs := []reflectionflow.Pair{
		{Prompt: reflectionflow.Prompt{Text: "a cat"}, First: flat(reflectionflow.Request{Seed: 10, Width: 16, Height: 16}), Second: flat(reflectionflow.Request{Seed: 90, Width: 16, Height: 16})},
		{Prompt: reflectionflow.Prompt{Text: "a dog"}, First: flat(reflectionflow.Request{Seed: 200, Width: 16, Height: 16}), Second: flat(reflectionflow.Request{Seed: 20, Width: 16, Height: 16})},
	}
	spoil := func(f func(*reflectionflow.Preference)) compares {
		return func(ctx context.Context, p []reflectionflow.Pair) ([]reflectionflow.Preference, error) {
			out, err := goodPreferences(ctx, p)
			for i := range out {
				f(&out[i])
			}
			return out, err
		}
	}
	for name, c := range map[string]compares{
		"":                    goodPreferences,
		"no probability":      spoil(func(p *reflectionflow.Preference) { p.First = 2 }),
		"negative cost":       spoil(func(p *reflectionflow.Preference) { p.Cost.TokensIn = -1 }),
		"refuses and prefers": spoil(func(p *reflectionflow.Preference) { p.Unanswered = "no" }),
		"prefers a position":  spoil(func(p *reflectionflow.Preference) { p.First = .9 }),
		"one for all": func(ctx context.Context, p []reflectionflow.Pair) ([]reflectionflow.Preference, error) {
			out, err := goodPreferences(ctx, p)
			return out[:min(1, len(out))], err
		},
	} {
		suite := comparer(c, pairs, Options{})
		found := ""
		for _, check := range append(suite.checks(), check{"swapped pairs", suite.swapped}) {
			if err := check.run(t.Context()); err != nil {
				found += " " + check.name
			}
		}
		if (found == "") != (name == "") {
			t.Errorf("%q: found by%s", name, found)
		}
	}
}
