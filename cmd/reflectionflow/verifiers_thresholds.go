package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/progress"
	"reflectionflow/verifier"
	"reflectionflow/vision/composite"
)

// maxComposites bounds the labeled set that the program makes, compositeSide is the side of
// its images in pixels.
const (
	maxComposites = 100_000
	compositeSide = 512
)

// makeLabels makes the labeled set of composites.
func (s *calibration) makeLabels() {
	for i := range s.options.composites {
		l := composite.Label(uint64(i), 0)
		right := !slices.Contains(l.Met, false)
		s.labels = append(s.labels, verifier.Label{Prompt: l.Prompt.Text, Right: &right, Met: l.Met})
		s.prompts = append(s.prompts, l.Prompt)
	}
}

// tune fits the thresholds of a verifier's own network, unless the configuration sets them.
func (s *calibration) tune(ctx context.Context, name string, v reflectionflow.Verifier) (verifier.Thresholds, error) {
	network, ok := v.(interface{ Tunable() verifier.Tunable })
	set := s.config.Verifiers[name]
	if !ok || set.Threshold != 0 || set.Slope != 0 {
		return verifier.Thresholds{}, nil
	}
	tunable := network.Tunable()
	if tunable == nil {
		return verifier.Thresholds{}, nil
	}
	return tunable.Tune(ctx, s.examples(name+", thresholds"))
}

// thresholds puts the fitted thresholds that a verifier takes into its calibration.
func (s *calibration) thresholds(name string, tuned verifier.Thresholds, c *verifier.Calibration) {
	all := tuned
	if t := c.Thresholds; t != nil && s.takes(name, "met") {
		all.Met, all.NotMet, all.Findings = t.Met, t.NotMet, t.Findings
	}
	if c.Thresholds = nil; all.Threshold > 0 || all.Met > 0 {
		c.Thresholds = &all
	}
}

// takes reports whether verifiers of the type of this one have a key.
func (s *calibration) takes(name, key string) bool {
	typ := s.config.Verifiers[name].Type
	if typ == "" {
		typ = name
	}
	return slices.ContainsFunc(assemble.Types(), func(t config.Type) bool {
		return t.Kind == config.Verifiers && t.Name == typ && slices.Contains(t.Keys, key)
	})
}

// thresholdsText describes fitted thresholds; empty for none.
func thresholdsText(name string, t *verifier.Thresholds) string {
	if t == nil {
		return ""
	}
	var parts []string
	if t.Threshold > 0 {
		parts = append(parts, fmt.Sprintf("threshold %.3f, slope %.2f (on %s)", t.Threshold, t.Slope, progress.Plural(t.Objects, "object")))
	}
	if t.Met > 0 {
		parts = append(parts, fmt.Sprintf("met %.3f, not_met %.3f (on %s)", t.Met, t.NotMet, progress.Plural(t.Findings, "finding")))
	}
	return fmt.Sprintf("Thresholds of %s, used with its calibration where the configuration sets none: %s", name, strings.Join(parts, "; "))
}
