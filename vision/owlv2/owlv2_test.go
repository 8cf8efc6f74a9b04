package owlv2

import (
	"errors"
	"image"
	"math"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/visiontest"
)

// phrases are those of the golden file.
var phrases = []string{"red clock", "cat", "dog"}

func open(t *testing.T, o Options) *Detector {
	t.Helper()
	d, err := Open(t.Context(), visiontest.Folder(t, "owlv2", nil), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// Logits and boxes equal transformers', from the pixels and characters on.
func TestAgreesWithTransformers(t *testing.T) {
	g, d := visiontest.OpenGolden(t, "owlv2"), open(t, Options{})
	vectors, err := d.vectors(t.Context(), phrases)
	if err != nil {
		t.Fatal(err)
	}
	var logits, boxes []float32
	err = d.look(t.Context(), g.Images(), func(_ int, s seen) {
		for i := range s.shifts {
			for _, v := range vectors {
				logits = append(logits, float32(s.logit(i, v)))
			}
		}
		boxes = append(boxes, s.boxes...)
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Compare("logits", logits, 1e-5)
	g.Compare("boxes", boxes, 1e-5)
}

// What is found in an image depends on that image and the phrase alone.
func TestResultsDoNotDependOnOthers(t *testing.T) {
	images := visiontest.OpenGolden(t, "owlv2").Images()
	d := open(t, Options{Threshold: 0.3})
	all, err := d.Detect(t.Context(), append(images, images...), phrases)
	if err != nil {
		t.Fatal(err)
	}
	fresh := open(t, Options{Threshold: 0.3})
	for i := range images {
		var alone []reflectionflow.Object
		for _, phrase := range phrases {
			one, err := fresh.Detect(t.Context(), images[i:i+1], []string{phrase})
			if err != nil {
				t.Fatal(err)
			}
			alone = append(alone, one[0]...)
		}
		if len(alone) == 0 || !reflect.DeepEqual(alone, all[i+len(images)]) {
			t.Errorf("image %d alone: %v, among others: %v", i, alone, all[i+len(images)])
		}
	}
}

// Boxes are in parts of the image, not of the square that it is padded to. Overlapping ones of a phrase
// are dropped, and those in the padding.
func TestObjects(t *testing.T) {
	s := seen{
		classes: []float32{1, 1, 1, 1, 1}, shifts: []float32{0, 1, 2, 3, -9}, scale: []float32{1, 1, 1, 1, 1},
		boxes: []float32{
			.5, .25, .2, .1,
			.51, .25, .2, .1, // almost the same, more confident
			.1, .1, .3, .3, // reaches beyond the image
			.5, .9, .2, .1, // in the padding
			.5, .25, .2, .1, // below the threshold
		},
	}
	got := s.objects("cat", []float32{1}, image.Pt(200, 100), Options{Threshold: 0.3, Overlap: 0.5, Limit: 10})
	want := [][5]float64{{0, 0, .25, .5, sigmoid(3)}, {.41, .4, .61, .6, sigmoid(2)}}
	if len(got) != len(want) {
		t.Fatalf("found %v", got)
	}
	for i, w := range want {
		g := [5]float64{got[i].Box[0], got[i].Box[1], got[i].Box[2], got[i].Box[3], got[i].Confidence}
		for k := range g {
			if math.Abs(g[k]-w[k]) > 1e-5 {
				t.Errorf("object %d: %v, want %v", i, g, w)
			}
		}
	}
	if limited := s.objects("cat", []float32{1}, image.Pt(200, 100), Options{Threshold: 0.3, Overlap: 1, Limit: 2}); len(limited) != 2 {
		t.Errorf("with a limit of 2: %v", limited)
	}
}

func TestRefusesInput(t *testing.T) {
	d := open(t, Options{})
	img := image.NewGray(image.Rect(0, 0, 3, 2))
	for name, c := range map[string]struct {
		image  image.Image
		phrase string
	}{
		"no image": {nil, "cat"}, "no pixels": {image.NewGray(image.Rectangle{}), "cat"},
		"no phrase": {img, " "}, "long phrase": {img, strings.Repeat("cat ", 50)},
	} {
		if found, err := d.Detect(t.Context(), []image.Image{img, c.image}, []string{"dog", c.phrase}); !errors.Is(err, reflectionflow.ErrInvalid) || found != nil {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

// A folder that cannot be used is refused in one line that says what is wrong.
func TestRefusesFolders(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  visiontest.Change
		options Options
		want    string
	}{
		{"another network", visiontest.Edit("config.json", `"owlv2"`, `"owlvit"`), Options{}, `type "owlvit"`},
		{"no shift", visiontest.Edit("config.json", `"projection_dim": 16`, `"projection_dim": 12`), Options{}, "projection_dim 12 differs"},
		{"layers that the file lacks", visiontest.Edit("config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 3`), Options{}, "is missing"},
		{"no tokenizer", visiontest.Remove("merges.txt"), Options{}, "merges.txt"},
		{"no number", visiontest.NaN, Options{}, "not finite"},
		{"a threshold of 2", nil, Options{Threshold: 2}, "threshold 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Open(t.Context(), visiontest.Folder(t, "owlv2", c.change), c.options)
			if err == nil {
				d.Close()
			}
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	d, err := Open(t.Context(), visiontest.Folder(t, "owlv2", visiontest.Remove("preprocessor_config.json")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if len(d.Notes()) != 1 {
		t.Errorf("notes without a processor: %q", d.Notes())
	}
}
