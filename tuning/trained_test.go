package tuning

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
	"reflectionflow/flux/lora"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

var writeTrained = flag.Bool("trained", false, "train the LoRAs in testdata again, for make_trained.py")

// A LoRA that training wrote has the same effect in diffusers (load_lora_adapter) and here, as a LoRA of the whole model.
func TestTrainedLoRAsInDiffusers(t *testing.T) {
	for name, folder := range map[string]string{"FLUX.1": "flux1", "FLUX.2": "flux2"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", "trained-"+folder)
			if *writeTrained {
				c, out := givenCorrector, t.TempDir()
				c.Train.Steps, c.Train.LearningRate, c.Triplets = 20, 0.03, givenSet(t, 3, nil)
				if err := trainGivenModel(t.Context(), t, name, c, StageOptions{Out: out}); err != nil {
					t.Fatal(err)
				}
				data, err := os.ReadFile(filepath.Join(out, "model", flux1.CorrectorFile))
				if err := errors.Join(err, os.MkdirAll(path, 0o755), os.WriteFile(filepath.Join(path, flux1.CorrectorFile), data, 0o600)); err != nil {
					t.Fatal(err)
				}
				return
			}
			fixture, err := safetensors.Open(path + ".safetensors")
			if err != nil {
				t.Fatal(err)
			}
			defer fixture.Close() //nolint:errcheck // read only
			model := openGiven(t, name)
			file, err := lora.Open(filepath.Join(path, flux1.CorrectorFile), 1)
			if err != nil {
				t.Fatal(err)
			}
			adapted, err := lora.Adapt(model, networks(t, model), []lora.File{file})
			if err != nil {
				t.Fatal(err)
			}
			for want, m := range map[string]flux.Model{"before": model, "after": adapted} {
				if e := relative(fixtureVelocity(t, m, fixture), read(t, fixture, want)); !(e <= 1e-4) {
					t.Errorf("%s: the velocity differs by %g", want, e)
				}
			}
			if e := relative(read(t, fixture, "after"), read(t, fixture, "before")); e < 0.05 {
				t.Errorf("the LoRA changes the velocity by %g: the fixture shows nothing", e)
			}
			if have, want := fmt.Sprint(len(newLoRAOf(t, model).Modules)), fixture.Metadata()["layers"]; have != want {
				t.Errorf("diffusers adapted %s layers of %s", want, have)
			}
		})
	}
}

func newLoRAOf(t *testing.T, model flux.Model) lora.Trained {
	t.Helper()
	base, err := newGivenBase(model, Corrector{Rank: 1})
	if err != nil {
		t.Fatal(err)
	}
	return base.lora
}

func networks(t *testing.T, model flux.Model) []lora.Network {
	t.Helper()
	var list []lora.Network
	var err error
	switch m := model.(type) {
	case *flux1.Model:
		list, err = m.Folder.Networks()
	case *flux2.Model:
		list, err = m.Folder.Networks()
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// fixtureVelocity returns the velocity of a model for the inputs of a fixture.
func fixtureVelocity(t *testing.T, model flux.Model, fixture *safetensors.File) []float32 {
	t.Helper()
	names := []string{"image", "sigma", "text", "pooled"}
	if !fixture.Has("pooled") {
		names = names[:3]
	}
	var inputs []*tensors.Tensor
	var given []shapes.Shape
	for _, name := range names {
		info, err := fixture.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		in := tensors.FromFlatDataAndDimensions(read(t, fixture, name), info.Shape...)
		inputs, given = append(inputs, in), append(given, in.Shape())
	}
	p, err := nn.Compile(backend(t), model.Spec().Store, given, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{model.Velocity(s, flux.Inputs{
			Image: flux.Packed{Tokens: in[0], Grid: flux.Grid{Rows: 4, Cols: 4}}, Embedding: in[2:], Sigma: in[1], Guidance: graph.OnesLike(in[1]),
		})}, nil
	}, nn.Options{Name: "velocity"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := p.Run(inputs...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0])
}

func read(t *testing.T, file *safetensors.File, name string) []float32 {
	t.Helper()
	values, err := file.Float32(name)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// relative returns the norm of a − b by that of b.
func relative(a, b []float32) float64 {
	var difference, size float64
	for i := range b {
		difference, size = difference+math.Pow(float64(a[i]-b[i]), 2), size+math.Pow(float64(b[i]), 2)
	}
	return math.Sqrt(difference / size)
}
