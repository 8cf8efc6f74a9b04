package preference

import (
	"errors"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/internal/visiontest"
	"reflectionflow/vision/clip"
	"reflectionflow/weights/safetensors"
)

// layer is a linear layer [out, in] of a predictor.
type layer struct {
	number  int
	out, in int
	w, b    []float32
}

// predictor is LAION's at a smaller size, for the vectors of the network in testdata.
func predictor() (layers []layer) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{12, 20, 8, 6, 5, 1}
	for i, number := range linearLayers {
		l := layer{number: number, in: sizes[i], out: sizes[i+1]}
		for range l.out * l.in {
			l.w = append(l.w, float32(rng.NormFloat64()))
		}
		for range l.out {
			l.b = append(l.b, float32(rng.NormFloat64()))
		}
		layers = append(layers, l)
	}
	return layers
}

// run applies the layers one after the other.
func run(layers []layer, x []float32) float64 {
	for _, l := range layers {
		y := slices.Clone(l.b)
		for row := range y {
			for column, v := range x {
				y[row] += l.w[row*l.in+column] * v
			}
		}
		x = y
	}
	return float64(x[0])
}

// save writes the layers to a file.
func save(t *testing.T, layers []layer) string {
	t.Helper()
	var tensors []safetensors.Tensor
	for _, l := range layers {
		name := "layers." + string(rune('0'+l.number))
		tensors = append(tensors,
			safetensors.Tensor{Name: name + ".weight", Shape: []int{l.out, l.in}, DType: safetensors.F32, Load: func() ([]float32, error) { return l.w, nil }},
			safetensors.Tensor{Name: name + ".bias", Shape: []int{l.out}, DType: safetensors.F32, Load: func() ([]float32, error) { return l.b, nil }})
	}
	path := filepath.Join(t.TempDir(), "head.safetensors")
	if err := safetensors.Write(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, o Options) *Verifier {
	t.Helper()
	v, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// The values are those of the layers and of CLIP's vectors.
func TestValues(t *testing.T) {
	folder, layers, samples := visiontest.Folder(t, "clip", nil), predictor(), visiontest.PromptedImages(t)
	model, err := clip.Open(t.Context(), folder, clip.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	for _, o := range []Options{{Head: save(t, layers)}, {Kind: PickScore}, {Kind: HPSv2}} {
		o.Path = folder
		scores, err := open(t, o).Verify(t.Context(), samples)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range samples {
			images, err := model.Images(t.Context(), []image.Image{s.Image})
			if err != nil {
				t.Fatal(err)
			}
			texts, err := model.Texts(t.Context(), []string{s.Prompt.Text})
			if err != nil {
				t.Fatal(err)
			}
			want := run(layers, images[0])
			switch o.Kind {
			case PickScore:
				want = math.Exp(1.5) * clip.Cosine(images[0], texts[0])
			case HPSv2:
				want = clip.Cosine(images[0], texts[0])
			}
			if math.Abs(scores[i].Value-want) > 1e-3*math.Abs(want)+1e-6 || len(scores[i].Requirements) > 0 {
				t.Errorf("%+v, image %d: %v, want %v", o, i, scores[i], want)
			}
		}
	}
}

func TestReadsTheKindFromTheFiles(t *testing.T) {
	named := func(folder string) string {
		path := filepath.Join(t.TempDir(), folder)
		if err := os.Rename(visiontest.Folder(t, "clip", nil), path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		options Options
		want    Kind
	}{
		{Options{Path: named("PickScore_v1")}, PickScore},
		{Options{Path: named("HPSv2-hf")}, HPSv2},
		{Options{Path: visiontest.Folder(t, "clip", visiontest.Edit("config.json", `"projection_dim": 12,`, `"projection_dim": 12, "_name_or_path": "yuvalkirstain/PickScore_v1",`))}, PickScore},
		{Options{Path: named("CLIP-L"), Head: save(t, predictor())}, Aesthetic},
	} {
		if got := open(t, c.options).Kind(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.options, got, c.want)
		}
	}
}

func TestRefuses(t *testing.T) {
	folder := visiontest.Folder(t, "clip", nil)
	relu, narrow, broken := predictor(), predictor(), predictor()
	relu[1].number = 3
	narrow[0].in, narrow[0].w = 11, narrow[0].w[:11*20]
	broken[3].w[2] = float32(math.NaN())
	other := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(other, []byte("no weights"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		options Options
		want    string
	}{
		{"no kind", Options{Path: folder}, "name the kind"},
		{"unknown kind", Options{Path: folder, Kind: "imagereward"}, `unknown kind "imagereward"`},
		{"no head", Options{Path: folder, Kind: Aesthetic}, "needs a head"},
		{"a head too many", Options{Path: folder, Kind: HPSv2, Head: "x"}, "only an aesthetic predictor has a head"},
		{"SigLIP", Options{Path: visiontest.Folder(t, "siglip", nil), Kind: PickScore}, `is a model of type "siglip"`},
		{"a predictor with activations", Options{Path: folder, Head: save(t, relu)}, "it has the layers [0 3 4 6 7]"},
		{"a predictor for another network", Options{Path: folder, Head: save(t, narrow)}, "it rates vectors of 11 numbers, those of the network have 12"},
		{"not finite", Options{Path: folder, Head: save(t, broken)}, "not finite"},
		{"another file", Options{Path: folder, Head: other}, "model.safetensors"},
		{"a whole network as head", Options{Path: folder, Head: filepath.Join(folder, "model.safetensors")}, "belongs to no aesthetic predictor"},
	} {
		v, err := Open(t.Context(), c.options)
		if err == nil {
			v.Close()
		}
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestConforms(t *testing.T) {
	folder := visiontest.Folder(t, "clip", nil)
	for _, o := range []Options{{Path: folder, Head: save(t, predictor())}, {Path: folder, Kind: PickScore}} {
		conformance.Verifier(t, open(t, o), visiontest.PromptedImages(t), conformance.Options{})
	}
}
