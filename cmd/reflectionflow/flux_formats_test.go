package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
	"reflectionflow/flux/qwen3"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/fluxfiles"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/safetensors"
)

// tinyFiles is a model of package fluxfiles, which testdata/tiny/make_tiny_formats.py has
// of diffusers.
type tinyFiles struct {
	name       string
	networks   map[string][]fluxfiles.Tensor // in diffusers' naming, by subfolder
	configs    func(dir string) error
	tokenizers map[string]string // folders to copy, by subfolder
	file       string            // name of a file with the transformer
	flags      []string          // that a file needs beside the parts
}

// formatModel makes one of the models dev, krea, schnell, kontext, klein and base.
func formatModel(t *testing.T, name string, levels fluxfiles.Levels) tinyFiles {
	t.Helper()
	m := tinyFiles{name: name, networks: map[string][]fluxfiles.Tensor{}, file: "a"}
	var components []flux.Component
	switch name {
	case "klein", "base":
		f := formatFlux2(t)
		f.Distilled, m.flags = name == "klein", []string{"--guidance", "1"}
		if name == "base" {
			m.flags = []string{"--guidance", "4"}
		}
		components, m.configs = f.Components(), f.WriteConfigs
		m.tokenizers = map[string]string{"tokenizer": filepath.Join(fluxTwo, "tokenizer")}
	default:
		f := formatFlux1(name != "schnell")
		switch name {
		case "kontext":
			f.Index.ClassName, m.file = flux1.KontextClass, "flux1-kontext-dev"
		case "krea": // dev's configuration and shapes under another name
			m.file = "flux1-krea-dev"
		}
		components, m.configs = f.Components(), f.WriteConfigs
		one := tinyModel(t, "flux1")
		m.tokenizers = map[string]string{"tokenizer": filepath.Join(one, "tokenizer"), "tokenizer_2": filepath.Join(one, "tokenizer_2")}
	}
	for _, c := range components {
		variables, err := c.Variables()
		check(t, err)
		m.networks[c.Prefix] = fluxfiles.Tensors(c.Prefix, variables, levels)
	}
	return m
}

// formatFlux1 has the sizes of make_tiny_formats.py: rows of 256 for blocks of every type,
// and what files do not say as FLUX.1 has it.
func formatFlux1(guidance bool) *flux1.Folder {
	f := &flux1.Folder{
		Index: flux1.NewModelIndex(false), Scheduler: flux.FluxScheduler,
		Transformer: flux1.Params{
			PatchSize: 1, InChannels: 64, NumLayers: 1, NumSingleLayers: 1, AttentionHeadDim: 32, NumAttentionHeads: 8,
			JointAttentionDim: 256, PooledProjectionDim: 64, GuidanceEmbeds: guidance, AxesDimsRope: [3]int{4, 14, 14},
		},
		VAE: flux.NewAutoencoder([]int{32, 32}, 16, 1, 32, true), CLIP: flux1.NewCLIP(517, 64, 1, 1, 16), T5: flux1.NewT5(33, 256, 2, 256, 1),
	}
	f.CLIP.FeedForward, f.T5.HeadDim = 128, 32
	f.CLIP.BOSID, f.CLIP.EOSID, f.CLIP.PadID = 515, 516, 516
	if !guidance {
		f.Scheduler.UseDynamicShifting, f.Scheduler.Shift = false, 1
	}
	return f
}

// formatFlux2 is [formatFlux1] for FLUX.2.
func formatFlux2(t *testing.T) *flux2.Folder {
	t.Helper()
	f, err := flux2.OpenFolder(fluxTwo)
	check(t, err)
	f.Settings, f.VAE = flux2.Settings{TextLength: qwen3.Length, TextLayers: qwen3.Taps}, flux2.NewAutoencoder([]int{32, 32}, 32, 1, 32)
	p := &f.Transformer
	p.InChannels, p.NumLayers, p.NumSingleLayers, p.NumAttentionHeads, p.AttentionHeadDim, p.AxesDimsRope = 128, 1, 1, 8, 32, [4]int{8, 8, 8, 8}
	p.JointAttentionDim, p.TimestepChannels = 768, 256
	f.Text.Hidden, f.Text.FeedForward, f.Text.Layers, f.Text.Heads, f.Text.KeyHeads, f.Text.HeadDim = 256, 64, 27, 2, 1, 32
	return f
}

// two reports whether the model is of FLUX.2.
func (m tinyFiles) two() bool { return m.networks["text_encoder_2"] == nil }

// own returns a network in the names of the program whose files people have: Black Forest
// Labs for the transformer and the autoencoder.
func (m tinyFiles) own(t *testing.T, network string) []fluxfiles.Tensor {
	t.Helper()
	list := m.networks[network]
	var err error
	switch {
	case network == "transformer" && m.two():
		list, err = fluxfiles.FLUX2(list)
	case network == "transformer":
		list, err = fluxfiles.FLUX1(list)
	case network == "vae":
		list = fluxfiles.Autoencoder(list, 2)
	case network == "text_encoder" && m.two(): // as transformers
		list = fluxfiles.Prefixed("model.", list)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// folder writes the diffusers folder: of a variant such as fp16, and of two files for
// each network if sharded.
func (m tinyFiles) folder(t *testing.T, format safetensors.DType, variant string, sharded bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), m.name)
	check(t, m.configs(dir))
	for network, list := range m.networks {
		stem := "model"
		switch {
		case network == "transformer" || network == "vae":
			stem = "diffusion_pytorch_model"
		case m.two():
			list = fluxfiles.Prefixed("model.", list)
		}
		if variant != "" {
			stem += "." + variant
		}
		files := fluxfiles.Safetensors{Type: format}
		if sharded {
			check(t, files.WriteShards(filepath.Join(dir, network), stem, list))
		} else {
			check(t, files.Write(filepath.Join(dir, network, stem+".safetensors"), list))
		}
	}
	m.addTokenizers(t, dir)
	return dir
}

func (m tinyFiles) addTokenizers(t *testing.T, dir string) {
	t.Helper()
	for name, from := range m.tokenizers {
		check(t, os.CopyFS(filepath.Join(dir, name), os.DirFS(from)))
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writePart writes a network into a file of some format.
type writePart func(path, network string, list []fluxfiles.Tensor) error

// separate writes each network into a file with a name that says nothing, and returns the
// arguments of the command.
func (m tinyFiles) separate(t *testing.T, names func(network string) []fluxfiles.Tensor, write writePart) []string {
	t.Helper()
	dir := t.TempDir()
	m.addTokenizers(t, dir)
	args := []string{filepath.Join(dir, m.file)}
	for i, network := range []string{"transformer", "text_encoder", "text_encoder_2", "vae"} {
		if m.networks[network] == nil {
			continue
		}
		path := args[0]
		if i > 0 {
			path = filepath.Join(dir, string(rune('a'+i)))
			args = append(args, "--"+strings.ReplaceAll(network, "_", "-"), path)
		}
		check(t, write(path, network, names(network)))
	}
	return append(args, m.flags...)
}

// combined writes a checkpoint of ComfyUI: everything but the tokenizers, which lie beside
// it.
func (m tinyFiles) combined(t *testing.T, format fluxfiles.Safetensors) []string {
	t.Helper()
	dir := t.TempDir()
	m.addTokenizers(t, dir)
	prefixes := map[string]string{
		"transformer": "model.diffusion_model.", "vae": "vae.", "text_encoder": "text_encoders.clip_l.transformer.", "text_encoder_2": "text_encoders.t5xxl.transformer.",
	}
	if m.two() {
		prefixes["text_encoder"] = "text_encoders.qwen3_4b.transformer."
	}
	var all []fluxfiles.Tensor
	for _, network := range slices.Sorted(maps.Keys(m.networks)) {
		all = append(all, fluxfiles.Prefixed(prefixes[network], m.own(t, network))...)
	}
	path := filepath.Join(dir, m.file+".safetensors")
	check(t, format.Write(path, all))
	return append([]string{path}, m.flags...)
}

// inGGUF writes transformer and large text encoder as GGUF, the rest as safetensors.
func (m tinyFiles) inGGUF(t *testing.T, kind gguf.Type) []string {
	t.Helper()
	return m.separate(t, func(network string) []fluxfiles.Tensor {
		list, err := m.networks[network], error(nil)
		switch {
		case network == "text_encoder_2":
			list, err = fluxfiles.T5(list)
		case network == "text_encoder" && m.two():
			list, err = fluxfiles.Qwen3(list)
		default:
			list = m.own(t, network)
		}
		check(t, err)
		return list
	}, func(path, network string, list []fluxfiles.Tensor) error {
		if network == "vae" || network == "text_encoder" && !m.two() {
			return fluxfiles.Safetensors{Type: safetensors.BF16}.Write(path, list)
		}
		return fluxfiles.WriteGGUF(path, kind, list)
	})
}

// inSafetensors returns a writer of the format; CLIP and the autoencoder are in BF16, as
// published.
func (m tinyFiles) inSafetensors(format fluxfiles.Safetensors) writePart {
	return func(path, network string, list []fluxfiles.Tensor) error {
		if network == "vae" || network == "text_encoder" && !m.two() {
			return fluxfiles.Safetensors{Type: safetensors.BF16}.Write(path, list)
		}
		return format.Write(path, list)
	}
}

// ggufFormats are the types of GGUF files that people have, and the levels that they hold.
var ggufFormats = map[gguf.Type]fluxfiles.Levels{
	gguf.F32: fluxfiles.Plain, gguf.BF16: fluxfiles.Plain, gguf.F16: fluxfiles.Plain, gguf.Q8_0: fluxfiles.Plain,
	gguf.Q4_0: fluxfiles.Plain, gguf.Q4_1: fluxfiles.Plain, gguf.Q5_0: fluxfiles.Plain, gguf.Q5_1: fluxfiles.Plain,
	gguf.Q2K: fluxfiles.Quarters, gguf.Q3K: fluxfiles.Plain, gguf.Q4K: fluxfiles.Plain, gguf.Q5K: fluxfiles.Plain, gguf.Q6K: fluxfiles.Plain,
	gguf.IQ4NL: fluxfiles.Curved, gguf.IQ4XS: fluxfiles.Curved,
}

// Every format of every model generates from the command line what diffusers generates
// with the same weights. Dev and klein have all formats; the others, which are the same
// networks, one of each kind, and all with the tag slow. Krea is dev.
func TestFluxFormatsGenerateWhatDiffusersDoes(t *testing.T) {
	for _, name := range []string{"dev", "krea", "schnell", "kontext", "klein", "base"} {
		m := formatModel(t, name, fluxfiles.Plain)
		formats := m.usual(t)
		if everyFormat || name == "dev" || name == "klein" {
			maps.Copy(formats, m.rest(t))
		}
		for format, write := range formats {
			image := strings.Replace(name, "krea", "dev", 1)
			switch {
			case strings.HasSuffix(format, "Q2_K"):
				image += "-quarters.png"
			case strings.Contains(format, "IQ4"):
				image += "-curved.png"
			default:
				image += "-plain.png"
			}
			t.Run(name+", "+format, func(t *testing.T) { generatesLike(t, write(t), image) })
		}
	}
}

// What generates passes the check too, in every format.
func TestModelsCheckOfEveryFluxFormat(t *testing.T) {
	for _, name := range []string{"dev", "klein"} {
		for format, write := range formatModel(t, name, fluxfiles.Plain).usual(t) {
			args := slices.DeleteFunc(write(t), func(arg string) bool { return arg == "--guidance" || arg == "1" })
			out, err := embedded(t.TempDir(), append([]string{"models", "check", "--size", "64"}, args...)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "  model    FLUX.") {
				t.Errorf("%s, %s: %v\n%s", name, format, err, out)
			}
		}
	}
}

// usual are the formats of which most files are.
func (m tinyFiles) usual(t *testing.T) map[string]func(t *testing.T) []string {
	t.Helper()
	scaled := fluxfiles.Safetensors{Type: safetensors.F8E4M3, Scaled: "scale_weight", Marker: true}
	return map[string]func(t *testing.T) []string{
		"folder":       func(t *testing.T) []string { return []string{m.folder(t, safetensors.BF16, "", false)} },
		"folder, fp16": func(t *testing.T) []string { return []string{m.folder(t, safetensors.F16, "fp16", false)} },
		"file": func(t *testing.T) []string {
			return m.separate(t, m.ownNames(t), m.inSafetensors(fluxfiles.Safetensors{Type: safetensors.BF16}))
		},
		"file, scaled":  func(t *testing.T) []string { return m.separate(t, m.ownNames(t), m.inSafetensors(scaled)) },
		"combined":      func(t *testing.T) []string { return m.combined(t, fluxfiles.Safetensors{Type: safetensors.BF16}) },
		"GGUF Q8_0":     func(t *testing.T) []string { return m.inGGUF(t, gguf.Q8_0) },
		"GGUF Q4_K":     func(t *testing.T) []string { return m.inGGUF(t, gguf.Q4K) },
		"folder, split": func(t *testing.T) []string { return []string{m.folder(t, safetensors.BF16, "", true)} },
	}
}

// ownNames is [tinyFiles.own] as a function.
func (m tinyFiles) ownNames(t *testing.T) func(network string) []fluxfiles.Tensor {
	return func(network string) []fluxfiles.Tensor { return m.own(t, network) }
}

// rest are the formats that one model of an architecture is tried in.
func (m tinyFiles) rest(t *testing.T) map[string]func(t *testing.T) []string {
	t.Helper()
	formats := map[string]func(t *testing.T) []string{
		"folder, bf16 split": func(t *testing.T) []string { return []string{m.folder(t, safetensors.BF16, "bf16", true)} },
		"file, ComfyUI": func(t *testing.T) []string {
			return m.separate(t, func(network string) []fluxfiles.Tensor {
				if network != "transformer" {
					return m.own(t, network)
				}
				return fluxfiles.Prefixed("model.diffusion_model.", m.own(t, network))
			}, m.inSafetensors(fluxfiles.Safetensors{Type: safetensors.BF16}))
		},
		"file, diffusers": func(t *testing.T) []string {
			return m.separate(t, func(network string) []fluxfiles.Tensor { return m.networks[network] }, m.inSafetensors(fluxfiles.Safetensors{Type: safetensors.BF16}))
		},
		"combined, scaled": func(t *testing.T) []string {
			return m.combined(t, fluxfiles.Safetensors{Type: safetensors.F8E4M3, Scaled: "weight_scale"})
		},
	}
	for name, format := range map[string]fluxfiles.Safetensors{
		"F16": {Type: safetensors.F16}, "F32": {Type: safetensors.F32}, "fp8 E4M3": {Type: safetensors.F8E4M3}, "fp8 E5M2": {Type: safetensors.F8E5M2},
		"scaled, new names": {Type: safetensors.F8E4M3, Scaled: "weight_scale"},
	} {
		formats["file, "+name] = func(t *testing.T) []string { return m.separate(t, m.ownNames(t), m.inSafetensors(format)) }
	}
	formats["GGUF, all networks"] = func(t *testing.T) []string { // as stable-diffusion.cpp converts files
		return m.separate(t, m.ownNames(t), func(path, _ string, list []fluxfiles.Tensor) error { return fluxfiles.WriteGGUF(path, gguf.Q8_0, list) })
	}
	for kind, levels := range ggufFormats {
		formats["GGUF "+kind.String()] = func(t *testing.T) []string { return formatModel(t, m.name, levels).inGGUF(t, kind) }
	}
	return formats
}

// generatesLike compares the image of a model with one of testdata/tiny/formats. The
// command runs in this process: starting another takes longer than the image.
func generatesLike(t *testing.T, args []string, image string) {
	t.Helper()
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "run")
	p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: &out, catalog: assemble.Embedded()}
	if code := p.run(t.Context(), generateTiny(args[0], append(args[1:], "--steps", "2", "--out", dir)...)); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	sameImage(t, filepath.Join(dir, "best.png"), filepath.Join("testdata", "tiny", "formats", image))
}
