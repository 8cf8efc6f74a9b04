package tuning

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
)

func backend(t testing.TB) compute.Backend { return nntest.Backend(t) }

// toyTask learns y = tanh of a fixed linear map of 4 numbers.
func toyTask(batch int) Task {
	in, out := shapes.Make(dtypes.Float32, batch, 4), shapes.Make(dtypes.Float32, batch, 2)
	return Task{
		Name:   "toy",
		Inputs: []shapes.Shape{in, out},
		Loss: func(s nn.Scope, inputs []*graph.Node) (*graph.Node, []*graph.Node) {
			h := graph.Tanh(nn.Linear(s.In("toy.0.first"), inputs[0], 16))
			y := nn.Linear(s.In("toy.second"), h, 2)
			loss := graph.ReduceAllMean(graph.Square(graph.Sub(y, inputs[1])))
			return loss, []*graph.Node{graph.ReduceAllMean(y)}
		},
		Watched:   []string{"mean"},
		Trainable: func(name string) bool { return strings.HasPrefix(name, "toy.") },
		Batch: func(index uint64) ([]*tensors.Tensor, error) {
			rng := rand.New(rand.NewPCG(9, index))
			x, y := make([]float32, batch*4), make([]float32, batch*2)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			for i := range y {
				y[i] = x[i/2*4]*float32(i%2) - x[i/2*4+1]
			}
			return []*tensors.Tensor{tensors.FromFlatDataAndDimensions(x, batch, 4), tensors.FromFlatDataAndDimensions(y, batch, 2)}, nil
		},
	}
}

func train(t *testing.T, ctx context.Context, store *nn.Store, job Job) error {
	t.Helper()
	job.Backend = backend(t)
	return Run(ctx, store, toyTask(8), job)
}

func TestResumedTrainingIsByteIdentical(t *testing.T) {
	for _, optimizer := range []string{"adamw", "muon", "prodigy"} {
		t.Run(optimizer, func(t *testing.T) {
			c := Config{Steps: 20, Batch: 8, Accumulate: 2, Optimizer: optimizer, LearningRate: 0.05, Warmup: 3, WeightDecay: 0.01, SaveEvery: 5, EMA: 0.9, Seed: 7}
			whole, parts := t.TempDir(), t.TempDir()
			want := nn.NewStore()
			if err := train(t, t.Context(), want, Job{Config: c, Dir: whole}); err != nil {
				t.Fatal(err)
			}
			// Interrupted during the report of a step, twice, with a new store each time.
			for _, stop := range []int{4, 11} {
				ctx, cancel := context.WithCancel(t.Context())
				err := train(t, ctx, nn.NewStore(), Job{Config: c, Dir: parts, Resume: true, Notify: func(p Progress) {
					if p.Step == stop {
						cancel()
					}
				}})
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("stopped run: %v", err)
				}
			}
			got := nn.NewStore()
			if err := train(t, t.Context(), got, Job{Config: c, Dir: parts, Resume: true}); err != nil {
				t.Fatal(err)
			}
			for _, name := range want.Names("") {
				a, _ := want.Values(name)
				b, _ := got.Values(name)
				if !slices.Equal(a, b) {
					t.Errorf("%s differs", name)
				}
			}
			for _, file := range []string{checkpointFile, "metrics.jsonl"} {
				a, _ := os.ReadFile(filepath.Join(whole, file))
				b, _ := os.ReadFile(filepath.Join(parts, file))
				if len(a) == 0 || !bytes.Equal(a, b) {
					t.Errorf("%s differs", file)
				}
			}
		})
	}
}

func TestOptimizersLearn(t *testing.T) {
	for optimizer, rate := range map[string]float64{"adamw": 0.01, "muon": 0.01, "prodigy": 1} {
		var first, last float64
		c := Config{Steps: 300, Batch: 8, Optimizer: optimizer, LearningRate: rate, Seed: 1, SaveEvery: 1000}
		err := train(t, t.Context(), nn.NewStore(), Job{Config: c, Dir: t.TempDir(), Notify: func(p Progress) {
			if p.Step == 1 {
				first = p.Loss
			}
			last = 0.9*last + 0.1*p.Loss
		}})
		if err != nil {
			t.Fatal(err)
		}
		if !(last < first/10) {
			t.Errorf("%s: loss went from %.4f to %.4f", optimizer, first, last)
		}
	}
}

func TestRunRefusesInvalidJobs(t *testing.T) {
	good := Config{Steps: 2, Batch: 8, LearningRate: 0.1}
	dir := t.TempDir()
	if err := train(t, t.Context(), nn.NewStore(), Job{Config: good, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	bad := good
	bad.Optimizer = "sgd"
	for name, job := range map[string]Job{
		"a second run without resume": {Config: good, Dir: dir},
		"an unknown optimizer":        {Config: bad, Dir: t.TempDir()},
		"no steps":                    {Config: Config{Batch: 1, LearningRate: 1}, Dir: t.TempDir()},
	} {
		if err := train(t, t.Context(), nn.NewStore(), job); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
