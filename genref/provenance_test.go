package genref

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
)

// kindOf describes the fields of a JSON object and their types, as Arrow infers them.
func kindOf(t *testing.T, data []byte) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value, kind := fields[name], "int64"
		switch {
		case value[0] == '{':
			kind = kindOf(t, value)
		case value[0] == '"':
			kind = "string"
		case bytes.ContainsAny(value, ".e"):
			kind = "double"
		}
		b.WriteString(name + ":" + kind + ",")
	}
	return "{" + b.String() + "}"
}

// Hugging Face datasets reads JSON integers as int64, and needs the same fields with the
// same types in all samples.
func TestProvenanceFitsArrow(t *testing.T) {
	kinds := make(map[string]string)
	sampler, err := clipart.NewSampler("dog", "cup", "clock")
	if err != nil {
		t.Fatal(err)
	}
	captioned := testCorrection(&fakeGenerator{}) // corrections have captions, flawed parents none
	captioned.Reflector = captioning{captioned.Reflector}
	for name, source := range map[string]Source{
		"rule": testRule(&fakeGenerator{}), "correction": captioned, "mended": testRepair(&fakeGenerator{}), "reward": rewarded(ByRank),
		"editing": &Edits{Sampler: sampler, Split: clipart.Train, Config: EditConfig{Width: 32, Height: 32}},
	} {
		plan := testPlan(t, 23)
		plan.Source = name
		dir := t.TempDir()
		if _, err := Build(context.Background(), dir, plan, source, nil); err != nil {
			t.Fatal(err)
		}
		for _, s := range samples(t, dir) {
			data, err := json.Marshal(s.Provenance)
			if err != nil {
				t.Fatal(err)
			}
			if kind := kindOf(t, data); kinds[name] == "" {
				kinds[name] = kind
			} else if kind != kinds[name] {
				t.Errorf("%s: %s has the types %s, others %s", name, s.Key, kind, kinds[name])
			}
			var signed struct{ Enhanced, Flawed struct{ Seed int64 } }
			if err := json.Unmarshal(data, &signed); err != nil {
				t.Errorf("%s: %s: %v", name, s.Key, err)
			}
		}
	}
}

func TestSeedsOfOldSetsAreRead(t *testing.T) {
	entries := append(whole(t, "a"), entry{"a.provenance.json", `{"source":"rule","enhanced":{"seed":18446744073709551615},"flawed":{"seed":9223372036854775808}}`})
	all, err := readAll(pack(t, entries...))
	if err != nil || len(all) != 1 || all[0].Provenance.Enhanced.Seed != 1<<64-1 || all[0].Provenance.Flawed.Seed != 1<<63 {
		t.Errorf("read %+v, %v", all, err)
	}
}

func TestPlanRefusesASeedAboveInt64(t *testing.T) {
	plan := testPlan(t, 7)
	plan.Seed = reflectionflow.MaxSeed
	if err := plan.Validate(); err != nil {
		t.Error(err)
	}
	plan.Seed++
	if err := plan.Validate(); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}
