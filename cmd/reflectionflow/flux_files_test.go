package main

import (
	"bytes"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
	"reflectionflow/flux/qwen3"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// randomise fills a store with the weights of networks.
func randomise(t *testing.T, store *nn.Store, components []flux.Component) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range components {
		variables, err := c.Variables()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range variables {
			values := make([]float32, v.Size())
			for i := range values {
				values[i] = float32(random.NormFloat64() / math.Sqrt(float64(v.Size())/float64(max(1, v.Shape[0]))))
				if strings.Contains(v.Name, "running_var") {
					values[i] = 1 + random.Float32()
				}
			}
			store.Set(c.Prefix+"."+v.Name, values, v.Shape...)
		}
	}
}

// filesOfFlux1 writes a folder of FLUX.1 whose sizes can be read from its tensors.
func filesOfFlux1(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "whole")
	f := &flux1.Folder{
		Index: flux1.NewModelIndex(false), Scheduler: flux.FluxScheduler,
		Transformer: flux1.Params{
			PatchSize: 1, InChannels: 64, NumLayers: 1, NumSingleLayers: 1, AttentionHeadDim: 32, NumAttentionHeads: 2,
			JointAttentionDim: 32, PooledProjectionDim: 64, GuidanceEmbeds: true, AxesDimsRope: [3]int{4, 14, 14},
		},
		VAE: flux.NewAutoencoder([]int{32, 32}, 16, 1, 32, true), CLIP: flux1.NewCLIP(517, 64, 1, 1, 16), T5: flux1.NewT5(33, 32, 2, 48, 1),
	}
	f.CLIP.BOSID, f.CLIP.EOSID, f.CLIP.PadID = 515, 516, 516
	store := nn.NewStore()
	randomise(t, store, f.Components())
	if err := f.WriteConfigs(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.SaveWeights(dir, store, safetensors.BF16); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tokenizer", "tokenizer_2"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(tinyModel(t, "flux1"), name))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// filesOfFlux2 writes a folder of FLUX.2 whose sizes can be read from its tensors.
func filesOfFlux2(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "whole")
	f, err := flux2.OpenFolder(fluxTwo)
	if err != nil {
		t.Fatal(err)
	}
	f.Distilled = false
	f.VAE = flux2.NewAutoencoder([]int{32, 32}, 32, 1, 32)
	f.Transformer.InChannels, f.Transformer.AttentionHeadDim, f.Transformer.AxesDimsRope = 128, 16, [4]int{4, 4, 4, 4}
	f.Text.Layers, f.Settings = 27, flux2.Settings{TextLength: qwen3.Length, TextLayers: qwen3.Taps}
	store := nn.NewStore()
	randomise(t, store, f.Components())
	if err := f.WriteConfigs(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.SaveWeights(dir, store, safetensors.BF16); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "tokenizer"), os.DirFS(filepath.Join(fluxTwo, "tokenizer"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// networkFile is the weight file of a network in a folder.
func networkFile(dir, network string) string {
	name := "model.safetensors"
	if network == "transformer" || network == "vae" {
		name = "diffusion_pytorch_model.safetensors"
	}
	return filepath.Join(dir, network, name)
}

// combine writes the networks of a folder into one file, as ComfyUI does.
func combine(t *testing.T, dir, to string, prefixes map[string]string) {
	t.Helper()
	var all []safetensors.Tensor
	for _, network := range slices.Sorted(maps.Keys(prefixes)) {
		f, err := safetensors.Open(networkFile(dir, network))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, name := range f.Names() {
			info, err := f.Info(name)
			if err != nil {
				t.Fatal(err)
			}
			values, err := f.Float32(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, safetensors.Tensor{Name: prefixes[network] + name, Shape: info.Shape, DType: info.DType, Values: values})
		}
	}
	if err := safetensors.Write(to, all, nil); err != nil {
		t.Fatal(err)
	}
}

// best is the image that a command generates.
func best(t *testing.T, args []string) []byte {
	t.Helper()
	dir := t.TempDir()
	if out, err := embedded(dir, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	var pixels bytes.Buffer
	img := decodeImage(t, filepath.Join(dir, "run", "best.png"))
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			pixels.Write([]byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)})
		}
	}
	return pixels.Bytes()
}

// A model in files of their own generates the images of the folder with the same
// weights, whatever the files are called; the sizes are read from the tensors.
func TestFluxFilesGenerateWhatTheirFolderDoes(t *testing.T) {
	one, two := filesOfFlux1(t), filesOfFlux2(t)
	bare := func(dir string, networks ...string) []string { // under names that say nothing
		var paths []string
		for i, network := range networks {
			path := filepath.Join(t.TempDir(), string(rune('a'+i)))
			data, err := os.ReadFile(networkFile(dir, network))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
		return paths
	}
	combined := filepath.Join(t.TempDir(), "checkpoint.safetensors")
	combine(t, one, combined, map[string]string{
		"transformer": "model.diffusion_model.", "text_encoder": "text_encoders.clip_l.transformer.",
		"text_encoder_2": "text_encoders.t5xxl.transformer.", "vae": "vae.",
	})
	if err := os.CopyFS(filepath.Join(filepath.Dir(combined), "tokenizer"), os.DirFS(filepath.Join(one, "tokenizer"))); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(filepath.Dir(combined), "tokenizer_2"), os.DirFS(filepath.Join(one, "tokenizer_2"))); err != nil {
		t.Fatal(err)
	}
	f1 := bare(one, "transformer", "text_encoder", "text_encoder_2", "vae")
	f2 := bare(two, "transformer", "text_encoder", "vae")
	want1, want2 := best(t, generateTiny(one)), best(t, generateTiny(two, "--guidance", "1"))
	for name, c := range map[string]struct {
		args []string
		want []byte
	}{
		"FLUX.1 in files":          {generateTiny(f1[0], "--text-encoder", f1[1], "--text-encoder-2", f1[2], "--vae", f1[3], "--tokenizer", one), want1},
		"FLUX.1, encoders swapped": {generateTiny(f1[0], "--text-encoder", f1[2], "--text-encoder-2", f1[1], "--vae", f1[3], "--tokenizer", one), want1},
		"FLUX.1, folders":          {generateTiny(filepath.Join(one, "transformer"), "--text-encoder", filepath.Join(one, "text_encoder"), "--text-encoder-2", filepath.Join(one, "text_encoder_2"), "--vae", filepath.Join(one, "vae")), want1},
		"FLUX.1 in one file":       {generateTiny(combined), want1},
		"FLUX.1, another VAE":      {generateTiny(one, "--vae", f1[3]), want1},
		"FLUX.2 in files":          {generateTiny(f2[0], "--text-encoder", f2[1], "--vae", f2[2], "--tokenizer", filepath.Join(two, "tokenizer"), "--guidance", "1"), want2},
		"FLUX.2, tokenizer beside": {generateTiny(filepath.Join(two, "transformer"), "--text-encoder", f2[1], "--vae", f2[2], "--guidance", "1"), want2},
	} {
		t.Run(name, func(t *testing.T) {
			if got := best(t, c.args); !bytes.Equal(got, c.want) {
				t.Error("another image")
			}
		})
	}
	for want, args := range map[string][]string{
		"not yet a model: a is the transformer of FLUX.1 alone; it lacks text encoder CLIP":             {"models", "check", f1[0]},
		"transformer: FLUX.1 with guidance (as dev, Krea and Kontext), 1 + 1 blocks of width 64, whole": {"models", "check", f1[0]},
		"transformer: FLUX.2 [klein], 2 + 2 blocks of width 32, whole":                                  {"models", "check", f2[0]},
		"  model    FLUX.2 [klein], distilled or base (which its file does not say)":                    {"models", "check", f2[0], "--text-encoder", f2[1], "--vae", f2[2], "--tokenizer", two, "--size", "64"},
		"  model    FLUX.1 with guidance (as dev and Krea)\n  weights":                                  {"models", "check", combined, "--size", "64"},
		"text encoder: Qwen3": {"models", "check", f2[1]},
	} {
		if out, err := embedded(t.TempDir(), args...).CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v, want %q:\n%s", args, err, want, out)
		}
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing else":      {generateTiny(f1[0]), "it lacks text encoder CLIP (text_encoder or --text-encoder: clip_l.safetensors"},
		"no tokenizer":      {generateTiny(f1[0], "--text-encoder", f1[1], "--text-encoder-2", f1[2], "--vae", f1[3]), "there is no folder tokenizer beside the files: download "},
		"wrong tokenizer":   {generateTiny(f2[0], "--text-encoder", f2[1], "--vae", f2[2], "--tokenizer", one), "the tokenizer is not Qwen3's"},
		"FLUX.1's VAE":      {generateTiny(f2[0], "--text-encoder", f2[1], "--vae", f1[3], "--tokenizer", two), "vae: d is autoencoder 16 channels, as FLUX.1's, and FLUX.2 needs "},
		"a text encoder":    {generateTiny(f2[1]), "b has no transformer of FLUX: it is text encoder Qwen3"},
		"the encoder twice": {generateTiny(f1[0], "--text-encoder", f1[1], "--text-encoder-2", f1[1], "--vae", f1[3], "--tokenizer", one), "it lacks text encoder T5"},
		"mixed":             {generateTiny(one, "--vae", f2[2]), "vae: c is autoencoder 32 channels, as FLUX.2's, and FLUX.1 needs "},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := embedded(t.TempDir(), c.args...).CombinedOutput()
			if exitOf(t, err) != exitInvalid || !strings.Contains(string(out), c.want) || strings.Count(string(out), "\n") != 1 {
				t.Errorf("%v, want one line with %q:\n%s", err, c.want, out)
			}
		})
	}
}
