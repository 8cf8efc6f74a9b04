package genref

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
)

// channelVerifier scores a channel of the corner pixel.
type channelVerifier int

func (c channelVerifier) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := fakeVerifier{}.Verify(context.Background(), images)
	for i, p := range images {
		scores[i].Value = float64(p.Image.(*image.NRGBA).Pix[c])
	}
	return scores, err
}

func TestRanksAndZScores(t *testing.T) {
	values := []float64{3, -1, 3, 7}
	if got := ranks(values); !slices.Equal(got, []float64{0.5, 0, 0.5, 1}) {
		t.Errorf("ranks %v", got)
	}
	z := zScores(values)
	mean, square := 0.0, 0.0
	for _, v := range z {
		mean += v
		square += v * v / 4
	}
	if math.Abs(mean) > 1e-12 || math.Abs(square-1) > 1e-12 || !(z[1] < z[0] && z[0] < z[3]) {
		t.Errorf("z-scores %v", z)
	}
	if got := zScores([]float64{2, 2}); got[0] != 0 || got[1] != 0 {
		t.Errorf("z-scores of equals %v", got)
	}
}

func rewarded(combine Combine) *Reward {
	return &Reward{Engine: testEngine(&fakeGenerator{}), Config: RewardConfig{
		Images: 5, Combine: combine, ImageConfig: testImageConfig,
		Members: []EnsembleMember{{"green", 2, channelVerifier(1)}, {"blue", 1, channelVerifier(2)}},
	}}
}

func TestRewardPairsBestWithWorst(t *testing.T) {
	for _, combine := range []Combine{ByRank, ByZScore} {
		dir := t.TempDir()
		plan := testPlan(t, 12)
		plan.Source = "reward"
		m, err := Build(context.Background(), dir, plan, rewarded(combine), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples(t, dir) {
			p := s.Provenance
			if s.Subset != "general" || p.Source != "reward" || p.Enhanced.Score <= p.Flawed.Score {
				t.Errorf("%s: %+v", s.Key, p)
			}
			best := 2*p.Enhanced.Rewards["green"] + p.Enhanced.Rewards["blue"]
			worst := 2*p.Flawed.Rewards["green"] + p.Flawed.Rewards["blue"]
			if combine == ByZScore && best < worst-255 {
				t.Errorf("%s: the best has %v, the worst %v", s.Key, best, worst)
			}
		}
		if m.Effort().Skipped[SkippedNoFix] == 0 {
			t.Errorf("right images became flawed ones: %v", m.Effort().Skipped)
		}
	}
}

func TestCombineWeighsRanks(t *testing.T) {
	generated := make([]attempt, 3)
	for i, v := range [][2]float64{{0.1, 30}, {0.2, 10}, {0.3, 20}} {
		generated[i].scores = []reflectionflow.Score{{Value: v[0]}, {Value: v[1]}}
	}
	RewardConfig{Combine: ByRank, Members: []EnsembleMember{{Name: "a", Weight: 1}, {Name: "b", Weight: 3}}}.combine(generated)
	for i, want := range []float64{0.75, 0.125, 0.625} { // (rank a + 3 rank b) / 4
		if math.Abs(generated[i].value-want) > 1e-12 {
			t.Errorf("image %d has %v, want %v", i, generated[i].value, want)
		}
	}
	if generated[0].rewards["b"] != 30 {
		t.Errorf("rewards %v", generated[0].rewards)
	}
}

// wordCountGenerator makes images of long prompts right.
type wordCountGenerator struct{}

func (wordCountGenerator) Generate(_ context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	var out []reflectionflow.Generation
	for _, r := range requests {
		m := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
		c := color.NRGBA{R: showsTooFew, G: uint8(r.Seed >> 8), B: uint8(r.Seed >> 16), A: 255}
		if n := len(strings.Fields(r.Prompt)); n > 5 && r.Seed%3 > 0 {
			c.R = showsRight
		}
		for i := range r.Width * r.Height {
			m.SetNRGBA(i%r.Width, i/r.Width, c)
		}
		out = append(out, reflectionflow.Generation{Image: m})
	}
	return out, nil
}

// lengtheningRefiner adds words to every second prompt.
type lengtheningRefiner struct{}

func (lengtheningRefiner) Refine(_ context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	out := make([]reflectionflow.Refinement, len(observations))
	for i, o := range observations {
		if o.Seed%2 == 0 {
			out[i].Text = o.Prompt.Text + " side by side on a lawn"
		}
	}
	return out, nil
}

// negatedVerifier scores right images above wrong ones.
type negatedVerifier struct{}

func (negatedVerifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := fakeVerifier{}.Verify(ctx, images)
	for i := range scores {
		scores[i].Value = -scores[i].Value
	}
	return scores, err
}

func TestLengthPairsLongWithShort(t *testing.T) {
	engine := testEngine(nil)
	engine.Generator = wordCountGenerator{}
	plan := testPlan(t, 12)
	plan.Source = "length"
	dir := t.TempDir()
	m, err := Build(context.Background(), dir, plan, &Length{Engine: engine, Refiner: lengtheningRefiner{}, Verifier: negatedVerifier{}, Config: testImageConfig}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples(t, dir) {
		p := s.Provenance
		if s.Subset != "length" || s.Prompt != "a photo of two dogs" || p.Prompt != s.Prompt+" side by side on a lawn" {
			t.Errorf("%s: %q, %+v", s.Key, s.Prompt, p)
		}
		if p.Enhanced.Seed != p.Flawed.Seed || p.Enhanced.Score <= p.Flawed.Score || s.Reflection != "add one more dog" {
			t.Errorf("%s: %q, %+v", s.Key, s.Reflection, p)
		}
	}
	for _, reason := range []string{SkippedNoLonger, SkippedSame} {
		if m.Effort().Skipped[reason] == 0 {
			t.Errorf("no %s: %v", reason, m.Effort().Skipped)
		}
	}
}

func TestEditsAreOfTheirSplit(t *testing.T) {
	sampler, err := clipart.NewSampler("dog", "cup", "clock", "bench")
	if err != nil {
		t.Fatal(err)
	}
	prompts := make(map[clipart.Split]map[string]bool)
	for _, split := range []clipart.Split{clipart.Train, clipart.Test} {
		dir := t.TempDir()
		plan := Plan{Source: "editing", Seed: 4, Count: 30, ShardSize: 20, Split: string(split)}
		source := &Edits{Sampler: sampler, Split: split, Config: EditConfig{Width: 32, Height: 32}, Licence: "Apache-2.0"}
		if _, err := Build(context.Background(), dir, plan, source, nil); err != nil {
			t.Fatal(err)
		}
		prompts[split] = make(map[string]bool)
		for _, s := range samples(t, dir) {
			prompts[split][s.Prompt] = true
			if clipart.SplitOf(s.Prompt) != split || s.Subset != "editing" || s.Reflection == "" {
				t.Errorf("%s set: %q, %q", split, s.Prompt, s.Reflection)
			}
			if s.Provenance.Licence != "Apache-2.0" || s.Provenance.Enhanced.Seed == 0 {
				t.Errorf("provenance %+v", s.Provenance)
			}
		}
	}
	for p := range prompts[clipart.Test] {
		if prompts[clipart.Train][p] {
			t.Errorf("%q is trained on and tested", p)
		}
	}
}

// repeatingSource repeats a few samples and then ends.
type repeatingSource struct {
	kinds, rows int
	nudge       int // of the brightness, too small to see
}

func (r repeatingSource) Fill(_ context.Context, shard FillRequest) (FillResult, error) {
	from := 0
	fmt.Sscan(shard.From, &from)
	added, duplicates := 0, 0
	for ; from < r.rows && added < shard.Count; from++ {
		m := image.NewRGBA(image.Rect(0, 0, 32, 32))
		for i := range m.Pix {
			m.Pix[i] = uint8(20*(from%r.kinds) + 40 + r.nudge*(from/r.kinds%2))
		}
		flawed, err := EncodeImage(m)
		if err != nil {
			return FillResult{}, err
		}
		m.Set(1, 1, color.White)
		enhanced, err := EncodeImage(m)
		if err != nil {
			return FillResult{}, err
		}
		fresh, err := shard.Add(Sample{
			Key:     fmt.Sprintf("k%d_%d", shard.Number, added),
			Triplet: Triplet{Prompt: "a dog", Flawed: flawed, Enhanced: enhanced, Reflection: "add a dog", Subset: "editing"},
		})
		if err != nil {
			return FillResult{}, err
		}
		if fresh {
			added++
		} else {
			duplicates++
		}
	}
	return FillResult{Cursor: fmt.Sprint(from), Ended: added < shard.Count, Effort: Effort{Skipped: map[string]int{SkippedDuplicate: duplicates}}}, nil
}

func TestDuplicatesAreSkipped(t *testing.T) {
	for name, nudge := range map[string]int{"the same bytes": 0, "the same hash": 1} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			plan := Plan{Source: "repeater", Count: 1000, ShardSize: 3}
			m, err := Build(context.Background(), dir, plan, repeatingSource{kinds: 7, rows: 50, nudge: nudge}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if m.Triplets() != 7 || len(m.Shards) != 3 || !m.Ended() {
				t.Errorf("%d triplets in %d shards, ended is %v", m.Triplets(), len(m.Shards), m.Ended())
			}
			if report, err := Check(context.Background(), dir, nil); err != nil || report.Problems.Total() > 0 {
				t.Errorf("%+v, %v", report, err)
			}
			// Shards that are rebuilt know the triplets of finished ones.
			want := files(t, dir)
			damageShard(t, dir, 1)
			if _, err := Build(context.Background(), dir, plan, repeatingSource{kinds: 7, rows: 50, nudge: nudge}, nil); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(files(t, dir), want) {
				t.Error("the set differs")
			}
		})
	}
}

func TestSourceThatEndsWithAShard(t *testing.T) {
	dir := t.TempDir()
	m, err := Build(context.Background(), dir, Plan{Source: "repeater", Count: 1000, ShardSize: 3}, repeatingSource{kinds: 6, rows: 6}, nil)
	if err != nil || m.Triplets() != 6 || len(m.Shards) != 2 || !m.Ended() {
		t.Errorf("%+v, %v", m, err)
	}
	again, err := Build(context.Background(), dir, Plan{Source: "repeater", Count: 1000, ShardSize: 3}, repeatingSource{kinds: 6, rows: 6}, nil)
	if err != nil || again.Triplets() != 6 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestEmptySourceLeavesNoFiles(t *testing.T) {
	dir := t.TempDir()
	_, err := Build(context.Background(), dir, Plan{Source: "repeater", Count: 5, ShardSize: 3}, repeatingSource{kinds: 1}, nil)
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "the source gave no triplets") {
		t.Errorf("error %v", err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("it left %v", slices.Collect(maps.Keys(left)))
	}
	// Folders that the build created are removed, others stay.
	if _, err := Build(context.Background(), filepath.Join(dir, "some", "where"), Plan{Source: "repeater", Count: 5, ShardSize: 3}, repeatingSource{kinds: 1}, nil); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestPerceptualHash(t *testing.T) {
	paint := func(side int, c color.Color, at image.Rectangle) image.Image {
		m := image.NewRGBA(image.Rect(0, 0, side, side))
		for i := range side * side {
			m.Set(i%side, i/side, color.RGBA{200, 210, 220, 255})
			if image.Pt(i%side, i/side).In(at) {
				m.Set(i%side, i/side, c)
			}
		}
		return m
	}
	red := color.RGBA{200, 30, 30, 255}
	base := HashImage(paint(64, red, image.Rect(10, 10, 30, 30)))
	if !base.Similar(HashImage(paint(128, red, image.Rect(20, 20, 60, 60)))) {
		t.Error("the same image in another size has another hash")
	}
	data, err := EncodeImage(paint(64, red, image.Rect(10, 10, 30, 30)))
	if err != nil {
		t.Fatal(err)
	}
	if hash, err := hashEncoded(data); err != nil || !base.Similar(hash) {
		t.Errorf("encoding changes the hash: %v", err)
	}
	for name, other := range map[string]image.Image{
		"another color": paint(64, color.RGBA{30, 30, 200, 255}, image.Rect(10, 10, 30, 30)),
		"another place": paint(64, red, image.Rect(34, 10, 54, 30)),
		"nothing":       paint(64, red, image.Rectangle{}),
	} {
		if base.Similar(HashImage(other)) {
			t.Errorf("%s looks the same", name)
		}
	}
	text, _ := base.MarshalText()
	var back PerceptualHash
	if err := back.UnmarshalText(text); err != nil || back != base {
		t.Errorf("%v, %v", back, err)
	}
	if err := back.UnmarshalText([]byte("zz")); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}

func TestReadPrompts(t *testing.T) {
	text := "\ufeffa photo of a dog\r\n\n{\"prompt\": \"a photo of two cats\", \"long\": \"two cats on a mat\", \"tag\": \"counting\"}\na photo of a dog\n"
	list, err := ReadPrompts(strings.NewReader(text), "", clipart.Parse)
	if err != nil || len(list.Prompts) != 2 || list.Duplicates != 1 || list.Long["a photo of two cats"] != "two cats on a mat" {
		t.Errorf("%+v, %v", list, err)
	}
	for name, bad := range map[string]string{
		"nothing":          "\n\n",
		"an unknown class": "a photo of a dog\na photo of a gremlin\n",
		"broken JSON":      `{"prompt": 3}`,
		"an endless line":  strings.Repeat("x", maxPromptLine+1),
	} {
		if _, err := ReadPrompts(strings.NewReader(bad), "", clipart.Parse); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	splits := make(map[string]bool)
	all := "a dog\na cat\na bench\na clock\na cup\ntwo dogs\ntwo cats\na dog and a cat\na red cup\na blue cup\n"
	n := 0
	for _, split := range []clipart.Split{clipart.Train, clipart.Validation, clipart.Test} {
		list, err := ReadPrompts(strings.NewReader(all), split, clipart.Parse)
		if err != nil && list.OtherSplit != 10 {
			t.Errorf("%s: %v", split, err)
		}
		for _, p := range list.Prompts {
			if splits[p.Text] {
				t.Errorf("%q is of two splits", p.Text)
			}
			splits[p.Text] = true
			n++
		}
	}
	if n != 10 {
		t.Errorf("%d of 10 prompts have a split", n)
	}
}

// Sources generate and correct in batches, and can be interrupted within one.
func TestSetDoesNotDependOnBatchesOrInterruptions(t *testing.T) {
	for name, test := range map[string]struct {
		stop   int // after so many images
		source func(p *fakeGenerator, batch int) Source
	}{
		"correction": {20, func(p *fakeGenerator, batch int) Source {
			c := testCorrection(p)
			c.Config.Batch = batch
			return c
		}},
		"mended": {3, func(p *fakeGenerator, batch int) Source {
			m := testRepair(p)
			m.Config.Batch = batch
			return m
		}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := testPlan(t, 23)
			plan.Source = name
			want := t.TempDir()
			if _, err := Build(context.Background(), want, plan, test.source(&fakeGenerator{}, testImageConfig.Batch), nil); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(context.Background())
			if _, err := Build(ctx, dir, plan, test.source(&fakeGenerator{stop: test.stop, end: cancel}, testImageConfig.Batch), nil); !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v", err)
			}
			if _, err := Build(context.Background(), dir, plan, test.source(&fakeGenerator{}, 7), nil); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(files(t, dir), files(t, want)) {
				t.Error("stopped and built in other batches, the set differs")
			}
		})
	}
}
