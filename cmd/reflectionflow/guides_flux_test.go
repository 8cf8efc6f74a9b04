package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"reflectionflow/internal/fluxfiles"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/safetensors"
)

// The commands of the guides about FLUX run in this order, in a folder with tiny models in
// the places of the real ones; images are small.
func TestFluxGuideCommands(t *testing.T) {
	for _, page := range []string{"models.md", "flux1.md", "flux2-klein.md", "loras.md"} {
		t.Run(page, func(t *testing.T) { // not in parallel: it sets variables
			home := guideHome(t)
			t.Setenv("HF_HUB_CACHE", filepath.Join(home, "hub"))
			t.Setenv("REFLECTIONFLOW_MODELS", "")
			text := read(t, filepath.Join(guides, page))
			for name, config := range guideConfigs(text) {
				writeFile(t, filepath.Join(home, name), config)
			}
			ran := 0
			for _, line := range guideCommands(text) {
				words := shellWords(line)
				if words[0] != "reflectionflow" || strings.Contains(line, "klein.yaml") && page == "flux2-klein.md" { // of servers: TestGuides
					continue
				}
				args := smaller(words[1:])
				if out, err := embedded(home, args...).CombinedOutput(); err != nil {
					t.Errorf("%s\n%v: %v\n%s", line, args, err, out)
				}
				ran++
			}
			if least := map[string]int{"models.md": 5, "flux1.md": 4, "flux2-klein.md": 3, "loras.md": 2}[page]; ran < least {
				t.Errorf("%d commands ran, want %d", ran, least)
			}
		})
	}
}

// smaller returns the arguments of a command for a tiny model.
func smaller(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args[:len(args)-1] {
		if arg == "--size" {
			args[i+1] = "64"
		}
	}
	if args[0] != "generate" {
		return args
	}
	return append(args, "--size", "64", "--any-size", "--steps", "2", "--budget", "2", "--out", "run-"+strings.ReplaceAll(strings.Join(args[1:3], ""), "/", ""))
}

// guideCommands lists the indented commands of a page, with their continued lines.
func guideCommands(page string) []string {
	return printed(regexp.MustCompile(`\s*\\\n\s*`).ReplaceAllString(page, " "))
}

// guideConfigs are the configurations of a page under the names that its commands have for
// them.
func guideConfigs(page string) map[string]string {
	name := regexp.MustCompile("Save it as `([a-z0-9.]+)`").FindStringSubmatch(page)
	if name == nil {
		return nil
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(page)
	if block == nil {
		block = regexp.MustCompile(`(?m)^(    generators:\n(?:(?:    .*)?\n)+)`).FindStringSubmatch(page)
	}
	return map[string]string{name[1]: dedent(block[1])}
}

// shellWords cuts a command at its spaces; double quotes hold words together.
func shellWords(line string) []string {
	var words []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2])
	}
	return words
}

// guideHome is a folder with everything that the guides name.
func guideHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	copyTo := func(from string, to ...string) {
		for _, path := range to {
			check(t, os.CopyFS(filepath.Join(home, path), os.DirFS(from)))
		}
	}
	one := tinyModel(t, "flux1")
	copyTo(fluxTwo, "FLUX.2-klein-4B", "hub/models--black-forest-labs--FLUX.2-klein-4B/snapshots/1")
	copyTo(one, "FLUX.1-dev", "FLUX.1-schnell", "hub/models--black-forest-labs--FLUX.1-schnell/snapshots/1", "hub/models--black-forest-labs--FLUX.1-Kontext-dev/snapshots/1")
	index := filepath.Join(home, "hub/models--black-forest-labs--FLUX.1-Kontext-dev/snapshots/1/model_index.json")
	writeFile(t, index, strings.Replace(read(t, index), `"FluxPipeline"`, `"FluxKontextPipeline"`, 1))
	corrector := ranked("transformer.x_embedder", 32, 16)
	check(t, os.Mkdir(filepath.Join(home, "FLUX-Corrector"), 0o700))
	for _, path := range []string{"FLUX-Corrector/pytorch_lora_weights.safetensors", "flux-corrector.safetensors"} {
		check(t, safetensors.Write(filepath.Join(home, path), corrector, nil))
	}
	for _, path := range []string{"watercolor.safetensors", "film-grain.safetensors"} {
		check(t, copyFile(tinyModel(t, "loras/flux2-style.safetensors"), filepath.Join(home, path)))
	}
	klein, schnell := formatModel(t, "klein", fluxfiles.Plain), formatModel(t, "schnell", fluxfiles.Plain)
	copyTo(filepath.Join(fluxTwo, "tokenizer"), "tokenizer")
	qwen, err := fluxfiles.Qwen3(klein.networks["text_encoder"])
	check(t, err)
	plain, fp8 := fluxfiles.Safetensors{Type: safetensors.BF16}, fluxfiles.Safetensors{Type: safetensors.F8E4M3}
	for _, err := range []error{
		fluxfiles.WriteGGUF(filepath.Join(home, "flux-2-klein-4b-Q4_K_M.gguf"), gguf.Q4K, klein.own(t, "transformer")),
		fluxfiles.WriteGGUF(filepath.Join(home, "Qwen3-4B-Q4_K_M.gguf"), gguf.Q4K, qwen),
		plain.Write(filepath.Join(home, "flux2-vae.safetensors"), klein.own(t, "vae")),
		fluxfiles.WriteGGUF(filepath.Join(home, "flux1-schnell-Q4_K_S.gguf"), gguf.Q4K, schnell.own(t, "transformer")),
		plain.Write(filepath.Join(home, "clip_l.safetensors"), schnell.own(t, "text_encoder")),
		fp8.Write(filepath.Join(home, "t5xxl_fp8_e4m3fn.safetensors"), schnell.own(t, "text_encoder_2")),
		plain.Write(filepath.Join(home, "ae.safetensors"), schnell.own(t, "vae")),
	} {
		check(t, err)
	}
	copyTo(filepath.Join(fluxTwo, "tokenizer"), "klein/tokenizer")
	check(t, os.MkdirAll(filepath.Join(home, "klein/split_files/vae"), 0o700))
	for _, path := range []string{"flux-2-klein-4b-Q4_K_M.gguf", "Qwen3-4B-Q4_K_M.gguf"} {
		check(t, os.Link(filepath.Join(home, path), filepath.Join(home, "klein", path)))
	}
	check(t, os.Link(filepath.Join(home, "flux2-vae.safetensors"), filepath.Join(home, "klein/split_files/vae/flux2-vae.safetensors")))
	return home
}
