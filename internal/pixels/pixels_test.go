package pixels

import (
	"errors"
	"image"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"reflectionflow"
	"reflectionflow/weights/safetensors"
)

func open(t *testing.T) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open(filepath.Join("testdata", "images.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// picture returns the bytes [height, width, channels] of a tensor.
func raw(t *testing.T, f *safetensors.File, name string) (size image.Point, bytes []byte) {
	t.Helper()
	info, err := f.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	if bytes, err = f.Bytes(name); err != nil {
		t.Fatal(err)
	}
	return image.Pt(info.Shape[1], info.Shape[0]), bytes
}

func fromRGB(size image.Point, rgb []byte) *image.RGBA {
	img := image.NewRGBA(image.Rectangle{Min: image.Pt(3, 5), Max: image.Pt(3, 5).Add(size)})
	for i := range size.X * size.Y {
		img.SetRGBA(3+i%size.X, 5+i/size.X, color.RGBA{rgb[3*i], rgb[3*i+1], rgb[3*i+2], 255})
	}
	return img
}

// The values of every processor equal those of transformers on Pillow, for images of odd sizes.
func TestProcessorsAgreeWithTransformers(t *testing.T) {
	f := open(t)
	const side = 12
	padded := CLIP(side)
	padded.Size.Shortest = 9
	processors := map[string]Processor{
		"clip": CLIP(side), "clip_pad": padded, "siglip": SigLIP(side, Bicubic), "siglip2": SigLIP(side, Bilinear), "lanczos": SigLIP(side, Lanczos), "owlv2": OWLv2(side),
	}
	compared := 0
	for _, name := range f.Names() {
		kind, size, _ := strings.Cut(name, ".")
		p, ok := processors[kind]
		if !ok {
			continue
		}
		compared++
		n, rgb := raw(t, f, "rgb."+size)
		want, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []float32
		limit := 1e-6
		if kind == "owlv2" {
			got, err = p.Padded(fromRGB(n, rgb))
			limit = 1e-5
		} else {
			var shape image.Point
			got, shape, err = p.Pixels(fromRGB(n, rgb))
			if shape != image.Pt(side, side) {
				t.Errorf("%s: the shape is %v", name, shape)
			}
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %d values, want %d (%v)", name, len(got), len(want), err)
		}
		worst := 0.0
		for i := range want {
			worst = max(worst, math.Abs(float64(got[i]-want[i])))
		}
		if worst > limit {
			t.Errorf("%s: the values differ by %.2g", name, worst)
		}
	}
	if compared < 40 {
		t.Errorf("only %d images were compared", compared)
	}
}

// The colors of every mode are those of Pillow, transparency over white.
func TestColorsAgreeWithPillow(t *testing.T) {
	f := open(t)
	images := map[string]func(size image.Point, bytes []byte) image.Image{
		"cmyk": func(size image.Point, bytes []byte) image.Image {
			return &image.CMYK{Pix: bytes, Stride: 4 * size.X, Rect: image.Rectangle{Max: size}}
		},
		"rgba": func(size image.Point, bytes []byte) image.Image {
			return &image.NRGBA{Pix: bytes, Stride: 4 * size.X, Rect: image.Rectangle{Max: size}}
		},
		"gray": func(size image.Point, bytes []byte) image.Image {
			return &image.Gray{Pix: bytes, Stride: size.X, Rect: image.Rectangle{Max: size}}
		},
	}
	for name, make := range images {
		size, bytes := raw(t, f, "raw."+name)
		_, want := raw(t, f, "converted."+name)
		img := make(size, bytes)
		read, err := Reader(img)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for y := range size.Y {
			for x := range size.X {
				c := read(x, y)
				got = append(got, c[:]...)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestOtherFormsOfOnePixel(t *testing.T) {
	one := image.Rect(0, 0, 1, 1)
	deep, gray, paletted, half := image.NewNRGBA64(one), image.NewGray16(one), image.NewPaletted(one, color.Palette{color.NRGBA{200, 100, 0, 128}}), image.NewRGBA(one)
	deep.SetNRGBA64(0, 0, color.NRGBA64{0x12ff, 0x3400, 0x56aa, 0xffff})
	gray.SetGray16(0, 0, color.Gray16{0xab12})
	half.SetRGBA(0, 0, color.RGBA{100, 50, 0, 128})
	for _, c := range []struct {
		name string
		img  image.Image
		want [3]uint8
	}{
		{"16 bits", deep, [3]uint8{0x12, 0x34, 0x56}},
		{"gray of 16 bits", gray, [3]uint8{0xab, 0xab, 0xab}},
		{"palette", paletted, [3]uint8{227, 177, 127}},
		{"premultiplied", half, [3]uint8{227, 177, 127}},
		{"uniform, of another package's type", struct{ image.Image }{half}, [3]uint8{227, 177, 127}},
	} {
		read, err := Reader(c.img)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(0, 0); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Images of extreme shapes take memory and time in proportion to their pixels.
func TestExtremeShapes(t *testing.T) {
	for _, size := range []image.Point{{20000, 20}, {20, 20000}, {1, 1}, {1, 30000}} {
		img := image.NewGray(image.Rectangle{Max: size})
		for i := range img.Pix {
			img.Pix[i] = 255
		}
		got, shape, err := CLIP(32).Pixels(img)
		if err != nil || shape != image.Pt(32, 32) || math.Abs(float64(got[0])-(1-0.48145466)/0.26862954) > 1e-5 {
			t.Errorf("CLIP %v: %v %v %v", size, shape, got[:1], err)
		}
		if got, err = OWLv2(32).Padded(img); err != nil || len(got) != 32*32*3 {
			t.Errorf("OWLv2 %v: %d values, %v", size, len(got), err)
		}
	}
	for _, img := range []image.Image{nil, image.NewRGBA(image.Rect(2, 2, 2, 9))} {
		if _, _, err := CLIP(32).Pixels(img); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("CLIP of %v: %v", img, err)
		}
		if _, err := OWLv2(32).Padded(img); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("OWLv2 of %v: %v", img, err)
		}
	}
}

func TestReadsProcessorFiles(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		found            bool
		want             string // of the error of reading or checking
	}{
		{"none", "other.json", "{}", false, ""},
		{"empty", File, "{}", true, ""},
		{"numbers", File, `{"size": 16, "crop_size": 16, "resample": 2, "unknown": [1]}`, true, ""},
		{"objects", File, `{"size": {"shortest_edge": 16}, "crop_size": {"height": 16, "width": 16}}`, true, ""},
		{"newer file", processorFile, `{"image_processor": {"size": {"height": 16, "width": 16}, "do_center_crop": false}}`, true, ""},
		{"newer file without images", processorFile, `{}`, false, ""},
		{"another size", File, `{"crop_size": 8}`, true, "images become 8×8, the network reads 16×16"},
		{"oblong", File, `{"size": {"height": 16, "width": 12}, "do_center_crop": false}`, true, "images become 12×16"},
		{"nearest", File, `{"resample": 0}`, true, "filter 0 is not supported"},
		{"huge", File, `{"size": 99999999}`, true, "the size must be 1 to 4096"},
		{"zero", File, `{"size": 0}`, true, "the size must be 1 to 4096"},
		{"no deviation", File, `{"image_std": [1, 0, 1]}`, true, "image_std above 0"},
		{"as it is", File, `{"do_resize": false}`, true, "do_resize is false"},
		{"no JSON", File, `{`, false, "preprocessor_config.json"},
		{"another type", File, `{"size": "large"}`, false, "preprocessor_config.json"},
	} {
		p := CLIP(16)
		found, err := p.Read(fstest.MapFS{c.file: {Data: []byte(c.text)}})
		if err == nil {
			err = p.Check(16)
		}
		switch {
		case found != c.found:
			t.Errorf("%s: found %t", c.name, found)
		case c.want == "" && err != nil, c.want != "" && (!errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzProcessor(f *testing.F) {
	for _, text := range []string{`{}`, `{"size": 16}`, `{"size": {"height": 1, "width": 1}, "image_std": [1,1,1]}`, `{"crop_size": -3}`, `{"rescale_factor": 1e300}`} {
		f.Add([]byte(text))
	}
	img := image.NewGray(image.Rect(0, 0, 5, 3))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := CLIP(16)
		if _, err := p.Read(fstest.MapFS{File: {Data: text}}); err != nil || p.Check(16) != nil {
			return
		}
		if values, shape, err := p.Pixels(img); err != nil || shape != image.Pt(16, 16) || len(values) != 16*16*3 {
			t.Errorf("%s: %d values, %v, %v", text, len(values), shape, err)
		}
	})
}
