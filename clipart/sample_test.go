package clipart

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"reflectionflow"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func allTasks() []Task { return slices.Concat(Tasks(), Compound(), []Task{Free}) }

func truthOf(t *testing.T, scene Scene) []reflectionflow.Object {
	t.Helper()
	truth, err := scene.Truth(truthSide, truthSide)
	if err != nil {
		t.Fatal(err)
	}
	return truth
}

func TestSampledScenesMeetTheirPrompts(t *testing.T) {
	rng := newRand(1)
	for _, task := range allTasks() {
		for range 600 {
			scene, prompt := Sample(task, rng)
			truth := truthOf(t, scene)
			if len(truth) != len(scene.Objects) {
				t.Fatalf("%s: %q: %d objects placed, %d visible", task, prompt.Text, len(scene.Objects), len(truth))
			}
			if !CheckAll(prompt.Requirements, truth) {
				t.Fatalf("%s: %q is not met by %+v", task, prompt.Text, scene)
			}
			for i, o := range scene.Objects {
				h := o.Size/2 - 1e-9
				if o.X < h || o.Y < h || o.X > 1-h || o.Y > 1-h {
					t.Fatalf("%s: %q: object outside the frame: %+v", task, prompt.Text, o)
				}
				if o.Class == person && o.Color != "" {
					t.Fatalf("%q: a colored person", prompt.Text)
				}
				for _, other := range scene.Objects[:i] {
					if overlap(o, other) > 0.25 {
						t.Fatalf("%q: objects overlap: %+v %+v", prompt.Text, o, other)
					}
				}
			}
		}
	}
}

// overlap is the depth of the overlap of two squares over the smaller side.
func overlap(a, b Placement) float64 {
	dx, dy := a.X-b.X, a.Y-b.Y
	apart := max(dx, -dx, dy, -dy)
	return ((a.Size+b.Size)/2 - apart) / min(a.Size, b.Size)
}

func TestSampleParsesBack(t *testing.T) {
	rng := newRand(2)
	for _, task := range allTasks() {
		for range 500 {
			scene, prompt := Sample(task, rng)
			parsed, err := Parse(prompt.Text)
			if err != nil {
				t.Fatalf("%q: %v", prompt.Text, err)
			}
			if !reflect.DeepEqual(parsed, prompt) {
				t.Fatalf("%q: parsed %v, sampled %v", prompt.Text, parsed.Requirements, prompt.Requirements)
			}
			truth := truthOf(t, scene)
			varied := VariedCaption(prompt.Requirements, rng)
			for _, caption := range []string{varied, LongCaption(scene), DetailedCaption(prompt.Requirements, scene)} {
				parsed, err := parseCaption(caption)
				if err != nil {
					t.Fatalf("%q: %v", caption, err)
				}
				if !CheckAll(parsed.Requirements, truth) {
					t.Fatalf("%q: parsed as %v, not met by its scene", caption, parsed.Requirements)
				}
				if countWords(caption) > maxLongWords {
					t.Fatalf("%q has %d words", caption, countWords(caption))
				}
			}
			if SplitOf(varied) != SplitOf(prompt.Text) {
				t.Fatalf("%q and %q are in different splits", varied, prompt.Text)
			}
		}
	}
}

// TestFirstNamedObjectsComeFirst checks that without positions the objects are in the reading
// order of the prompt and its other wordings.
func TestFirstNamedObjectsComeFirst(t *testing.T) {
	rng := newRand(11)
	for _, task := range allTasks() {
		for range 200 {
			scene, prompt := Sample(task, rng)
			if slices.ContainsFunc(prompt.Requirements, isPosition) {
				continue
			}
			objects := slices.Clone(scene.Objects)
			slices.SortFunc(objects, byPlace)
			var standing []string
			for _, o := range objects {
				standing = append(standing, o.Class)
			}
			standing = slices.Compact(standing)
			for _, caption := range []string{prompt.Text, VariedCaption(prompt.Requirements, rng), LongCaption(scene)} {
				parsed, err := parseCaption(caption)
				if err != nil {
					t.Fatal(err)
				}
				var said []string
				for _, r := range parsed.Requirements {
					if r.Kind != reflectionflow.Absent {
						said = append(said, r.Object)
					}
				}
				if said = slices.Compact(said); !slices.Equal(said, standing) {
					t.Fatalf("%q: said %v, standing %v", caption, said, standing)
				}
			}
		}
	}
}

func TestSplits(t *testing.T) {
	rng := newRand(3)
	counts := make(map[Split]int)
	classesSeen, colorsSeen := make(map[string]bool), make(map[string]bool)
	for range 6000 {
		task := Tasks()[rng.IntN(6)]
		r := Sampler{}.requirements(task, rng)
		split := SplitOf(ShortCaption(r))
		counts[split]++
		if split == Train {
			classesSeen[r[0].Object], colorsSeen[r[0].Color] = true, true
		}
	}
	if n := counts[Test]; n < 450 || n > 750 {
		t.Errorf("%d of 6000 prompts are for tests", n)
	}
	if n := counts[Validation]; n < 450 || n > 750 {
		t.Errorf("%d of 6000 prompts are for validation", n)
	}
	for _, class := range Classes() {
		if !classesSeen[class] {
			t.Errorf("%q never occurs in training", class)
		}
	}
	for _, color := range Colors() {
		if !colorsSeen[color] {
			t.Errorf("%q never occurs in training", color)
		}
	}
	for _, same := range [][2]string{
		{"a photo of a dog and a cat", "a cat, a dog"},
		{"a photo of a dog left of a cat", "A CAT to the right of a dog!"},
		{"a photo of two clocks", "exactly 2 clocks"},
	} {
		if SplitOf(same[0]) != SplitOf(same[1]) {
			t.Errorf("%q and %q are in different splits", same[0], same[1])
		}
	}
}

// TestTrainingTextsKeepToTheirSplit looks for held-out prompts among training texts.
func TestTrainingTextsKeepToTheirSplit(t *testing.T) {
	rng := newRand(4)
	for range 3000 {
		scene, prompt := Sampler{}.SampleMixed(Train, rng)
		if caption := TrainingCaption(scene, prompt, rng); SplitOf(prompt.Text) != Train {
			t.Fatalf("%q is not for training (%q)", prompt.Text, caption)
		}
		if caption := LongCaption(scene); splitOf(SceneRequirements(scene)) == Train && SplitOf(caption) != Train {
			t.Fatalf("%q is not for training", caption)
		}
	}
}

func TestSamplerUsesItsClasses(t *testing.T) {
	known := []string{"clock", "dog", "cup", "person"}
	s, err := NewSampler(known...)
	if err != nil {
		t.Fatal(err)
	}
	rng := newRand(5)
	for _, split := range []Split{Train, Validation, Test} {
		for range 300 {
			scene, prompt := s.SampleMixed(split, rng)
			if prompt.Text == "" || SplitOf(prompt.Text) != split {
				t.Fatalf("%q is in %s, want %s", prompt.Text, SplitOf(prompt.Text), split)
			}
			for _, o := range scene.Objects {
				if !slices.Contains(known, o.Class) {
					t.Fatalf("%q holds a %s", prompt.Text, o.Class)
				}
			}
		}
	}
	for _, bad := range [][]string{{"clock", "dog"}, {"clock", "dog", "dog"}, {"clock", "dog", "unicorn"}} {
		if _, err := NewSampler(bad...); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("NewSampler(%v): %v", bad, err)
		}
	}
}

func TestPromptsAreDifferent(t *testing.T) {
	rng := newRand(6)
	seen := make(map[string]bool)
	for _, task := range Tasks() {
		for _, p := range (Sampler{}).Prompts(task, Test, 5, rng) {
			if seen[p.Text] || SplitOf(p.Text) != Test {
				t.Errorf("%q is double or not for tests", p.Text)
			}
			seen[p.Text] = true
		}
	}
	if len(seen) != 30 {
		t.Errorf("%d prompts, want 30", len(seen))
	}
}

func TestSampleIsDeterministic(t *testing.T) {
	for _, task := range allTasks() {
		a, p := Sample(task, newRand(7))
		b, q := Sample(task, newRand(7))
		if !reflect.DeepEqual(a, b) || !reflect.DeepEqual(p, q) {
			t.Errorf("%s: %q and %q from one seed", task, p.Text, q.Text)
		}
	}
}

func TestLayoutOfFreeText(t *testing.T) {
	rng := newRand(8)
	for _, text := range []string{
		"ten dogs", "two dogs left of a cat", "a dog left of a cat and right of a tie",
		"two dogs and a red dog", "a red cup left of a blue cup, no fork",
		"a red dog above a blue cat and a green cup right of the cat", "seven cups and three bowls",
	} {
		prompt, err := parseCaption(text)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			scene, err := Layout(prompt.Requirements, rng)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if !CheckAll(prompt.Requirements, truthOf(t, scene)) {
				t.Fatalf("%q is not met by %+v", text, scene)
			}
		}
	}
}

func TestLayoutRejectsInvalidInput(t *testing.T) {
	left := reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "dog", Relation: reflectionflow.LeftOf, Target: "cat"}
	for name, r := range map[string][]reflectionflow.Requirement{
		"nothing":       nil,
		"only absence":  {{Kind: reflectionflow.Absent, Object: "dog"}},
		"unknown class": {one("unicorn", "")},
		"unknown color": {one("dog", "grey")},
		"too many":      {exactly(10, "dog", ""), exactly(10, "cat", "")},
		"contradiction": {left, inverse(reflectionflow.Requirement{Object: "dog", Relation: reflectionflow.RightOf, Target: "cat"})},
	} {
		if name == "contradiction" {
			r[1].Relation = reflectionflow.LeftOf
		}
		if _, err := Layout(r, newRand(9)); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkSampleAndCaption(b *testing.B) {
	rng := newRand(10)
	for b.Loop() {
		scene, prompt := Sampler{}.SampleMixed(Train, rng)
		TrainingCaption(scene, prompt, rng)
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("a photo of a red cup left of two blue books and no clock"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMixedSamplesAskForWhiteMoreOften expects white about twice as often as another color.
func TestMixedSamplesAskForWhiteMoreOften(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	counts := map[string]int{}
	for range 1500 {
		_, prompt := Sampler{}.SampleMixed(Train, rng)
		for _, r := range prompt.Requirements {
			if r.Color != "" {
				counts[r.Color]++
			}
		}
	}
	others := 0
	for color, n := range counts {
		if color != "white" {
			others += n
		}
	}
	if ratio := 9 * float64(counts["white"]) / float64(others); ratio < 1.6 || ratio > 2.6 {
		t.Errorf("white is asked for %.2f times as often as another color: %v", ratio, counts)
	}
}
