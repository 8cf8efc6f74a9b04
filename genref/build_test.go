package genref

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
)

// files returns the contents of a folder by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		found[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func samples(t *testing.T, dir string) []Sample {
	t.Helper()
	set, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []Sample
	for s, err := range set.All() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func TestBuildMakesThePlannedTriplets(t *testing.T) {
	dir := t.TempDir()
	m := build(t, dir, 12)
	if got := slices.Sorted(maps.Keys(files(t, dir))); !slices.Equal(got, []string{"genref_0.tar", "genref_1.tar", "genref_2.tar", "manifest.json"}) {
		t.Errorf("files %v", got)
	}
	all := samples(t, dir)
	if len(all) != 12 || m.Triplets() != 12 {
		t.Fatalf("%d triplets read, %d in the manifest, want 12", len(all), m.Triplets())
	}
	seeds := make(map[uint64]bool)
	for _, s := range all {
		if s.Prompt != "a photo of two dogs" || s.Subset != "rule" || s.Reflection != "add one more dog" {
			t.Errorf("%s: %q, %q, %q", s.Key, s.Prompt, s.Subset, s.Reflection)
		}
		if p := s.Provenance; p.Enhanced.Seed%7 != 0 && p.Enhanced.Seed%7 != 2 || p.Flawed.Seed%7 != 1 && p.Flawed.Seed%7 != 3 {
			t.Errorf("%s: right and wrong are swapped: %+v", s.Key, p)
		}
		if seeds[s.Provenance.Flawed.Seed] {
			t.Errorf("%s: the flawed image occurs twice", s.Key)
		}
		seeds[s.Provenance.Flawed.Seed] = true
		if _, err := jpeg.Decode(bytes.NewReader(s.Enhanced)); err != nil {
			t.Errorf("%s: %v", s.Key, err)
		}
	}
	for _, reason := range []string{SkippedFailed, SkippedUnsure, SkippedNoFix} {
		if m.Effort().Skipped[reason] == 0 {
			t.Errorf("no %s among %v", reason, m.Effort().Skipped)
		}
	}
	report, err := Check(context.Background(), dir, nil)
	if err != nil || report.Problems.Total() > 0 || report.Triplets != 12 || report.Subsets["rule"] != 12 {
		t.Errorf("check: %+v, %v", report, err)
	}
}

func TestPairsAreTheMostSimilar(t *testing.T) {
	rule := testRule(&fakeGenerator{})
	f := ruleFiller{filler: filler{
		Engine: rule.Engine, verifiers: []reflectionflow.Verifier{rule.Verifier},
		skipped: make(map[string]int), shard: FillRequest{Count: 1, Random: newRandom(1)},
	}}
	canvas := testImageConfig
	canvas.Batch = 1
	tasks, err := f.tasks(40, canvas)
	if err == nil {
		err = f.generate(context.Background(), tasks)
	}
	if err != nil {
		t.Fatal(err)
	}
	right, wrong := f.split(tasks[0])
	last := -1.0
	for _, m := range f.match(right, wrong) {
		hash := opaque(m.wrong.img)
		for _, r := range right {
			if d := distance(hash, opaque(r.img)); d < m.distance {
				t.Errorf("a right image has distance %.4f, the chosen one %.4f", d, m.distance)
			}
		}
		if m.distance < last {
			t.Errorf("distance %.4f after %.4f", m.distance, last)
		}
		last = m.distance
	}
	if last < 0 {
		t.Fatal("no pairs")
	}
}

func TestInterruptedBuildResumes(t *testing.T) {
	whole := t.TempDir()
	build(t, whole, 23)
	want := files(t, whole)
	total := &fakeGenerator{}
	if _, err := Build(context.Background(), t.TempDir(), testPlan(t, 23), testRule(total), nil); err != nil {
		t.Fatal(err)
	}
	dir, calls := t.TempDir(), 0
	for tries := 0; ; tries++ {
		ctx, end := context.WithCancel(context.Background())
		p := &fakeGenerator{stop: 6, end: end}
		_, err := Build(ctx, dir, testPlan(t, 23), testRule(p), nil)
		calls += p.calls
		end()
		if err == nil {
			if tries == 0 {
				t.Fatal("the build was never interrupted")
			}
			break
		}
		if !errors.Is(err, context.Canceled) || tries > 20 {
			t.Fatalf("try %d: %v", tries, err)
		}
	}
	if got := files(t, dir); !maps.Equal(got, want) {
		t.Errorf("the files differ from those of an uninterrupted build: %v", slices.Sorted(maps.Keys(got)))
	}
	if calls > 2*total.calls {
		t.Errorf("%d batches were generated, %d without interruptions: finished shards were rebuilt", calls, total.calls)
	}
}

func TestDamagedShardsAreRebuilt(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, 12)
	want := files(t, dir)
	for name, damage := range map[string]func() error{
		"killed before the rename": func() error {
			return os.Rename(filepath.Join(dir, "genref_1.tar"), filepath.Join(dir, "genref_1.tar.tmp"))
		},
		"removed":   func() error { return os.Remove(filepath.Join(dir, "genref_2.tar")) },
		"truncated": func() error { return os.Truncate(filepath.Join(dir, "genref_0.tar"), 4096) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			p := &fakeGenerator{}
			if _, err := Build(context.Background(), dir, testPlan(t, 12), testRule(p), nil); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(files(t, dir), want) {
				t.Error("the set differs")
			}
			if made := p.calls > 0; made != (name != "killed before the rename") {
				t.Errorf("%d batches were generated", p.calls)
			}
		})
	}
}

func TestGrownSetEqualsOneBuiltAtOnce(t *testing.T) {
	dir, once := t.TempDir(), t.TempDir()
	build(t, dir, 7)
	build(t, dir, 12)
	build(t, once, 12)
	if !maps.Equal(files(t, dir), files(t, once)) {
		t.Error("a set that grew differs from one built at once")
	}
}

func TestBuildRefusesInvalidInput(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, 7)
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		dir    string
		change func(*Plan, *Rule)
	}{
		"another seed":       {dir, func(p *Plan, _ *Rule) { p.Seed++ }},
		"another model":      {dir, func(p *Plan, _ *Rule) { p.Fingerprint = "ff" }},
		"fewer triplets":     {dir, func(p *Plan, _ *Rule) { p.Count = 6 }},
		"other settings":     {dir, func(p *Plan, _ *Rule) { p.Settings = []byte(`{"images":7}`) }},
		"no triplets":        {t.TempDir(), func(p *Plan, _ *Rule) { p.Count = 0 }},
		"a folder of others": {foreign, func(*Plan, *Rule) {}},
		"one image":          {t.TempDir(), func(_ *Plan, r *Rule) { r.Config.Images = 1 }},
		"an odd size":        {t.TempDir(), func(_ *Plan, r *Rule) { r.Config.Width = 17 }},
		"a model that is always wrong": {t.TempDir(), func(_ *Plan, r *Rule) {
			r.Verifier = emptyVerifier{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			plan, rule := testPlan(t, 7), testRule(&fakeGenerator{})
			test.change(&plan, rule)
			if _, err := Build(context.Background(), test.dir, plan, rule, nil); !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Errorf("error %v, want one that wraps ErrInvalid", err)
			}
		})
	}
}

// emptyVerifier returns scores without findings.
type emptyVerifier struct{}

func (emptyVerifier) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return make([]reflectionflow.Score, len(images)), nil
}

func TestTrainingPromptsAreAboutTheClasses(t *testing.T) {
	prompts, err := WorldPrompts(clipart.Train, []string{"dog", "cup", "clock"})
	if err != nil {
		t.Fatal(err)
	}
	rng := newRandom(1)
	for range 200 {
		p, err := prompts(rng)
		if err != nil || len(p.Requirements) == 0 {
			t.Fatalf("%+v, %v", p, err)
		}
		for _, r := range p.Requirements {
			if !slices.Contains([]string{"dog", "cup", "clock"}, r.Object) {
				t.Errorf("%q asks for a %s", p.Text, r.Object)
			}
		}
	}
}
