package tuning

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/nn"
)

// runIn trains the toy task in a precision and returns the losses of its steps.
func runIn(ctx context.Context, t *testing.T, precision string, store *nn.Store, job Job) (losses []float64, err error) {
	t.Helper()
	b, err := nn.OpenBackend("cpu:" + precision)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Finalize()
	job.Backend, job.Config.Precision = b, precision
	notify := job.Notify
	job.Notify = func(p Progress) {
		losses = append(losses, p.Loss)
		if notify != nil {
			notify(p)
		}
	}
	return losses, Run(ctx, store, toyTask(32), job)
}

// TestGradientInBF16 compares the gradients of a network in bf16 with those in f32: they differ, by about the rounding of
// the operands (2⁻⁸), and are f32.
func TestGradientInBF16(t *testing.T) {
	gradientsIn := func(precision string) [][]float32 {
		b, err := nn.OpenBackend("cpu:" + precision)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Finalize()
		store := nn.NewStore()
		task := toyTask(64)
		task.Loss = func(s nn.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
			h := graph.Tanh(nn.Linear(s.In("toy.0.first"), graph.Concatenate([]*graph.Node{in[0], in[0], in[0], in[0], in[0], in[0], in[0], in[0]}, 1), 48))
			h = graph.Tanh(nn.Linear(s.In("toy.1.second"), h, 40))
			return graph.ReduceAllMean(graph.Square(graph.Sub(nn.Linear(s.In("toy.third"), h, 2), in[1]))), nil
		}
		p, _, err := compileGradients(b, store, task, Config{Seed: 3}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		inputs, err := task.Batch(1)
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Run(inputs...)
		if err != nil {
			t.Fatal(err)
		}
		var values [][]float32
		for _, o := range out {
			v, err := tensors.CopyFlatData[float32](o)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, v)
		}
		return values
	}
	exact, narrow := gradientsIn("f32"), gradientsIn("bf16")
	differ := false
	for i := range exact {
		var size, far float64
		for j, v := range exact[i] {
			d := float64(narrow[i][j] - v)
			size, far = size+float64(v)*float64(v), far+d*d
		}
		far = math.Sqrt(far / size)
		differ = differ || far > 0
		if !(far < 0.02) {
			t.Errorf("result %d differs by %.4f of its size", i, far)
		}
	}
	if bf16, _ := cpu.Precisions(); differ != bf16 {
		t.Errorf("the gradients differ: %v, and the processor has bf16: %v", differ, bf16)
	}
}

// TestTrainingInBF16 checks that a training in bf16 learns as one in f32 does, resumes to the same bytes, and says in its
// checkpoint what it computes in.
func TestTrainingInBF16(t *testing.T) {
	c := Config{Steps: 120, Batch: 32, LearningRate: 0.02, Seed: 1, SaveEvery: 20}
	exact, err := runIn(t.Context(), t, "f32", nn.NewStore(), Job{Config: c, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	whole := t.TempDir()
	narrow, err := runIn(t.Context(), t, "bf16", nn.NewStore(), Job{Config: c, Dir: whole})
	if err != nil {
		t.Fatal(err)
	}
	for i := range exact {
		if d := math.Abs(exact[i] - narrow[i]); d > 0.02*exact[0] {
			t.Fatalf("step %d: loss %.4f in f32, %.4f in bf16", i+1, exact[i], narrow[i])
		}
	}
	if last := narrow[len(narrow)-1]; last > narrow[0]/4 {
		t.Errorf("the loss went from %.4f to %.4f", narrow[0], last)
	}
	parts := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := runIn(ctx, t, "bf16", nn.NewStore(), Job{Config: c, Dir: parts, Notify: func(p Progress) {
		if p.Step == 33 {
			cancel()
		}
	}}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := runIn(t.Context(), t, "f32", nn.NewStore(), Job{Config: c, Dir: parts, Resume: true}); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "computes in bf16, not in f32") {
		t.Errorf("resumed in f32: %v", err)
	}
	if _, err := runIn(t.Context(), t, "bf16", nn.NewStore(), Job{Config: c, Dir: parts, Resume: true}); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{checkpointFile, "metrics.jsonl"} {
		a, _ := os.ReadFile(filepath.Join(whole, file))
		b, _ := os.ReadFile(filepath.Join(parts, file))
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s differs", file)
		}
	}
	info, _, err := loadCheckpoint(whole, nn.NewStore())
	if err != nil || info.Config.Precision != "bf16" {
		t.Errorf("the checkpoint computes in %q: %v", info.Config.Precision, err)
	}
}

// TestPrecisionOfTrainingIsTheBackends checks that a backend of another precision is refused, and what recipes may say.
func TestPrecisionOfTrainingIsTheBackends(t *testing.T) {
	c := Config{Steps: 1, Batch: 8, LearningRate: 1, Precision: "bf16"}
	if err := train(t, t.Context(), nn.NewStore(), Job{Config: c, Dir: t.TempDir()}); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "computes in bf16") {
		t.Errorf("a backend in f32: %v", err)
	}
	c.Precision = "fp8"
	if err := c.Validate(); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "precision is fp8: must be f32 or bf16") {
		t.Errorf("fp8: %v", err)
	}
	r, err := ParseRecipe([]byte("world: {size: 64}\nbase: {train: {steps: 3, precision: bf16}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for stage, want := range map[string]string{"base": "bf16", "autoencoder": "f32", "verifier": "f32"} {
		if got := r.Precision(stage); got != want {
			t.Errorf("%s: %s, want %s", stage, got, want)
		}
	}
}
