package endpoint_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"testing"

	"reflectionflow/internal/endpoint"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/images/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestDecodeImage: the pixels are those that make.py wrote, in every format.
func TestDecodeImage(t *testing.T) {
	for _, name := range []string{"cmyk.jpg", "still.webp", "animated.webp", "animated-alpha.webp", "animated.gif", "animated.png"} {
		t.Run(name, func(t *testing.T) {
			img, err := endpoint.DecodeImage(read(t, name), endpoint.ImageLimits{})
			if err != nil {
				t.Fatal(err)
			}
			if img.Rect != image.Rect(0, 0, 16, 12) {
				t.Fatalf("bounds %v", img.Rect)
			}
			near(t, img, 2, 2, color.NRGBA{220, 30, 30, 255})
			near(t, img, 12, 3, color.NRGBA{40, 90, 200, 255})
			near(t, img, 2, 9, color.NRGBA{40, 90, 200, 255})
			if name == "animated-alpha.webp" && img.NRGBAAt(15, 11).A != 0 {
				t.Error("transparency is lost")
			}
		})
	}
}

func near(t *testing.T, img *image.NRGBA, x, y int, want color.NRGBA) {
	t.Helper()
	got := img.NRGBAAt(x, y)
	for _, pair := range [][2]uint8{{got.R, want.R}, {got.G, want.G}, {got.B, want.B}, {got.A, want.A}} {
		if d := int(pair[0]) - int(pair[1]); d > 30 || d < -30 {
			t.Errorf("pixel (%d,%d) is %v, want about %v", x, y, got, want)
			return
		}
	}
}

// bomb is a PNG that says it has w×h pixels and holds next to nothing.
func bomb(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		body := append([]byte(name), data...)
		b = append(b, body...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
	}
	head := binary.BigEndian.AppendUint32(nil, w)
	head = binary.BigEndian.AppendUint32(head, h)
	chunk("IHDR", append(head, 8, 6, 0, 0, 0))
	chunk("IDAT", []byte{0x78, 0x9c, 3, 0, 0, 0, 0, 1})
	chunk("IEND", nil)
	return b
}

func TestDecodeImageRefuses(t *testing.T) {
	var ok bytes.Buffer
	if err := png.Encode(&ok, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		data   []byte
		limits endpoint.ImageLimits
	}{
		"bomb":           {bomb(50_000, 50_000), endpoint.ImageLimits{}},
		"bomb in pixels": {bomb(8000, 8000), endpoint.ImageLimits{}},
		"overflow":       {bomb(1<<31-1, 1<<31-1), endpoint.ImageLimits{}},
		"no pixels":      {bomb(0, 5), endpoint.ImageLimits{}},
		"empty bomb":     {bomb(100, 100), endpoint.ImageLimits{}},
		"side":           {ok.Bytes(), endpoint.ImageLimits{Side: 63}},
		"pixels":         {ok.Bytes(), endpoint.ImageLimits{Pixels: 4095}},
		"bytes":          {ok.Bytes(), endpoint.ImageLimits{Bytes: 10}},
		"cut PNG":        {ok.Bytes()[:len(ok.Bytes())/2], endpoint.ImageLimits{}},
		"cut JPEG":       {read(t, "cmyk.jpg")[:200], endpoint.ImageLimits{}},
		"cut animation":  {read(t, "animated.webp")[:60], endpoint.ImageLimits{}},
		"nothing":        {nil, endpoint.ImageLimits{}},
		"HTML":           {[]byte("<html>log in</html>"), endpoint.ImageLimits{}},
		"JSON":           {[]byte(`{"error":"x"}`), endpoint.ImageLimits{}},
		"SVG":            {[]byte(`<?xml version="1.0"?><svg/>`), endpoint.ImageLimits{}},
		"magic only":     {[]byte("RIFF\x00\x00\x00\x00WEBP"), endpoint.ImageLimits{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			img, err := endpoint.DecodeImage(tt.data, tt.limits)
			if !errors.Is(err, endpoint.ErrImage) || img != nil {
				t.Errorf("got %v, %v, want ErrImage", img, err)
			}
		})
	}
}

func FuzzDecodeImage(f *testing.F) {
	for _, name := range []string{"cmyk.jpg", "animated.webp", "animated-alpha.webp", "animated.gif", "still.webp"} {
		f.Add(read(f, name))
	}
	f.Add(bomb(50_000, 50_000))
	var small bytes.Buffer
	if err := jpeg.Encode(&small, image.NewGray(image.Rect(0, 0, 8, 8)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes())
	limits := endpoint.ImageLimits{Side: 64, Pixels: 64 * 64, Bytes: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := endpoint.DecodeImage(data, limits)
		if err == nil && (img.Rect.Min != image.Point{} || img.Rect.Dx() > 64 || img.Rect.Dy() > 64 || img.Rect.Empty()) {
			t.Errorf("bounds %v", img.Rect)
		}
	})
}
