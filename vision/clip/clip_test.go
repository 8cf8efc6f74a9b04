package clip

import (
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/weights/safetensors"
)

// tokenizers are the files that the networks in testdata share with package tokenizer's tests.
var tokenizers = map[string]string{"clip": "clip", "clip-gelu": "clip", "siglip": "t5"}

// copyFolder makes a model folder of one in testdata and its tokenizer; change, which may be nil, gets the files.
func copyFolder(t *testing.T, name string, change func(files map[string][]byte)) string {
	t.Helper()
	files := map[string][]byte{}
	for _, dir := range []string{filepath.Join("..", "..", "tokenizer", "testdata", tokenizers[name]), filepath.Join("testdata", name)} {
		fsys := os.DirFS(dir)
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
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, file), files[file], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, name string) *Model {
	t.Helper()
	m, err := Open(t.Context(), copyFolder(t, name, nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// golden reads testdata/golden.safetensors.
type golden struct {
	*safetensors.File
	t *testing.T
}

func openGolden(t *testing.T) golden {
	t.Helper()
	f, err := safetensors.Open(filepath.Join("testdata", "golden.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return golden{f, t}
}

func (g golden) images() (images []image.Image) {
	for i := 0; g.Has("image." + string(rune('0'+i))); i++ {
		name := "image." + string(rune('0'+i))
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
			img.SetRGBA(p%info.Shape[1], p/info.Shape[1], color.RGBA{bytes[3*p], bytes[3*p+1], bytes[3*p+2], 255})
		}
		images = append(images, img)
	}
	return images
}

func (g golden) texts() (texts []string) {
	data, err := os.ReadFile(filepath.Join("testdata", "texts.json"))
	if err == nil {
		err = json.Unmarshal(data, &texts)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return texts
}

func (g golden) compare(name string, got []float32, limit float64) {
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
		g.t.Errorf("%s differs from transformers by %.2g", name, worst)
	}
}

// Embeddings and logits equal transformers', from the pixels and characters on.
func TestAgreesWithTransformers(t *testing.T) {
	g := openGolden(t)
	for name := range tokenizers {
		t.Run(name, func(t *testing.T) {
			m := open(t, name)
			images, err := m.Images(t.Context(), g.images())
			if err != nil {
				t.Fatal(err)
			}
			texts, err := m.Texts(t.Context(), g.texts())
			if err != nil {
				t.Fatal(err)
			}
			var logits []float32
			for _, image := range images {
				for _, text := range texts {
					logits = append(logits, float32(m.Logit(image, text)))
				}
			}
			g.compare(name+".images", slices.Concat(images...), 2e-6)
			g.compare(name+".texts", slices.Concat(texts...), 2e-6)
			g.compare(name+".logits", logits, 2e-5)
		})
	}
}

// What an image or a text becomes does not depend on the others of the call, or on earlier calls.
func TestResultsDoNotDependOnTheBatch(t *testing.T) {
	g := openGolden(t)
	m := open(t, "clip")
	images, texts := g.images(), g.texts()
	all, err := m.Images(t.Context(), slices.Repeat(images, 4))
	if err != nil {
		t.Fatal(err)
	}
	first, err := m.Texts(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	fresh := open(t, "clip")
	for i := range images {
		one, err := m.Images(t.Context(), images[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(one[0], all[i+len(images)]) {
			t.Errorf("image %d alone differs", i)
		}
	}
	for i := range texts {
		one, err := fresh.Texts(t.Context(), texts[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(one[0], first[i]) {
			t.Errorf("text %d alone differs", i)
		}
	}
}

func TestFits(t *testing.T) {
	m := open(t, "clip")
	texts := openGolden(t).texts()
	if !m.Fits(texts[0]) || m.Fits(texts[3]) {
		t.Error("the first text fits and the last does not")
	}
}

// edit replaces text in a file.
func edit(file, old, text string) func(map[string][]byte) {
	return func(files map[string][]byte) {
		if !strings.Contains(string(files[file]), old) {
			panic(file + " does not hold " + old)
		}
		files[file] = []byte(strings.ReplaceAll(string(files[file]), old, text))
	}
}

func remove(names ...string) func(map[string][]byte) {
	return func(files map[string][]byte) {
		for _, name := range names {
			delete(files, name)
		}
	}
}

// A folder that cannot be used is refused in one line that says what is wrong.
func TestRefusesFolders(t *testing.T) {
	for _, c := range []struct {
		name, folder string
		change       func(map[string][]byte)
		options      Options
		want         string
	}{
		{"another family", "clip", nil, Options{Family: SigLIP}, `is a model of type "clip" ([CLIPModel]): expected siglip`},
		{"another network", "clip", edit("config.json", `"model_type": "clip",`, `"model_type": "bert",`), Options{}, `type "bert"`},
		{"no configuration", "clip", remove("config.json"), Options{}, "there is no config.json"},
		{"configuration of another type", "clip", edit("config.json", `"projection_dim": 12`, `"projection_dim": "many"`), Options{}, "config.json"},
		{"no weights", "clip", remove("model.safetensors"), Options{}, "has neither model.safetensors"},
		{"weights of Python", "clip", func(files map[string][]byte) {
			files["pytorch_model.bin"] = []byte("x")
			delete(files, "model.safetensors")
		}, Options{}, "convert it to model.safetensors"},
		{"no shard", "clip-gelu", remove("model-00002-of-00003.safetensors"), Options{}, "model-00002-of-00003.safetensors"},
		{"no tokenizer", "clip", remove("vocab.json"), Options{}, "there is no tokenizer.json"},
		{"layers that the file lacks", "clip", edit("config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 3`), Options{}, `"vision_model.encoder.layers.2.layer_norm1.weight" is missing`},
		{"another shape", "clip", edit("config.json", `"patch_size": 8`, `"patch_size": 4`), Options{}, "has shape [24 3 8 8], want [24 3 4 4]"},
		{"heads that do not divide", "clip", edit("config.json", `"num_attention_heads": 3`, `"num_attention_heads": 5`), Options{}, "no multiple of num_attention_heads"},
		{"no activation", "clip", edit("config.json", `quick_gelu`, `relu`), Options{}, `hidden_act "relu" is not supported`},
		{"huge", "clip", edit("config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 1000000`), Options{}, "num_hidden_layers is 1000000"},
		{"small vocabulary", "clip", edit("config.json", `"vocab_size": 721`, `"vocab_size": 700`), Options{}, "the tokenizer has 721 tokens and the network 700"},
		{"another image size", "clip-gelu", edit("preprocessor_config.json", `"width": 20`, `"width": 40`), Options{}, "images become 40×20"},
		{"no number", "clip", func(files map[string][]byte) {
			data := files["model.safetensors"]
			data[len(data)-1], data[len(data)-2] = 0x7e, 0x01 // of an F16
		}, Options{}, "not finite"},
		{"cut off", "clip", func(files map[string][]byte) {
			files["model.safetensors"] = files["model.safetensors"][:4000]
		}, Options{}, "model.safetensors"},
		{"no head", "siglip", edit("config.json", `"vision_use_head": true`, `"vision_use_head": false`), Options{}, "vision_use_head"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Open(t.Context(), copyFolder(t, c.folder, c.change), c.options)
			if err == nil {
				m.Close()
			}
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestSaysWhatItAssumes(t *testing.T) {
	if notes := open(t, "clip").Notes(); len(notes) != 1 || !strings.Contains(notes[0], "preprocessor_config.json") {
		t.Errorf("notes without a processor: %q", notes)
	}
	if notes := open(t, "clip-gelu").Notes(); len(notes) != 0 {
		t.Errorf("notes with a processor: %q", notes)
	}
}
