package ssdlite

import (
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
)

// values is [stretched], undone to bytes' scale: red, green and blue of output pixel x, y.
func values(t *testing.T, img image.Image) func(x, y int) [3]float64 {
	t.Helper()
	p, err := stretched(img)
	if err != nil {
		t.Fatal(err)
	}
	if len(p) != side*side*3 {
		t.Fatalf("%d values", len(p))
	}
	return func(x, y int) (rgb [3]float64) {
		for c := range 3 {
			rgb[c] = math.Round((float64(p[(y*side+x)*3+c])+1)*127.5*1e3) / 1e3
		}
		return rgb
	}
}

func TestResizeIsTensorFlowsFirst(t *testing.T) {
	img := image.NewNRGBA(image.Rect(5, 7, 7, 10)) // 2×3
	for y, row := range [][2]uint8{{0, 90}, {120, 30}, {60, 240}} {
		for x, v := range row {
			img.SetNRGBA(5+x, 7+y, color.NRGBA{v, 0, 255, 255})
		}
	}
	got := values(t, img)
	for at, want := range map[image.Point]float64{
		{0, 0}:     0,
		{75, 0}:    45,  // source 0.5, 0
		{150, 0}:   90,  // the last column from its left edge on: no offset of half a pixel
		{299, 0}:   90,  // nothing to its right
		{0, 50}:    60,  // source 0, 0.5
		{75, 50}:   60,  // mean of the four
		{150, 250}: 240, // the last row
		{0, 299}:   60,
	} {
		if rgb := got(at.X, at.Y); rgb != [3]float64{want, 0, 255} {
			t.Errorf("%v: %v, want %v, 0, 255", at, rgb, want)
		}
	}
	// From 600 pixels every second one counts, without antialiasing.
	wide := image.NewGray(image.Rect(0, 0, 600, 1))
	for x := range 600 {
		wide.SetGray(x, 0, color.Gray{uint8(x % 2 * 255)})
	}
	if rgb := values(t, wide)(123, 45); rgb != [3]float64{} {
		t.Errorf("downscaled: %v, want 0", rgb)
	}
}

func TestReadsEveryColorModel(t *testing.T) {
	fill := func(img draw.Image, c color.Color) image.Image {
		draw.Draw(img, img.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
		return img
	}
	one := image.Rect(0, 0, 1, 1)
	orange := color.NRGBA{200, 100, 50, 255}
	for name, test := range map[string]struct {
		img  image.Image
		want [3]float64
	}{
		"8 bits":          {fill(image.NewNRGBA(one), orange), [3]float64{200, 100, 50}},
		"premultiplied":   {fill(image.NewRGBA(one), orange), [3]float64{200, 100, 50}},
		"16 bits":         {fill(image.NewNRGBA64(one), color.NRGBA64{0xc8ff, 0x6400, 0x3280, 0xffff}), [3]float64{200, 100, 50}},
		"gray":            {fill(image.NewGray(one), color.Gray{77}), [3]float64{77, 77, 77}},
		"16 bits of gray": {fill(image.NewGray16(one), color.Gray16{0x4dff}), [3]float64{77, 77, 77}},
		"CMYK":            {fill(image.NewCMYK(one), color.CMYK{0, 255, 255, 0}), [3]float64{255, 0, 0}},
		"palette":         {fill(image.NewPaletted(one, color.Palette{color.Black, orange}), orange), [3]float64{200, 100, 50}},
		"transparent":     {fill(image.NewNRGBA(one), color.NRGBA{200, 100, 50, 0}), [3]float64{255, 255, 255}},
		"half alpha":      {fill(image.NewNRGBA(one), color.NRGBA{200, 100, 50, 51}), [3]float64{244, 224, 214}},
		"endless":         {image.NewUniform(orange), [3]float64{200, 100, 50}},
		"foreign":         {foreign{image.NewUniform(orange)}, [3]float64{200, 100, 50}},
	} {
		got := values(t, test.img)
		for _, at := range []int{0, 150, 299} {
			if rgb := got(at, at); rgb != test.want {
				t.Errorf("%s: %v, want %v", name, rgb, test.want)
			}
		}
	}
}

// foreign is an image that only has the methods of [image.Image].
type foreign struct{ image.Image }

func TestDetectsInImagesOfAnySize(t *testing.T) {
	d := testDetector(t, Options{})
	blank := color.NRGBA{128, 128, 128, 255}
	for _, size := range []image.Point{{1, 1}, {20000, 20}, {20, 20000}, {300, 300}, {299, 301}} {
		img := image.NewNRGBA(image.Rectangle{Max: size})
		draw.Draw(img, img.Bounds(), image.NewUniform(blank), image.Point{}, draw.Src)
		found, err := d.Detect(t.Context(), []image.Image{img})
		if err != nil || len(found) != 1 || len(found[0]) != 0 {
			t.Errorf("%v: found %v, %v", size, found, err)
		}
	}
}

func TestRejectsMissingImages(t *testing.T) {
	d := testDetector(t, Options{})
	for _, img := range []image.Image{nil, image.NewNRGBA(image.Rectangle{})} {
		_, err := d.Detect(t.Context(), []image.Image{image.NewUniform(color.Black), img})
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "image 2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", img, err)
		}
	}
	if found, err := d.Detect(t.Context(), nil); err != nil || len(found) != 0 {
		t.Errorf("no images: %v, %v", found, err)
	}
}

func TestRejectsOptionsOutOfRange(t *testing.T) {
	for _, o := range []Options{
		{Threshold: -1},
		{Threshold: 1},
		{Threshold: math.NaN()},
		{Overlap: 1.5},
		{Overlap: math.NaN()},
		{Limit: -1},
		{Backend: "abacus"},
	} {
		if _, err := Open(t.Context(), o); !errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := testDetector(t, Options{})
	cancel()
	if _, err := Open(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	if _, err := d.Detect(ctx, []image.Image{image.NewUniform(color.Black)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Detect: %v", err)
	}
}

func TestBatchesThreadsAndConcurrencyDoNotChangeDetections(t *testing.T) {
	d := testDetector(t, Options{Threshold: 0.05})
	var batch []image.Image
	for _, name := range photos {
		batch = append(batch, photo(t, name))
	}
	want, err := d.Detect(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	check := func(images []image.Image, want [][]reflectionflow.Object) {
		got, err := d.Detect(t.Context(), images)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	for i, img := range batch {
		check([]image.Image{img}, want[i:i+1])
	}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() { check(batch, want) })
	}
	group.Wait()
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	check(batch, want)
}

func TestOpenedDetectorCloses(t *testing.T) {
	d, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := d.Detect(t.Context(), []image.Image{photo(t, "chelsea")})
	if err != nil || len(found[0]) != 1 || found[0][0].Class != "cat" {
		t.Errorf("found %+v, %v", found, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestClasses(t *testing.T) {
	classes := Classes()
	if len(classes) != 80 || classes[0] != "person" || classes[11] != "stop sign" || classes[79] != "toothbrush" {
		t.Errorf("%d classes: %q", len(classes), classes)
	}
	slices.Sort(classes)
	if len(slices.Compact(classes)) != 80 {
		t.Error("classes repeat")
	}
}

func TestAnchors(t *testing.T) {
	all := anchors()
	if len(all) != 1917 {
		t.Fatalf("%d anchors", len(all))
	}
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
	first, last := all[0], all[1916]
	if !near(first.y, 0.5/19) || !near(first.x, 0.5/19) || !near(first.height, 0.1) || !near(first.width, 0.1) {
		t.Errorf("first: %+v", first)
	}
	if s := math.Sqrt(0.95); !near(last.y, 0.5) || !near(last.height, s) || !near(last.width, s) {
		t.Errorf("last: %+v", last)
	}
	a := anchor{y: 0.5, x: 0.4, height: 0.2, width: 0.1}
	got := a.decode([]float32{1, -2, float32(5 * math.Ln2), 0})
	for i, want := range [4]float64{0.33, 0.32, 0.43, 0.72} {
		if math.Abs(got[i]-want) > 1e-6 {
			t.Fatalf("decoded to %v", got)
		}
	}
}

// placed is a class with its logit and box.
type placed struct {
	id    int
	logit float32
	box   [4]float64
}

func TestObjects(t *testing.T) {
	left, near, right := [4]float64{0, 0, 0.4, 0.8}, [4]float64{0.04, 0, 0.4, 0.8}, [4]float64{0.5, 0, 0.9, 0.8}
	const cat, dog, nameless = 17, 18, 12
	for name, test := range map[string]struct {
		in    []placed
		limit int
		want  []string
	}{
		"apart":                         {[]placed{{cat, 2, left}, {cat, 3, right}}, 0, []string{"cat", "cat"}},
		"most confident first":          {[]placed{{cat, 1, left}, {dog, 2, right}}, 0, []string{"dog", "cat"}},
		"one class, one place":          {[]placed{{cat, 2, left}, {cat, 1, near}}, 0, []string{"cat"}},
		"two classes, one place":        {[]placed{{cat, 2, left}, {dog, 1, near}}, 0, []string{"cat", "dog"}},
		"at the threshold":              {[]placed{{cat, 0, left}}, 0, nil},
		"a class that COCO lacks":       {[]placed{{nameless, 5, left}}, 0, nil},
		"background":                    {[]placed{{0, 5, left}}, 0, nil},
		"limit":                         {[]placed{{cat, 1, left}, {dog, 3, right}, {dog, 2, left}}, 2, []string{"dog", "dog"}},
		"outside of the image":          {[]placed{{cat, 1, [4]float64{1.1, 0, 1.3, 1}}}, 0, nil},
		"partly outside of the image":   {[]placed{{cat, 1, [4]float64{-0.5, 0.2, 0.5, 1.5}}}, 0, []string{"cat"}},
		"equal scores keep their order": {[]placed{{dog, 1, left}, {cat, 1, right}}, 0, []string{"dog", "cat"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := output{logits: make([]float32, len(test.in)*columns), codes: make([]float32, len(test.in)*codes)}
			for i := range out.logits {
				out.logits[i] = -9
			}
			var all []anchor // the box itself, so that its codes are 0
			for i, p := range test.in {
				out.logits[i*columns+p.id] = p.logit
				b := p.box
				all = append(all, anchor{y: (b[1] + b[3]) / 2, x: (b[0] + b[2]) / 2, height: b[3] - b[1], width: b[2] - b[0]})
			}
			found := out.objects(all, resolved(t, Options{Limit: test.limit}))
			var got []string
			for _, o := range found {
				got = append(got, o.Class)
				if o.Box[0] < 0 || o.Box[1] < 0 || o.Box[2] > 1 || o.Box[3] > 1 {
					t.Errorf("box %v", o.Box)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

func BenchmarkDetect(b *testing.B) {
	d := testDetector(b, Options{})
	for _, name := range photos {
		b.Run(name, func(b *testing.B) {
			images := []image.Image{photo(b, name)}
			for b.Loop() {
				if _, err := d.Detect(b.Context(), images); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("batch", func(b *testing.B) {
		images := slices.Repeat([]image.Image{photo(b, "coffee")}, 8)
		for b.Loop() {
			if _, err := d.Detect(b.Context(), images); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*len(images)), "ms/image")
	})
}

func BenchmarkPixels(b *testing.B) {
	img := photo(b, "coffee")
	for b.Loop() {
		if _, err := stretched(img); err != nil {
			b.Fatal(err)
		}
	}
}
