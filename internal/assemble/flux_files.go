package assemble

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux2"
	"reflectionflow/internal/config"
	"reflectionflow/weights"
)

// The kinds and models of [flux.FilePart].
const (
	transformerPart  = "transformer"
	autoencoderPart  = "autoencoder"
	textEncoderPart  = "text encoder"
	autoencoderOfOne = "16 channels, as FLUX.1's"
	autoencoderOfTwo = "32 channels, as FLUX.2's"
)

// slot is a network that a model needs, and where to get it.
type slot struct {
	subfolder string // of a diffusers folder
	part      flux.FilePart
	flag      string
	download  string // a file that has it
}

// architecture is what a model of one architecture consists of.
type architecture struct {
	name       string
	slots      []slot   // beside the transformer
	tokenizers []string // subfolders
	download   string   // of the tokenizers
}

var architectures = []architecture{
	{
		name: "FLUX.1",
		slots: []slot{
			{"text_encoder", flux.FilePart{Kind: textEncoderPart, Model: "CLIP"}, "text_encoder", "clip_l.safetensors of comfyanonymous/flux_text_encoders, 246 MB"},
			{"text_encoder_2", flux.FilePart{Kind: textEncoderPart, Model: "T5"}, "text_encoder_2", "t5xxl_fp16.safetensors or t5xxl_fp8_e4m3fn.safetensors of comfyanonymous/flux_text_encoders, 9.8 or 4.9 GB"},
			{"vae", flux.FilePart{Kind: autoencoderPart, Model: autoencoderOfOne}, "vae", "ae.safetensors of black-forest-labs/FLUX.1-schnell, 335 MB"},
		},
		tokenizers: []string{"tokenizer", "tokenizer_2"},
		download:   "the folders tokenizer and tokenizer_2 of black-forest-labs/FLUX.1-schnell, 5 MB",
	},
	{
		name: "FLUX.2",
		slots: []slot{
			{"text_encoder", flux.FilePart{Kind: textEncoderPart, Model: "Qwen3"}, "text_encoder", "qwen_3_4b.safetensors of Comfy-Org/Flux-2-Klein-4B, 8.0 GB"},
			{"vae", flux.FilePart{Kind: autoencoderPart, Model: autoencoderOfTwo}, "vae", "flux2-vae.safetensors of Comfy-Org/Flux-2-Klein-4B, 336 MB"},
		},
		tokenizers: []string{"tokenizer"},
		download:   "the folder tokenizer of black-forest-labs/FLUX.2-klein-4B, 16 MB",
	},
}

// partFile is an open file or folder with weights of one or more networks.
type partFile struct {
	path   string
	file   *weights.File
	parts  []flux.FilePart
	config fs.FS // with its config.json; nil if there is none
}

// openPart opens a file, or a folder with the weights of one network.
func openPart(path string) (*partFile, error) {
	file, err := weights.Open(path)
	if info, failure := os.Stat(path); err != nil && failure == nil && info.IsDir() {
		return nil, fmt.Errorf("%w (a folder of diffusers would have a model_index.json)", err)
	}
	if err != nil {
		return nil, err
	}
	p := &partFile{path: path, file: file, parts: flux.Identify(file)}
	if _, err := os.Stat(filepath.Join(path, "config.json")); err == nil {
		p.config = os.DirFS(path)
	}
	return p, nil
}

// of returns the model of a kind in the file.
func (p *partFile) of(kind string) (string, bool) {
	i := slices.IndexFunc(p.parts, func(part flux.FilePart) bool { return part.Kind == kind })
	if i < 0 {
		return "", false
	}
	return p.parts[i].Model, true
}

// String says what is in the file.
func (p *partFile) String() string {
	var list []string
	for _, part := range p.parts {
		if part.Kind == "LoRA" {
			list = append(list, "a LoRA")
			continue
		}
		list = append(list, part.Kind+" "+part.Model)
	}
	if len(list) == 0 {
		return "of no kind that this program knows"
	}
	return strings.Join(list, ", ")
}

// partFiles are the open files of a model.
type partFiles struct {
	architecture architecture
	files        flux.Files
	open         []io.Closer
	have         map[string]bool // subfolders
	near         []string        // folders in which the tokenizers may be
	kontext      bool            // an editing model, by the name of its file
}

// close closes the files of a model that is not used.
func (p *partFiles) close() { _ = closeAll(p.open...) } // they were only read

// openFiles finds the networks of a model that is no diffusers folder: by the tensors of
// its file and of the others that the configuration names.
func openFiles(model string, w config.Weights) (*partFiles, error) {
	p := &partFiles{files: flux.NoFiles(), have: map[string]bool{}}
	if err := p.read(model, w); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *partFiles) read(model string, w config.Weights) error {
	first, err := openPart(model)
	if err != nil {
		return err
	}
	p.open = append(p.open, first.file)
	if err := p.choose(first); err != nil {
		return err
	}
	p.files = p.files.With(transformerPart, first.file, first.config)
	p.near = append(p.near, filepath.Dir(model))
	p.take(first)
	if err := p.addOthers(w); err != nil {
		return err
	}
	if err := p.complete(first); err != nil {
		return err
	}
	return p.findTokenizers(w.Tokenizer)
}

// choose finds the architecture of the model's file.
func (p *partFiles) choose(first *partFile) error {
	name, ok := first.of(transformerPart)
	if !ok {
		return fmt.Errorf("%w: %s has no transformer of FLUX: it is %s", reflectionflow.ErrInvalid, first.file.Name(), first)
	}
	i := slices.IndexFunc(architectures, func(a architecture) bool { return a.name == name })
	if i < 0 {
		return fmt.Errorf("%w: %s is a model of the kind %s, which this program does not run", reflectionflow.ErrInvalid, first.file.Name(), name)
	}
	if name == "FLUX.2" {
		if err := flux2.CheckFile(first.path, first.file); err != nil {
			return fmt.Errorf("%s: %w", first.file.Name(), err)
		}
	}
	p.architecture = architectures[i]
	p.kontext = name == "FLUX.1" && strings.Contains(strings.ToLower(filepath.Base(first.path)), "kontext")
	return nil
}

// take uses the networks of a file that the model needs, and returns how many there are.
func (p *partFiles) take(file *partFile) int {
	taken := 0
	for _, s := range p.architecture.slots {
		if slices.Contains(file.parts, s.part) {
			p.files = p.files.With(s.subfolder, file.file, file.config)
			p.have[s.subfolder] = true
			taken++
		}
	}
	return taken
}

// addOthers opens the other files that the configuration names.
func (p *partFiles) addOthers(w config.Weights) error {
	for _, other := range []struct{ key, path string }{{"text_encoder", w.TextEncoder}, {"text_encoder_2", w.TextEncoder2}, {"vae", w.VAE}} {
		if other.path == "" {
			continue
		}
		file, err := openPart(other.path)
		if err != nil {
			return fmt.Errorf("%s: %w", other.key, err)
		}
		p.open = append(p.open, file.file)
		if p.take(file) == 0 {
			return fmt.Errorf("%w: %s: %s is %s, and %s needs %s", reflectionflow.ErrInvalid, other.key, file.file.Name(), file, p.architecture.name, p.needs())
		}
		p.near = append(p.near, filepath.Dir(other.path))
	}
	return nil
}

// needs lists the networks of the architecture.
func (p *partFiles) needs() string {
	var list []string
	for _, s := range p.architecture.slots {
		list = append(list, s.part.Kind+" "+s.part.Model)
	}
	return strings.Join(list, ", ")
}

// complete reports the networks that no file has.
func (p *partFiles) complete(first *partFile) error {
	var missing []string
	for _, s := range p.architecture.slots {
		if !p.have[s.subfolder] {
			missing = append(missing, fmt.Sprintf("%s %s (%s or --%s: %s)", s.part.Kind, s.part.Model, s.flag, strings.ReplaceAll(s.flag, "_", "-"), s.download))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s is the transformer of %s alone; it lacks %s", reflectionflow.ErrInvalid, first.file.Name(), p.architecture.name, strings.Join(missing, "; "))
}

// findTokenizers finds the tokenizer folders: in the folder given, or beside the files.
func (p *partFiles) findTokenizers(given string) error {
	near := p.near
	if given != "" {
		near = []string{given}
	}
	for _, name := range p.architecture.tokenizers {
		place, ok := findTokenizer(near, name, given != "" && len(p.architecture.tokenizers) == 1)
		if !ok {
			where := "beside the files"
			if given != "" {
				where = "in " + given
			}
			return fmt.Errorf("%w: there is no folder %s %s: download %s, and name the folder that holds them (tokenizer or --tokenizer)", reflectionflow.ErrInvalid, name, where, p.architecture.download)
		}
		p.files = p.files.WithTokenizer(name, os.DirFS(place), ".")
	}
	return nil
}

// findTokenizer finds a folder of that name with a tokenizer; a folder itself may be one.
func findTokenizer(near []string, name string, itself bool) (string, bool) {
	for _, dir := range near {
		candidates := []string{filepath.Join(dir, name)}
		if itself {
			candidates = append(candidates, dir)
		}
		for _, folder := range candidates {
			for _, file := range []string{"tokenizer.json", "vocab.json", "spiece.model"} {
				if info, err := os.Stat(filepath.Join(folder, file)); err == nil && info.Mode().IsRegular() {
					return folder, true
				}
			}
		}
	}
	return "", false
}

// overlay replaces networks and tokenizers of a diffusers folder by those that the
// configuration names.
func overlay(name string, folder flux.Files, w config.Weights) (*partFiles, error) {
	i := slices.IndexFunc(architectures, func(a architecture) bool { return a.name == name })
	p := &partFiles{architecture: architectures[i], files: folder, have: map[string]bool{}}
	err := p.addOthers(w)
	if err == nil && w.Tokenizer != "" {
		err = p.findTokenizers(w.Tokenizer)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}
