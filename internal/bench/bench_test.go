package bench

import (
	"context"
	"errors"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/google/pprof/profile"

	"reflectionflow/cpu"
	clipartmodel "reflectionflow/models/clipart"
	"reflectionflow/nn/nntest"
	"reflectionflow/tuning"
)

func embedded(t *testing.T) subject {
	t.Helper()
	recipe, err := tuning.ParseRecipe(clipartmodel.Recipe())
	if err != nil {
		t.Fatal(err)
	}
	return subject{clipartmodel.Files, recipe}
}

func oracle(t *testing.T) compute.Backend {
	t.Helper()
	b, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The counted work of a step equals the architecture's: see the terms below.
func TestWorkOfTheStepIsTheArchitectures(t *testing.T) {
	s := embedded(t)
	m, err := s.load()
	if err != nil {
		t.Fatal(err)
	}
	p, unit := m.Folder.Transformer, 2*m.Folder.VAE.Factor()
	h, texts := float64(p.Hidden()), float64(m.Settings.TextLength)
	image := float64(m.Settings.Width / unit * (m.Settings.Height / unit))
	all, in, double, single := texts+image, float64(p.InChannels), float64(p.NumLayers), float64(p.NumSingleLayers)
	weights := double*(12*h*h*all+2*6*h*h) + // q, k, v, out, MLP of 4; modulation of either stream
		single*(12*h*h*all+3*h*h) +
		(2*in*image+float64(p.JointAttentionDim)*texts)*h + // embedders and the last layer
		(256+h)*h + (float64(p.PooledProjectionDim)+h)*h + 2*h*h // timestep, pooled text, last modulation
	attention := (double + single) * 2 * all * all * h
	want := 2 * 2 * (weights + attention) // of two sequences, with and without the text
	got, err := s.flop(s.forward(), oracle(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got/want-1) > 1e-9 {
		t.Errorf("counted %.0f, the architecture has %.0f", got, want)
	}
	if four, err := s.flop(s.forward(), oracle(t), 4); err != nil || four != 4*got {
		t.Errorf("a batch of 4 is %.0f, want four times %.0f; error %v", four, got, err)
	}
}

// Both backends have the same work, though one convolves and the other multiplies
// patches.
func TestWorkIsTheSameOnBothBackends(t *testing.T) {
	s := embedded(t)
	own, err := cpu.New("")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []workload{s.forward(), s.decode(), s.train()} {
		a, err := s.flop(w, own, 2)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.flop(w, oracle(t), 2)
		if err != nil {
			t.Fatal(err)
		}
		if a != b || a <= 0 {
			t.Errorf("%s: %.0f on cpu, %.0f on go", w.name, a, b)
		}
	}
}

// A training step has the work of three forward passes, less the gradients of the inputs,
// and the optimiser's update, which does not depend on the batch.
func TestWorkOfTraining(t *testing.T) {
	s := embedded(t)
	step, err := s.flop(s.forward(), oracle(t), 1) // two sequences
	if err != nil {
		t.Fatal(err)
	}
	two, err := s.flop(s.train(), oracle(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	four, err := s.flop(s.train(), oracle(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	train := four - two
	if train < 2.7*step || train > 4.5*step { // the text encoders are trained too
		t.Errorf("training two sequences is %.2f times their forward pass", train/step)
	}
}

// TestGraphsAreFused counts the steps of the model's graphs by kernel: a pattern that no longer matches shows as more of them.
func TestGraphsAreFused(t *testing.T) {
	s := embedded(t)
	model, err := s.load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		workload
		batch     int
		attention int // one a block and one for its gradient, those of the text encoders among them
		epilogues int // at least: products with bias and activation, some more where there is no SIMD
		tapes     int // at most: normalisation, modulation, residuals and all other elementwise operations
	}{
		{s.forward(), 1, 6, 17, 65},
		{s.train(), 2, 20, 16, 1419},
	} {
		b := nntest.Backend(t)
		job, err := c.open(b, model, c.batch)
		if err != nil {
			t.Fatal(err)
		}
		job.Close()
		got := b.(*cpu.Backend).Steps()
		if got["attention"] != c.attention || got["DotGeneral+tape"] < c.epilogues || got["tape"] > c.tapes {
			t.Errorf("%s: %v, want %d steps of attention, at least %d products with a tape and at most %d tapes", c.name, got, c.attention, c.epilogues, c.tapes)
		}
	}
}

func TestSpread(t *testing.T) {
	if got, want := spread([]float64{5, 1, 2, 9}), (Spread{3.5, 1, 9}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := spread([]float64{5, 1, 9}), (Spread{5, 1, 9}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRound(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, 1234.5: 1235, -0.00123449: -0.001234, 7: 7, 99999: 100000} {
		if got := round(v); math.Abs(got-want) > 1e-9*math.Abs(want) {
			t.Errorf("round(%v) = %v, want %v", v, got, want)
		}
	}
}

func TestCompeteTakesTurns(t *testing.T) {
	var order []int
	run := func(i int) contestant {
		return func() error { order = append(order, i); return nil }
	}
	seconds, err := compete(t.Context(), pace{least: 3, most: 3}, run(0), run(1))
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{0, 0, 1, 1, 0, 1, 1, 0, 0, 1}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if len(seconds) != 2 || len(seconds[0]) != 3 || len(seconds[1]) != 3 {
		t.Errorf("seconds %v", seconds)
	}
}

func TestCompeteStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	_, err := compete(ctx, pace{least: 100, most: 100}, func() error {
		if n++; n == 5 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n != 5 {
		t.Errorf("error %v after %d executions", err, n)
	}
	broken := errors.New("broken")
	if _, err := compete(t.Context(), pace{least: 1, most: 1}, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestAllocatorShare(t *testing.T) {
	sample := func(n int64, stack ...string) *profile.Sample {
		s := &profile.Sample{Value: []int64{n, 10 * n}}
		for _, name := range stack {
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}})
		}
		return s
	}
	share, samples := allocatorShare(&profile.Profile{Sample: []*profile.Sample{
		sample(90, "reflectionflow/cpu.tile512", "main.main"),
		sample(6, "runtime.memclrNoHeapPointers", "runtime.mallocgcLarge", "runtime.makeslice", "main.main"),
		sample(4, "runtime.scanobject", "runtime.gcBgMarkWorker.func2"),
	}})
	if share != 0.1 || samples != 100 {
		t.Errorf("share %v of %d samples, want 0.1 of 100", share, samples)
	}
}

func TestPeakMemory(t *testing.T) {
	const size = 64 << 20
	var kept []byte
	peak, err := peakMemory(func() error {
		kept = make([]byte, size)
		for i := range kept {
			kept[i] = 1
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if now, _ := resident(); now == 0 || peak == 0 {
		t.Skip("the system does not tell a process's memory")
	}
	if peak < size*3/4 || peak > 2*size { // other memory may be freed meanwhile
		t.Errorf("the peak of %d bytes is %d", len(kept), peak)
	}
}

// docs/reference/bench-engine.md names every key of the report in its tables, and no other.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/bench-engine.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, match := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented = append(documented, match[1])
			}
		}
	}
	slices.Sort(documented)
	documented = slices.Compact(documented)
	keys := map[string]bool{}
	collect(reflect.TypeFor[Report](), keys)
	collect(reflect.TypeFor[ModelReport](), keys)
	for _, name := range documented {
		if !keys[name] {
			t.Errorf("docs/reference/bench-engine.md documents %q, which the report lacks", name)
		}
	}
	for name := range keys {
		if _, found := slices.BinarySearch(documented, name); !found {
			t.Errorf("docs/reference/bench-engine.md does not document %q", name)
		}
		if !regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`).MatchString(name) {
			t.Errorf("%q is not snake_case", name)
		}
	}
}

// collect gathers the JSON keys of a type.
func collect(of reflect.Type, keys map[string]bool) {
	switch of.Kind() {
	case reflect.Slice, reflect.Pointer:
		collect(of.Elem(), keys)
	case reflect.Struct:
		for f := range of.Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				keys[name] = true
			}
			collect(f.Type, keys)
		}
	}
}
