package detect

import (
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/weights/safetensors"
)

func tiny(architecture string) Config {
	return Config{
		Architecture: architecture, Classes: []string{"dog", "cup", "tv"}, Colors: []string{"red", "blue"},
		Side: 32, Cell: 8, Width: 8, Depth: 1, Heads: 2, Hidden: 8, Groups: 2,
	}.WithDefaults()
}

func backend(t testing.TB) compute.Backend { return nntest.Backend(t) }

// random returns a store with an untrained detector.
func random(t testing.TB, c Config) *nn.Store {
	t.Helper()
	store, seed := nn.NewStore(), uint64(3)
	inputs := append([]shapes.Shape{shapes.Make(dtypes.Uint8, 1, c.Side, c.Side, 3)}, c.TargetShapes(1)...)
	p, err := nn.Compile(backend(t), store, inputs, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		loss, _ := Loss(s.In(prefix), c, nn.Images(in[0]), in[1], in[2])
		return []*graph.Node{loss}, nil
	}, nn.Options{Seed: &seed})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	return store
}

// perfect is the output of a network that predicts the first image of a target exactly.
func perfect(c Config, target *Target) raw {
	var r raw
	classes, colors := len(c.Classes), len(c.Colors)+1
	r.class, r.color = make([]float32, c.cells()*classes), make([]float32, c.cells()*colors)
	for at := range c.cells() {
		floats := target.floats[at*targetFloats : (at+1)*targetFloats]
		r.presence = append(r.presence, 24*floats[0]-12)
		r.box = append(r.box, floats[2:]...)
		if floats[1] > 0 {
			r.class[at*classes+int(target.ints[at*targetInts])] = 12
			r.color[at*colors+int(target.ints[at*targetInts+1])] = 12
		}
	}
	return r
}

func TestDecodeInvertsTargets(t *testing.T) {
	c := tiny(Transformer)
	objects := []reflectionflow.Object{
		{Class: "dog", Box: [4]float64{0.05, 0.1, 0.45, 0.45}},
		{Class: "cup", Color: "blue", Box: [4]float64{0.6, 0.55, 0.9, 1}},
		{Class: "cup", Color: "red", Box: [4]float64{0.5, 0, 1, 0.25}}, // its center on the border of two cells
	}
	var target Target
	if err := target.Add(c, objects); err != nil {
		t.Fatal(err)
	}
	found := c.Objects(decode(c, perfect(c, &target)))
	if len(found) != len(objects) {
		t.Fatalf("found %+v", found)
	}
	for _, want := range objects {
		i := slices.IndexFunc(found, func(o reflectionflow.Object) bool { return o.Class == want.Class && o.Color == want.Color })
		if i < 0 || found[i].Confidence < 0.99 {
			t.Fatalf("%+v is not in %+v", want, found)
		}
		for k := range want.Box {
			if math.Abs(found[i].Box[k]-want.Box[k]) > 1e-6 {
				t.Errorf("box %v, want %v", found[i].Box, want.Box)
			}
		}
	}
}

func TestTargetWeightsOfAnObjectAddUpToOne(t *testing.T) {
	c := tiny(Transformer)
	var target Target
	if err := target.Add(c, []reflectionflow.Object{{Class: "tv", Box: [4]float64{0.3, 0.3, 0.55, 0.7}}}); err != nil {
		t.Fatal(err)
	}
	var presence, weight float64
	for at := range c.cells() {
		presence += float64(target.floats[at*targetFloats])
		weight += float64(target.floats[at*targetFloats+1])
	}
	if presence != 1 || math.Abs(weight-1) > 1e-6 {
		t.Errorf("presence %v, weights %v, want 1 and 1", presence, weight)
	}
	if err := target.Add(c, []reflectionflow.Object{{Class: "zebra"}}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("an unknown class: %v", err)
	}
}

func TestGatherSeparatesNeighbors(t *testing.T) {
	for name, test := range map[string]struct {
		presence []float64 // a row of three cells of a 3×3 grid
		want     []float64 // presence of the detections
	}{
		"one":                 {[]float64{0, 0.9, 0}, []float64{0.9}},
		"between two cells":   {[]float64{0.5, 0.5, 0}, []float64{1}},
		"two side by side":    {[]float64{0, 1, 1}, []float64{1, 1}},
		"one and a weak one":  {[]float64{0.3, 0.9, 0}, []float64{1, 0.2}},
		"less than the floor": {[]float64{0.003, 0, 0.003}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := tiny(Transformer)
			c.Side = 24
			r := raw{box: make([]float32, 9*boxNumbers), class: make([]float32, 27), color: make([]float32, 27)}
			for i := range 9 {
				p := 0.0
				if i < 3 {
					p = test.presence[i]
					r.class[3*i+i] = 9 // different classes, or suppress merges them
				}
				p = min(max(p, 1e-9), 1-1e-9)
				r.presence = append(r.presence, float32(math.Log(p/(1-p))))
			}
			found := decode(c, r)
			if len(found) != len(test.want) {
				t.Fatalf("got %d detections: %+v", len(found), found)
			}
			for i, d := range found {
				if math.Abs(d.Presence-test.want[i]) > 1e-4 {
					t.Errorf("presence %v, want %v", d.Presence, test.want[i])
				}
			}
		})
	}
}

func TestSuppressDropsDuplicates(t *testing.T) {
	d := Detection{Presence: 0.9, Class: []float64{0.9, 0.1}, Box: [4]float64{0, 0, 0.5, 0.5}}
	near, other := d, d
	near.Box[2], other.Class = 0.52, []float64{0.2, 0.8}
	if kept := suppress([]Detection{d, near, other}, 0.6); len(kept) != 2 || kept[1].Class[1] != 0.8 {
		t.Errorf("kept %+v", kept)
	}
}

func TestConfigValidate(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"architecture": func(c *Config) { c.Architecture = "oracle" },
		"cell":         func(c *Config) { c.Cell = 7 },
		"width":        func(c *Config) { c.Width = 1 << 30 },
		"heads":        func(c *Config) { c.Heads = 3 },
		"classes":      func(c *Config) { c.Classes = []string{"dog", "dog"} },
		"no colors":    func(c *Config) { c.Colors = nil },
		"threshold":    func(c *Config) { c.Threshold = math.NaN() },
		"groups":       func(c *Config) { c.Architecture, c.Groups = Residual, 3 },
	} {
		c := tiny(Transformer)
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		if spoil(&c); !errors.Is(c.Validate(), reflectionflow.ErrInvalid) {
			t.Errorf("%s: %+v is accepted", name, c)
		}
	}
}

func TestSavedDetectorIsEqual(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	for i := range img.Pix {
		img.Pix[i] = uint8(37*i) | uint8(255*(i%4/3))
	}
	for _, architecture := range []string{Transformer, Residual} {
		t.Run(architecture, func(t *testing.T) {
			c, b, dir := tiny(architecture), backend(t), t.TempDir()
			c.Floor = 0.001
			store := random(t, c)
			trained, err := New(b, c, store, prefix)
			if err != nil {
				t.Fatal(err)
			}
			if err := Save(dir, c, store, prefix, safetensors.F32); err != nil {
				t.Fatal(err)
			}
			loaded, err := Load(b, os.DirFS(dir), ".")
			if err != nil {
				t.Fatal(err)
			}
			want, err := trained.Read(img)
			if err != nil {
				t.Fatal(err)
			}
			got, err := loaded.Read(img)
			if err != nil || len(want) == 0 {
				t.Fatalf("%v; %d detections", err, len(want))
			}
			if !slices.EqualFunc(got, want, func(a, b Detection) bool { return a.Presence == b.Presence && a.Box == b.Box }) {
				t.Errorf("loaded detects %+v, trained detected %+v", got, want)
			}
		})
	}
}

func TestLoadRejectsDamagedFolders(t *testing.T) {
	c, dir := tiny(Transformer), t.TempDir()
	if err := Save(dir, c, random(t, c), prefix, safetensors.F32); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(dir string) error{
		"no configuration": func(dir string) error { return os.Remove(dir + "/config.json") },
		"unknown field":    func(dir string) error { return os.WriteFile(dir+"/config.json", []byte(`{"depht": 3}`), 0o600) },
		"no weights":       func(dir string) error { return os.Remove(dir + "/model.safetensors") },
		"cut weights":      func(dir string) error { return os.Truncate(dir+"/model.safetensors", 999) },
	} {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := spoil(copied); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(backend(t), os.DirFS(copied), "."); !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPixels(t *testing.T) {
	red := image.NewUniform(color.NRGBA{R: 200, A: 255})
	large := image.NewNRGBA(image.Rect(3, 4, 43, 64))
	for y := 4; y < 64; y++ {
		for x := 3; x < 43; x++ {
			large.Set(x, y, red.C)
		}
	}
	pixels, err := Pixels(large, 16)
	if err != nil || len(pixels) != 16*16*3 || pixels[0] != 200 || pixels[1] != 0 || pixels[len(pixels)-3] != 200 {
		t.Errorf("got %v, %d bytes, %v", err, len(pixels), pixels[:3])
	}
	for _, img := range []image.Image{nil, image.NewNRGBA(image.Rectangle{})} {
		if _, err := Pixels(img, 16); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%v: %v", img, err)
		}
	}
}

func BenchmarkDetector(b *testing.B) {
	c := Config{
		Architecture: Transformer, Classes: []string{"dog", "cup", "tv"}, Colors: []string{"red", "blue"},
		Side: 96, Cell: 12, Width: 128, Depth: 3, Heads: 4, Hidden: 384,
	}.WithDefaults()
	d, err := New(backend(b), c, random(b, c), prefix)
	if err != nil {
		b.Fatal(err)
	}
	img := image.NewNRGBA(image.Rect(0, 0, 96, 96))
	for b.Loop() {
		if _, err := d.Read(img); err != nil {
			b.Fatal(err)
		}
	}
}
