package flux2

import (
	"flag"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/internal/fluxtest"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/weights/safetensors"
)

var writeNoise = flag.Bool("noise", false, "write testdata/noise.safetensors for make_fixtures.py")

// parityCase is a request of make_fixtures.py, whose image testdata holds.
type parityCase struct {
	name       string
	request    reflectionflow.Request
	distilled  bool
	references []string
}

func parityCases() []parityCase {
	return []parityCase{
		{"distilled", reflectionflow.Request{Prompt: "a photo of two red clocks", Seed: 1, Width: 64, Height: 48, Steps: 4, Guidance: 1}, true, nil},
		{"base", reflectionflow.Request{Prompt: "a photo of two red clocks", Seed: 2, Width: 48, Height: 64, Steps: 6, Guidance: 4}, false, nil},
		{"one", reflectionflow.Request{Prompt: "a red clock", Reflection: "Add a clock", Seed: 3, Width: 64, Height: 64, Steps: 4, Guidance: 1}, true, []string{"wide"}},
		{"guided", reflectionflow.Request{Prompt: "a red clock", Reflection: "Add a clock", Seed: 4, Width: 64, Height: 64, Steps: 3, Guidance: 2.5}, false, []string{"wide"}},
		{"two", reflectionflow.Request{Prompt: "make a clock of both", Seed: 5, Width: 64, Height: 48, Steps: 4, Guidance: 1}, true, []string{"wide", "tall"}},
	}
}

const tinyChannels = 16

func (c parityCase) noise() []float32 {
	return flux.Noise(c.request.Seed, c.request.Width/16*c.request.Height/16*tinyChannels)
}

func readImage(t testing.TB, name string) image.Image {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name+".png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// tinyModel is the pipeline of testdata, as diffusers wrote it.
func tinyModel(t testing.TB, distilled bool) *Model {
	t.Helper()
	folder, err := OpenFolder("testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	folder.Distilled = distilled
	model, err := LoadModel(folder)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// tokens returns the latents of a case as diffusers computed them.
func wantLatents(t *testing.T, name string) []float32 {
	t.Helper()
	file, err := safetensors.Open("testdata/latents.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	values, err := file.Float32("latents." + name)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// denoise generates the latents of a case from the parts of the model, with all of its
// references.
func denoise(t *testing.T, m *Model, c parityCase) []float32 {
	t.Helper()
	backend := nntest.Backend(t)
	run := func(inputs []*tensors.Tensor, build func(s nn.Scope, in []*Node) *Node) *tensors.Tensor {
		var given []shapes.Shape
		for _, in := range inputs {
			given = append(given, in.Shape())
		}
		p, err := nn.Compile(backend, m.Store, given, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
			return []*Node{build(s, in)}, nil
		}, nn.Options{Name: c.name})
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Run(inputs...)
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	r, spec := c.request, m.Spec()
	grid := flux.Grid{Rows: r.Height / spec.Unit, Cols: r.Width / spec.Unit}
	if len(c.references) == 1 {
		r.Reference = readImage(t, "reference-"+c.references[0])
	}
	texts, err := m.Texts(r)
	if err != nil {
		t.Fatal(err)
	}
	embed := func(text flux.Tokens) *tensors.Tensor {
		ids := tensors.FromFlatDataAndDimensions(text[0], 1, len(text[0]))
		used := tensors.FromFlatDataAndDimensions(text[1], 1, 1)
		return run([]*tensors.Tensor{ids, used}, func(s nn.Scope, in []*Node) *Node { return m.Embed(s, in)[0] })
	}
	inputs := []*tensors.Tensor{embed(texts.Prompt), embed(texts.Negative)}
	var grids []flux.Grid
	for _, name := range c.references {
		img := readImage(t, "reference-"+name)
		frame, err := m.Frame(img.Bounds().Size(), grid)
		if err != nil {
			t.Fatal(err)
		}
		values, err := frame.Pixels(img)
		if err != nil {
			t.Fatal(err)
		}
		pixels := tensors.FromFlatDataAndDimensions(values, 1, frame.Crop.Dy(), frame.Crop.Dx(), 3)
		inputs = append(inputs, run([]*tensors.Tensor{pixels}, func(s nn.Scope, in []*Node) *Node { return m.Encode(s, in[0]) }))
		grids = append(grids, frame.Grid(spec.Unit))
	}
	x := tensors.FromFlatDataAndDimensions(c.noise(), 1, grid.Tokens(), spec.Channels)
	x, err = flux.Denoise(t.Context(), x, m.Sigmas(r.Steps, grid.Tokens()), func(x *tensors.Tensor, sigma, next float64) (*tensors.Tensor, error) {
		levels := []*tensors.Tensor{x, tensors.FromValue([]float32{float32(sigma)}), tensors.FromValue([]float32{float32(next)})}
		return run(append(levels, inputs...), func(s nn.Scope, in []*Node) *Node {
			velocity := func(text *Node) *Node {
				all := flux.Inputs{Image: flux.Packed{Tokens: in[0], Grid: grid}, Embedding: []*Node{text}, Sigma: in[1]}
				for i, g := range grids {
					all.References = append(all.References, flux.Packed{Tokens: in[5+i], Grid: g})
				}
				return m.Velocity(s, all)
			}
			v := velocity(in[3])
			if spec.Guided != nil && spec.Guided(r.Guidance) {
				v = flux.Guide(v, velocity(in[4]), ConstAs(in[1], []float32{float32(r.Guidance)}))
			}
			return flux.EulerStep(in[0], v, in[1], in[2])
		}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](x)
}

// relative is the norm of the difference in units of the norm of want.
func relative(got, want []float32) float64 {
	var difference, norm float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		difference, norm = difference+d*d, norm+float64(w)*float64(w)
	}
	return math.Sqrt(difference / norm)
}

// Latents equal those of diffusers' Flux2KleinPipeline on a folder that it wrote.
func TestLatentsEqualDiffusers(t *testing.T) {
	if *writeNoise {
		var all []safetensors.Tensor
		for _, c := range parityCases() {
			values := c.noise()
			all = append(all, safetensors.Tensor{Name: c.name, Shape: []int{1, len(values) / tinyChannels, tinyChannels}, DType: safetensors.F32, Values: values})
		}
		if err := safetensors.Write("testdata/noise.safetensors", all, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range parityCases() {
		t.Run(c.name, func(t *testing.T) {
			err := relative(denoise(t, tinyModel(t, c.distilled), c), wantLatents(t, c.name))
			t.Logf("relative error %.2g", err)
			if !(err <= 1e-4) {
				t.Errorf("relative error %.3g", err)
			}
		})
	}
}

// The pipeline's images equal diffusers' to 1 of 255, and 99% of the values exactly.
func TestPipelineEqualsDiffusers(t *testing.T) {
	for _, c := range parityCases() {
		t.Run(c.name, func(t *testing.T) {
			var references []image.Image
			for _, name := range c.references {
				references = append(references, readImage(t, "reference-"+name))
			}
			if len(references) > 0 {
				c.request.Reference, c.request.Others = references[0], reflectionflow.NewImages(references[1:]...)
			}
			got := mustGenerate(t, flux.NewPipeline(nntest.Backend(t), tinyModel(t, c.distilled), flux.Options{}), c.request)[0]
			want, different := readImage(t, c.name), 0
			for i := range c.request.Width * c.request.Height {
				r, g, b, _ := want.At(i%c.request.Width, i/c.request.Width).RGBA()
				for ch, v := range []uint32{r, g, b} {
					switch d := int(v>>8) - int(got[4*i+ch]); {
					case d < -1 || d > 1:
						t.Fatalf("pixel %d, channel %d differs by %d", i, ch, d)
					case d != 0: // rounded the other way
						different++
					}
				}
			}
			if share := float64(different) / float64(3*c.request.Width*c.request.Height); share > 0.01 {
				t.Errorf("%.2f%% of the values differ by 1", 100*share)
			}
		})
	}
}

func TestSigmasEqualDiffusers(t *testing.T) {
	file, err := safetensors.Open("testdata/latents.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m := tinyModel(t, true)
	for _, c := range parityCases() {
		want, err := file.Float32("sigmas." + c.name)
		if err != nil {
			t.Fatal(err)
		}
		for i, sigma := range m.Sigmas(c.request.Steps, c.request.Width/16*c.request.Height/16) {
			if math.Abs(sigma-float64(want[i])) > 1e-6 {
				t.Errorf("%s: sigma %d is %v, want %v", c.name, i, sigma, want[i])
			}
		}
	}
	// The published shapes: 1024² and 512² pixels.
	for _, c := range []struct {
		steps, tokens int
		mu            float64
	}{{4, 4096, 2.29118}, {4, 1024, 2.03069}, {50, 4096, 2.023351}, {4, 4400, 1.6927e-4*4400 + 0.45666666}} {
		if got := empiricalMu(c.steps, c.tokens); math.Abs(got-c.mu) > 1e-5 {
			t.Errorf("mu of %d tokens in %d steps is %v, want %v", c.tokens, c.steps, got, c.mu)
		}
	}
}

// References are scaled as PIL does, to the byte.
func TestReferencesAreScaledAsPILDoes(t *testing.T) {
	file, err := safetensors.Open("testdata/resize.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	bytes := func(name string) ([]int, []byte) {
		info, err := file.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := file.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Shape, data
	}
	shape, big := bytes("big")
	img := image.NewRGBA(image.Rect(0, 0, shape[1], shape[0]))
	for i := range shape[0] * shape[1] {
		copy(img.Pix[4*i:], append(big[3*i:3*i+3:3*i+3], 255))
	}
	shape, small := bytes("small")
	frame := flux.Frame{Size: image.Pt(shape[1], shape[0]), Crop: image.Rect(0, 0, shape[1], shape[0]), Lanczos: true}
	got, err := frame.Pixels(img)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if d := float64(v+1)*127.5 - float64(small[i]); math.Abs(d) > 0.01 {
			t.Fatalf("value %d differs by %v", i, d)
		}
	}
}

func TestFramesOfReferences(t *testing.T) {
	m := &Model{Folder: &Folder{VAE: KleinAutoencoder()}}
	for _, c := range []struct{ size, scaled, cut image.Point }{
		{image.Pt(2000, 1500), image.Pt(1182, 886), image.Pt(1168, 880)},
		{image.Pt(1024, 1024), image.Pt(1024, 1024), image.Pt(1024, 1024)},
		{image.Pt(100, 70), image.Pt(100, 70), image.Pt(96, 64)},
	} {
		frame, err := m.Frame(c.size, flux.Grid{})
		if err != nil || frame.Size != c.scaled || frame.Crop.Size() != c.cut || frame.Crop.Min != c.scaled.Sub(c.cut).Div(2) {
			t.Errorf("%v: %+v, %v", c.size, frame, err)
		}
	}
	for _, size := range []image.Point{{63, 100}, {1000, 100}} {
		_, err := m.Frame(size, flux.Grid{})
		wantInvalid(t, err, "the reference image is")
	}
}

// References are scaled and cut as diffusers' pipeline does.
func TestFramesEqualDiffusers(t *testing.T) {
	m := &Model{Folder: &Folder{VAE: KleinAutoencoder()}}
	fluxtest.FramesAsDiffusers(t, m.Frame, 0.01)
}
