package clip

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/visiontest"
)

// networks are those in testdata.
var networks = []string{"clip", "clip-gelu", "siglip", "siglip2"}

func open(t *testing.T, name string) *Model {
	t.Helper()
	m, err := Open(t.Context(), visiontest.Folder(t, name, nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// prompts are the texts of the golden file.
func prompts(t *testing.T) (texts []string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "texts.json"))
	if err == nil {
		err = json.Unmarshal(data, &texts)
	}
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// Embeddings and logits equal transformers', from the pixels and characters on.
func TestAgreesWithTransformers(t *testing.T) {
	g := visiontest.OpenGolden(t, "clip")
	for _, name := range networks {
		t.Run(name, func(t *testing.T) {
			m := open(t, name)
			images, err := m.Images(t.Context(), g.Images())
			if err != nil {
				t.Fatal(err)
			}
			texts, err := m.Texts(t.Context(), prompts(t))
			if err != nil {
				t.Fatal(err)
			}
			var logits []float32
			for _, image := range images {
				for _, text := range texts {
					logits = append(logits, float32(m.Logit(image, text)))
				}
			}
			g.Compare(name+".images", slices.Concat(images...), 2e-6)
			g.Compare(name+".texts", slices.Concat(texts...), 2e-6)
			g.Compare(name+".logits", logits, 2e-5)
		})
	}
}

// What an image or a text becomes does not depend on the others of the call, or on earlier calls.
func TestResultsDoNotDependOnTheBatch(t *testing.T) {
	g := visiontest.OpenGolden(t, "clip")
	m := open(t, "clip")
	images, texts := g.Images(), prompts(t)
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
	texts := prompts(t)
	if !m.Fits(texts[0]) || m.Fits(texts[3]) {
		t.Error("the first text fits and the last does not")
	}
}

// A folder that cannot be used is refused in one line that says what is wrong.
func TestRefusesFolders(t *testing.T) {
	for _, c := range []struct {
		name, folder string
		change       visiontest.Change
		options      Options
		want         string
	}{
		{"another family", "clip", nil, Options{Family: SigLIP}, `is a model of type "clip" ([CLIPModel]): expected siglip`},
		{"another network", "clip", visiontest.Edit("config.json", `"model_type": "clip",`, `"model_type": "bert",`), Options{}, `type "bert"`},
		{"no configuration", "clip", visiontest.Remove("config.json"), Options{}, "there is no config.json"},
		{"configuration of another type", "clip", visiontest.Edit("config.json", `"projection_dim": 12`, `"projection_dim": "many"`), Options{}, "config.json"},
		{"no weights", "clip", visiontest.Remove("model.safetensors"), Options{}, "has no safetensors or GGUF file"},
		{"weights of Python", "clip", func(files map[string][]byte) {
			files["pytorch_model.bin"] = []byte("x")
			delete(files, "model.safetensors")
		}, Options{}, "convert it to model.safetensors"},
		{"no shard", "clip-gelu", visiontest.Remove("model-00002-of-00003.safetensors"), Options{}, "model-00002-of-00003.safetensors"},
		{"no tokenizer", "clip", visiontest.Remove("vocab.json"), Options{}, "the tokenizer is missing"},
		{"layers that the file lacks", "clip", visiontest.Edit("config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 3`), Options{}, `"vision_model.encoder.layers.2.layer_norm1.weight" is missing`},
		{"another shape", "clip", visiontest.Edit("config.json", `"patch_size": 8`, `"patch_size": 4`), Options{}, "has shape [24 3 8 8], want [24 3 4 4]"},
		{"heads that do not divide", "clip", visiontest.Edit("config.json", `"num_attention_heads": 3`, `"num_attention_heads": 5`), Options{}, "no multiple of num_attention_heads"},
		{"no activation", "clip", visiontest.Edit("config.json", `quick_gelu`, `relu`), Options{}, `hidden_act "relu" is not supported`},
		{"huge", "clip", visiontest.Edit("config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 1000000`), Options{}, "num_hidden_layers is 1000000"},
		{"small vocabulary", "clip", visiontest.Edit("config.json", `"vocab_size": 721`, `"vocab_size": 700`), Options{}, "the tokenizer has 721 tokens and the network 700"},
		{"another image size", "clip-gelu", visiontest.Edit("preprocessor_config.json", `"width": 20`, `"width": 40`), Options{}, "images become 40×20"},
		{"no number", "clip", visiontest.NaN, Options{}, "not finite"},
		{"cut off", "clip", func(files map[string][]byte) {
			files["model.safetensors"] = files["model.safetensors"][:4000]
		}, Options{}, "model.safetensors"},
		{"no head", "siglip", visiontest.Edit("config.json", `"vision_use_head": true`, `"vision_use_head": false`), Options{}, "vision_use_head"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Open(t.Context(), visiontest.Folder(t, c.folder, c.change), c.options)
			if err == nil {
				m.Close()
			}
			if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// SigLIP reads the last position: with padding at the left that is the text's end.
func TestPaddingSide(t *testing.T) {
	left, err := Open(t.Context(), visiontest.Folder(t, "siglip2", visiontest.Edit("tokenizer_config.json", `"right"`, `"left"`)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	a, b := left.phrase("a cat"), open(t, "siglip2").phrase("a cat")
	if n := len(a.ids); n != len(b.ids) || a.ids[n-1] != 1 || a.ids[0] != 0 || b.ids[n-1] != 0 || b.ids[0] == 0 {
		t.Errorf("left %v, right %v", a.ids, b.ids)
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

func TestMeanHasLengthOne(t *testing.T) {
	if got := Mean([][]float32{{1, 0}, {0, 1}}); math.Abs(float64(got[0])-math.Sqrt2/2) > 1e-6 || got[0] != got[1] {
		t.Errorf("mean %v", got)
	}
}
