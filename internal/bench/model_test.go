package bench

import (
	"errors"
	"math"
	"testing"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/flux/flux2"
)

// TestModelParts measures a tiny model with its own weights: all its parts, whose work and kernels are known.
func TestModelParts(t *testing.T) {
	folder, err := flux2.OpenFolder("../../flux/flux2/testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	model, err := flux2.LoadModel(folder)
	if err != nil {
		t.Fatal(err)
	}
	backend, err := cpu.New("")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	r, err := RunModel(t.Context(), ModelOptions{Backend: backend.(*cpu.Backend), Model: model, Name: "tiny", Quick: true})
	if err != nil {
		t.Fatal(err)
	}
	counts, step := map[string]int{}, 0.0
	for _, p := range r.Parts {
		counts[p.Name] = p.Count
		shares := 0.0
		for _, share := range p.Kernels {
			shares += share
		}
		if p.FLOP <= 0 || p.Bytes <= 0 || p.Seconds.Median <= 0 || p.Bound == "" || math.Abs(shares-1) > 0.01 {
			t.Errorf("%+v", p)
		}
		if p.Name != "text encoder" && p.Name != "decoder" {
			step += float64(p.Count) * p.Seconds.Median
		}
	}
	for name, want := range map[string]int{
		"double block": folder.Transformer.NumLayers, "single block": folder.Transformer.NumSingleLayers, "embedders": 1, "last layer": 1, "text encoder": 1, "decoder": 1,
	} {
		if counts[name] != want {
			t.Errorf("%d of %s, want %d", counts[name], name, want)
		}
	}
	if math.Abs(r.Step/step-1) > 0.01 || r.Text <= 0 || r.Decode <= 0 || r.Scaled {
		t.Errorf("step %v of parts %v, text %v, decoder %v, scaled %t", r.Step, step, r.Text, r.Decode, r.Scaled)
	}
}

// TestModelShapes checks the models that are measured with random weights, and what is refused.
func TestModelShapes(t *testing.T) {
	for name, want := range map[string][2]int{"flux1-dev": {19, 38}, "flux2-klein": {5, 20}} {
		shape, err := shapeNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]int{shape.counts["double"], shape.counts["single"]}; got != want {
			t.Errorf("%s: blocks %v, want %v", name, got, want)
		}
	}
	for _, o := range []ModelOptions{{Name: "flux3"}, {Name: "flux1-dev", Weights: "q2"}} {
		b, err := cpu.New("")
		if err != nil {
			t.Fatal(err)
		}
		o.Backend = b.(*cpu.Backend)
		if _, err := RunModel(t.Context(), o); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s, %s: %v", o.Name, o.Weights, err)
		}
	}
}

// TestAutoPrecision checks what auto stands for with random weights: what it does for a file of them.
func TestAutoPrecision(t *testing.T) {
	bf16, ints := cpu.Precisions()
	for name, want := range map[string]string{"bf16": "bf16", "": "bf16", "q8_0": "int8", "q4_k": "int8"} {
		if !bf16 || !ints && want == "int8" {
			continue
		}
		if got, err := AutoPrecision("cpu", name); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := AutoPrecision("cpu", "q2"); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("unknown weights: %v", err)
	}
}
