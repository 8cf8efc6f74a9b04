package ssdlite

import (
	"compress/gzip"
	"encoding/binary"
	"image"
	_ "image/png"
	"math"
	"os"
	"testing"

	"reflectionflow"
	"reflectionflow/nn/nntest"
)

// photos are the photographs of testdata, see its README.md.
var photos = []string{"coffee", "chelsea", "astronaut"}

func photo(t testing.TB, name string) image.Image {
	t.Helper()
	file, err := os.Open("testdata/" + name + ".png")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, _, err := image.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// golden holds the outputs of two references on a photograph, in 1/8192.
type golden struct {
	// Scores and Boxes (y0, x0, y1, x1) are of TensorFlow.js with the original float32 weights.
	Scores [1917][columns - 1]int16
	Boxes  [1917][4]int16
	// ScoreChanges and BoxChanges are what rounding the weights to float16 adds, computed in float64.
	ScoreChanges [1917][columns - 1]int8
	BoxChanges   [1917][4]int8
}

func reference(t testing.TB, name string) *golden {
	t.Helper()
	file, err := os.Open("testdata/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	g := new(golden)
	if err := binary.Read(unpacked, binary.LittleEndian, g); err != nil {
		t.Fatal(err)
	}
	return g
}

// resolved returns options with the defaults of this detector.
func resolved(t testing.TB, o Options) Options {
	t.Helper()
	o, err := o.Resolve("test", 0.5, 0.6)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// testDetector returns a detector on a backend that must have a kernel for every operation.
func testDetector(t testing.TB, o Options) *Detector {
	t.Helper()
	d, err := open(nntest.Backend(t), resolved(t, o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// boxOrder maps the reference's order of a box's sides to x0, y0, x1, y1.
var boxOrder = [4]int{1, 0, 3, 2}

func TestOutputsMatchReferenceWithSameWeights(t *testing.T) {
	d := testDetector(t, Options{})
	for _, name := range photos {
		want := reference(t, name)
		got, err := d.run(photo(t, name))
		if err != nil {
			t.Fatal(err)
		}
		var score, box float64 // greatest errors
		for i, a := range d.anchors {
			for c := range want.Scores[i] {
				w := float64(want.Scores[i][c]) + float64(want.ScoreChanges[i][c])
				score = max(score, math.Abs(got.score(i, c+1)-w/8192))
			}
			b := a.decode(got.codes[i*codes : (i+1)*codes])
			for k, at := range boxOrder {
				w := float64(want.Boxes[i][at]) + float64(want.BoxChanges[i][at])
				box = max(box, math.Abs(b[k]-w/8192))
			}
		}
		t.Logf("%s: greatest errors: scores %.2g, boxes %.2g", name, score, box)
		if score > 1e-4 || box > 1e-4 { // 0.6e-4 of it is the rounding of the file
			t.Errorf("%s: scores differ by %v, boxes by %v", name, score, box)
		}
	}
}

// Scores of TensorFlow.js come from float32 weights. The rounding of the embedded ones to float16
// moves a few of the 172,530 scores of an image by up to 0.0064, see testdata/README.md.
func TestOutputsAreCloseToOriginalWeights(t *testing.T) {
	d := testDetector(t, Options{})
	for _, name := range photos {
		want := reference(t, name)
		got, err := d.run(photo(t, name))
		if err != nil {
			t.Fatal(err)
		}
		var score, box float64
		above := 0
		for i, a := range d.anchors {
			b := a.decode(got.codes[i*codes : (i+1)*codes])
			for c, s := range want.Scores[i] {
				e := math.Abs(got.score(i, c+1) - float64(s)/8192)
				score = max(score, e)
				if e > 5e-3 {
					above++
				}
				if float64(s) <= 0.3*8192 {
					continue
				}
				for k, at := range boxOrder {
					box = max(box, math.Abs(b[k]-float64(want.Boxes[i][at])/8192))
				}
			}
		}
		t.Logf("%s: greatest errors: scores %.2g (%d above 0.005), boxes of scores above 0.3 %.2g", name, score, above, box)
		if score > 6.5e-3 || above > 8 || box > 1e-3 {
			t.Errorf("%s: scores differ by %v, %d of them by more than 0.005, boxes by %v", name, score, above, box)
		}
	}
}

func TestDetectsObjectsOfPhotographs(t *testing.T) {
	d := testDetector(t, Options{Threshold: 0.3})
	for name, want := range map[string][]reflectionflow.Object{
		"coffee":    {{Class: "cup", Confidence: 0.961}, {Class: "dining table", Confidence: 0.824}},
		"chelsea":   {{Class: "cat", Confidence: 0.934}},
		"astronaut": {{Class: "person", Confidence: 0.686}},
	} {
		found, err := d.Detect(t.Context(), []image.Image{photo(t, name)})
		if err != nil {
			t.Fatal(err)
		}
		if len(found[0]) != len(want) {
			t.Fatalf("%s: found %+v", name, found[0])
		}
		for i, o := range found[0] {
			if o.Class != want[i].Class || math.Abs(o.Confidence-want[i].Confidence) > 2.5e-3 {
				t.Errorf("%s: found %+v, want %+v", name, o, want[i])
			}
			t.Logf("%s: %+v", name, o)
		}
	}
}
