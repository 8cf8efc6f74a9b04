package tuning

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
)

// prodigyFixture is testdata/prodigy.json; see make_prodigy.py there.
type prodigyFixture struct {
	Start, Target, Curvature weights
	Steps                    []struct {
		Step int
		D    float64
		Loss float64
		weights
	}
}

type weights struct{ Matrix, Vector []float64 }

func TestProdigyEqualsReference(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "prodigy.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want prodigyFixture
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	store := nn.NewStore()
	store.Set("matrix", singles(want.Start.Matrix), 3, 4)
	store.Set("vector", singles(want.Start.Vector), 5)
	task := Task{
		Name:      "quadratic",
		Trainable: func(string) bool { return true },
		Loss: func(s nn.Scope, _ []*Node) (*Node, []*Node) {
			term := func(name string, target, curvature []float64, dims ...int) *Node {
				far := Sub(s.Weight(name, nil, dims...), Const(s.Graph(), tensors.FromFlatDataAndDimensions(singles(target), dims...)))
				return ReduceAllSum(Mul(Square(far), Const(s.Graph(), tensors.FromFlatDataAndDimensions(singles(curvature), dims...))))
			}
			matrix := term("matrix", want.Target.Matrix, want.Curvature.Matrix, 3, 4)
			vector := term("vector", want.Target.Vector, want.Curvature.Vector, 5)
			return MulScalar(Add(matrix, vector), 0.5), nil
		},
	}
	config := Config{Steps: 1000, Batch: 1, Optimizer: "prodigy", LearningRate: 1, FinalRate: 1, Beta2: 0.99, WeightDecay: 0.01, Clip: 1e6}
	stepper, err := NewStepper(backend(t), store, task, config)
	if err != nil {
		t.Fatal(err)
	}
	defer stepper.Close()
	next := want.Steps
	for step := 1; len(next) > 0; step++ {
		loss, err := stepper.Step(nil)
		if err != nil {
			t.Fatal(err)
		}
		if step != next[0].Step {
			continue
		}
		same := func(what string, got float32, want float64) {
			if math.Abs(float64(got)-want) > 2e-4*math.Abs(want)+1e-6 {
				t.Errorf("step %d: %s is %v, the reference's %v", step, what, got, want)
			}
		}
		same("loss", float32(loss), next[0].Loss)
		for name, list := range map[string][]float64{"matrix": next[0].Matrix, "vector": next[0].Vector, statePrefix + "d": {next[0].D}} {
			values, err := store.Values(name)
			if err != nil {
				t.Fatal(err)
			}
			for i := range list {
				same(name, values[i], list[i])
			}
		}
		next = next[1:]
	}
}

func singles(values []float64) []float32 {
	list := make([]float32, len(values))
	for i, v := range values {
		list[i] = float32(v)
	}
	return list
}
