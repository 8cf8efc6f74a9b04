package clipart

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"reflectionflow"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestRenderGolden pins the pixels of a few scenes at several sizes.
func TestRenderGolden(t *testing.T) {
	var got bytes.Buffer
	for i, s := range benchScenes(6) {
		for _, size := range [][2]int{{16, 16}, {128, 128}, {192, 64}, {256, 320}} {
			m, err := s.Render(size[0], size[1])
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(m.Pix)
			fmt.Fprintf(&got, "scene %d %dx%d %s\n", i, size[0], size[1], hex.EncodeToString(sum[:12]))
		}
	}
	golden := filepath.Join("testdata", "render.golden")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("rendered scenes changed:\n%swant\n%s", got.String(), want)
	}
}

// alone renders one centered object that fills most of a 36×36 area.
func alone(t *testing.T, class string, drawing int, color string) []uint8 {
	t.Helper()
	dst := make([]uint8, 3*48*48)
	s := Scene{Objects: []Placement{{Class: class, Drawing: drawing, Color: color, X: 0.5, Y: 0.5, Size: 0.75}}}
	if err := s.RenderInto(dst, 48, 48); err != nil {
		t.Fatal(err)
	}
	return dst
}

func difference(a, b []uint8) float64 {
	sum := 0.0
	for i := range a {
		sum += math.Abs(float64(a[i]) - float64(b[i]))
	}
	return sum / float64(len(a))
}

// TestDrawingsDiffer checks that no drawing is empty at 36 pixels and that
// drawings of different classes differ even when both are tinted alike.
func TestDrawingsDiffer(t *testing.T) {
	empty := make([]uint8, 3*48*48)
	if err := (Scene{}).RenderInto(empty, 48, 48); err != nil {
		t.Fatal(err)
	}
	sources := Sources()
	renderings := make([][]uint8, len(sources))
	for i, s := range sources {
		renderings[i] = alone(t, s.Class, s.Drawing, "blue")
		if d := difference(renderings[i], empty); d < 4 {
			t.Errorf("%s %d is almost empty: mean difference %.1f", s.Class, s.Drawing, d)
		}
		for j := range i {
			if d := difference(renderings[i], renderings[j]); d < 4 && sources[j].Class != s.Class {
				t.Errorf("%s %d and %s %d look alike: mean difference %.1f", s.Class, s.Drawing, sources[j].Class, sources[j].Drawing, d)
			}
		}
	}
}

func TestFlipMirrors(t *testing.T) {
	p := Placement{Class: "scissors", X: 0.5, Y: 0.5, Size: 0.6}
	plain, err := Scene{Objects: []Placement{p}}.Render(64, 64)
	if err != nil {
		t.Fatal(err)
	}
	p.Flip = true
	flipped, err := Scene{Objects: []Placement{p}}.Render(64, 64)
	if err != nil {
		t.Fatal(err)
	}
	for y := range 64 {
		for x := range 64 {
			a, b := plain.NRGBAAt(x, y), flipped.NRGBAAt(63-x, y)
			for _, d := range []int{int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B)} {
				if d < -2 || d > 2 {
					t.Fatalf("pixel (%d, %d) is %v, mirrored %v", x, y, a, b)
				}
			}
		}
	}
}

// TestRenderAnywhere renders objects across edges, tiny and huge, without panics.
func TestRenderAnywhere(t *testing.T) {
	dst := make([]uint8, 3*64*32)
	for _, size := range []float64{1e-9, 0.01, 0.5, 1, MaxSize} {
		for _, x := range []float64{0, 0.001, 0.5, 1} {
			for _, y := range []float64{0, 0.37, 1} {
				for _, flip := range []bool{false, true} {
					s := Scene{Objects: []Placement{{Class: "car", X: x, Y: y, Size: size, Flip: flip}, {Class: "cat", Color: "red", X: y, Y: x, Size: size, Flip: flip}}}
					if err := s.RenderInto(dst, 64, 32); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

func TestRenderRejectsBadInput(t *testing.T) {
	good := Placement{Class: "cat", X: 0.5, Y: 0.5, Size: 0.5}
	with := func(change func(*Placement)) Scene {
		p := good
		change(&p)
		return Scene{Objects: []Placement{p}}
	}
	scenes := map[string]Scene{
		"background":  {Background: len(Backgrounds())},
		"negative":    {Background: -1},
		"class":       with(func(p *Placement) { p.Class = "unicorn" }),
		"drawing":     with(func(p *Placement) { p.Drawing = 99 }),
		"color":       with(func(p *Placement) { p.Color = "mauve" }),
		"center":      with(func(p *Placement) { p.X = 1.01 }),
		"not finite":  with(func(p *Placement) { p.Y = math.NaN() }),
		"size":        with(func(p *Placement) { p.Size = 0 }),
		"huge":        with(func(p *Placement) { p.Size = math.Inf(1) }),
		"crowd":       {Objects: make([]Placement, MaxObjects+1)},
		"zero object": {Objects: make([]Placement, 1)},
	}
	for name, s := range scenes {
		if _, err := s.Render(64, 64); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", name, err)
		}
		if _, err := s.Truth(64, 64); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: truth error %v, want ErrInvalid", name, err)
		}
	}
	for _, size := range [][2]int{{0, 64}, {64, -16}, {100, 64}, {8192, 16}} {
		if _, err := (Scene{}).Render(size[0], size[1]); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("size %v: error %v, want ErrInvalid", size, err)
		}
	}
	if err := (Scene{}).RenderInto(make([]uint8, 100), 64, 64); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("short buffer: error %v, want ErrInvalid", err)
	}
}

func TestRenderIntoDoesNotAllocate(t *testing.T) {
	s := benchScenes(1)[0]
	dst := make([]uint8, 3*128*128)
	if n := testing.AllocsPerRun(20, func() {
		if err := s.RenderInto(dst, 128, 128); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a scene, want none", n)
	}
}

// TestRenderConcurrently decodes and renders from several goroutines.
func TestRenderConcurrently(t *testing.T) {
	scenes := benchScenes(16)
	results := make([][]uint8, 4)
	var wait sync.WaitGroup
	for g := range results {
		wait.Go(func() {
			dst := make([]uint8, 3*64*64*len(scenes))
			for i, s := range scenes {
				if err := s.RenderInto(dst[i*3*64*64:], 64, 64); err != nil {
					t.Error(err)
				}
			}
			results[g] = dst
		})
	}
	wait.Wait()
	for g := range results {
		if !bytes.Equal(results[g], results[0]) {
			t.Errorf("goroutine %d rendered other pixels", g)
		}
	}
}
