// Package visiontest gives tests the small networks with random weights in the testdata of packages
// below vision, and what transformers makes of images with them.
package visiontest

import (
	"fmt"
	"image"
	"image/color"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/weights/safetensors"
)

// folders are the files of each network: its own in the last folder, and a tokenizer's before.
var folders = map[string][]string{
	"clip":      {"tokenizer/testdata/clip", "vision/clip/testdata/clip"},
	"clip-gelu": {"tokenizer/testdata/clip", "vision/clip/testdata/clip-gelu"},
	"siglip":    {"tokenizer/testdata/t5", "vision/clip/testdata/siglip"},
	"siglip2":   {"tokenizer/testdata/gemma", "vision/clip/testdata/siglip2"},
	"owlv2":     {"tokenizer/testdata/clip", "vision/owlv2/testdata/tiny"},
}

// root is the folder of the module.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Change rewrites the files of a folder before they are written.
type Change func(files map[string][]byte)

// Folder writes the files of a network to a temporary folder, as a user would have them, and returns its
// path. change may be nil.
func Folder(t testing.TB, name string, change Change) string {
	t.Helper()
	if folders[name] == nil {
		t.Fatalf("there is no network %q", name)
	}
	files := map[string][]byte{}
	for _, dir := range folders[name] {
		fsys := os.DirFS(filepath.Join(root(), filepath.FromSlash(dir)))
		names, err := fs.Glob(fsys, "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range names {
			if files[file], err = fs.ReadFile(fsys, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	if change != nil {
		change(files)
	}
	dir := t.TempDir()
	write(t, dir, files)
	return dir
}

// Rewrite changes the files of a folder.
func Rewrite(t testing.TB, dir string, change Change) {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	change(files)
	write(t, dir, files)
}

func write(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, file), files[file], 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Edit replaces text in a file that holds it.
func Edit(file, old, text string) Change {
	return func(files map[string][]byte) {
		if !strings.Contains(string(files[file]), old) {
			panic(file + " does not hold " + old)
		}
		files[file] = []byte(strings.ReplaceAll(string(files[file]), old, text))
	}
}

// Remove removes files.
func Remove(names ...string) Change {
	return func(files map[string][]byte) {
		for _, name := range names {
			delete(files, name)
		}
	}
}

// NaN makes the last value of model.safetensors, in F16, not a number.
func NaN(files map[string][]byte) {
	data := files["model.safetensors"]
	data[len(data)-1], data[len(data)-2] = 0x7e, 0x01
}

// Golden is a file with images and what the reference makes of them.
type Golden struct {
	*safetensors.File
	t testing.TB
}

// OpenGolden opens golden.safetensors in the testdata of a package below vision.
func OpenGolden(t testing.TB, pkg string) Golden {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(root(), "vision", pkg, "testdata", "golden.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return Golden{f, t}
}

// Images returns the file's images.
func (g Golden) Images() (images []image.Image) {
	for i := 0; g.Has(fmt.Sprintf("image.%d", i)); i++ {
		name := fmt.Sprintf("image.%d", i)
		info, err := g.Info(name)
		if err != nil {
			g.t.Fatal(err)
		}
		bytes, err := g.Bytes(name)
		if err != nil {
			g.t.Fatal(err)
		}
		img := image.NewRGBA(image.Rect(0, 0, info.Shape[1], info.Shape[0]))
		for p := range len(bytes) / 3 {
			img.SetRGBA(p%info.Shape[1], p/info.Shape[1], color.RGBA{R: bytes[3*p], G: bytes[3*p+1], B: bytes[3*p+2], A: 255})
		}
		images = append(images, img)
	}
	return images
}

// Compare reports values that differ from those of the file by more than the limit.
func (g Golden) Compare(name string, got []float32, limit float64) {
	g.t.Helper()
	want, err := g.Float32(name)
	if err != nil || len(want) != len(got) {
		g.t.Fatalf("%s: %d values, want %d (%v)", name, len(got), len(want), err)
	}
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i]-want[i])))
	}
	if !(worst <= limit) {
		g.t.Errorf("%s differs from the reference by %.2g", name, worst)
	}
}

// PromptedImages returns images with prompts that have requirements of many kinds, for suites of package conformance.
func PromptedImages(t testing.TB) []reflectionflow.PromptedImage {
	t.Helper()
	requirements := []reflectionflow.Requirement{
		{Kind: reflectionflow.AtLeast, Object: "cat", Count: 1},
		{Kind: reflectionflow.Exactly, Object: "red clock", Count: 2},
		{Kind: reflectionflow.Absent, Object: "dog"},
		{Kind: reflectionflow.Color, Object: "cat", Color: "red"},
		{Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.LeftOf, Target: "dog"},
		{Kind: reflectionflow.Place, Object: "cat", Value: "left"},
		{Kind: reflectionflow.Attribute, Object: "cat", Value: "wooden", Aspect: reflectionflow.Material},
		{Kind: reflectionflow.Scene, Value: "a beach"},
		{Kind: reflectionflow.Style, Value: "watercolor"},
		{Kind: reflectionflow.Free, Value: "as if by magic"},
	}
	var samples []reflectionflow.PromptedImage
	for i, img := range OpenGolden(t, "clip").Images() {
		prompt := reflectionflow.Prompt{Text: fmt.Sprintf("a photo of %d red clocks", i+1), Requirements: requirements[i:]}
		if i == 1 {
			prompt.Requirements = nil
		}
		samples = append(samples, reflectionflow.PromptedImage{Prompt: prompt, Image: img})
	}
	return samples
}
