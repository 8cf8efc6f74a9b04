package genref

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Hugging Face datasets reads JSON integers as int64.
func TestSeedsOfEverySourceFitInt64(t *testing.T) {
	sampler, err := clipart.NewSampler("dog", "cup", "clock")
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]Source{
		"rule": testRule(&fakeGenerator{}), "correction": testCorrection(&fakeGenerator{}), "mended": testRepair(&fakeGenerator{}), "reward": rewarded(ByRank),
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
