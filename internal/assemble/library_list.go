package assemble

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/lora"
	"reflectionflow/weights"
)

// Found is a model of a library, described by its files.
type Found struct {
	Name    string // by which [Library.Find] finds it
	Path    string
	Bytes   int64  // of the files that are loaded
	What    string // one line
	License string // as the model's card names it; empty if it does not
	Err     error  // why it cannot be read
}

// Bounds on what is read of a library, against mistakes such as a whole disk.
const (
	maxFound    = 1000
	maxDepth    = 3
	maxCardHead = 64 << 10
	maxIndex    = 1 << 20
)

// List describes the models of the library, in the order of their names: those of the
// folders first. Files of a cache that are of no known kind are left out. A place that
// is not there is empty; damaged models are listed with their error.
func (l Library) List() []Found {
	var list []Found
	for _, folder := range l.Folders {
		list = append(list, listFolder(folder)...)
	}
	for _, cache := range l.Caches {
		list = append(list, listCache(cache)...)
	}
	return list[:min(len(list), maxFound)]
}

// listFolder lists the models of a folder of models, a few folders deep.
func listFolder(root string) []Found {
	f := finder{root: root}
	f.walk("", maxDepth)
	return f.found
}

// listCache lists the repositories of a cache.
func listCache(cache string) []Found {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return nil // there is none
	}
	var list []Found
	for _, e := range entries {
		owner, name, ok := strings.Cut(strings.TrimPrefix(e.Name(), "models--"), "--")
		if !ok || !strings.HasPrefix(e.Name(), "models--") || len(list) >= maxFound {
			continue
		}
		repository := owner + "/" + name
		snapshot, err := snapshotOf(filepath.Join(cache, e.Name()))
		if err != nil {
			list = append(list, Found{Name: repository, Path: filepath.Join(cache, e.Name()), Err: errors.New("the download is incomplete")})
			continue
		}
		f := finder{root: snapshot, name: repository, known: true}
		f.walk("", maxDepth)
		list = append(list, f.found...)
	}
	return list
}

// finder collects the models below a folder.
type finder struct {
	root  string
	name  string // before the names of what is found
	known bool   // leave out what is of no known kind
	found []Found
}

// walk looks into a folder below the root: it is a model, or has models in it.
func (f *finder) walk(dir string, depth int) {
	if len(f.found) >= maxFound {
		return
	}
	here := filepath.Join(f.root, dir)
	if _, err := os.Stat(filepath.Join(here, "model_index.json")); err == nil {
		f.found = append(f.found, describeFolder(f.named(dir), here))
		return
	}
	entries, err := os.ReadDir(here)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.found = append(f.found, Found{Name: f.named(dir), Path: here, Err: cannotRead(err)})
		}
		return
	}
	for _, e := range entries {
		inside := path.Join(dir, e.Name())
		info, err := os.Stat(filepath.Join(here, e.Name())) // of what a symbolic link leads to
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case err != nil:
			if isWeights(e.Name()) {
				f.found = append(f.found, Found{Name: f.named(inside), Path: filepath.Join(here, e.Name()), Err: cannotRead(err)})
			}
		case info.IsDir() && depth > 1:
			f.walk(inside, depth-1)
		case info.Mode().IsRegular() && isWeights(e.Name()) && len(f.found) < maxFound:
			found := describeFile(f.named(inside), filepath.Join(here, e.Name()), info.Size())
			if found.What != "" || !f.known {
				found.License = license(f.root)
				f.found = append(f.found, found)
			}
		}
	}
}

func (f *finder) named(inside string) string { return path.Join(f.name, inside) }

func isWeights(name string) bool {
	return slices.Contains([]string{".safetensors", ".gguf"}, strings.ToLower(path.Ext(name)))
}

// cannotRead words an error of the file system without its path, which is said already.
func cannotRead(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("cannot be read: %w", e.Err)
	}
	return err
}

// describeFolder describes a diffusers folder.
func describeFolder(name, dir string) Found {
	found := Found{Name: name, Path: dir, License: license(dir)}
	var index struct {
		Class     string `json:"_class_name"`
		Distilled *bool  `json:"is_distilled"`
	}
	if err := readJSON(filepath.Join(dir, "model_index.json"), &index); err != nil {
		found.Err = err
		return found
	}
	found.What = pipelineName(index.Class, dir)
	switch {
	case index.Class != "Flux2KleinPipeline" || index.Distilled == nil:
	case *index.Distilled:
		found.What += ", distilled"
	default:
		found.What += ", base"
	}
	if lacks := missingParts(dir); len(lacks) > 0 {
		found.What += "; incomplete: no weights in " + strings.Join(lacks, ", ")
	}
	names, err := flux.ModelFiles(os.DirFS(dir))
	if err != nil {
		found.Err = cannotRead(err)
	}
	for _, file := range names {
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(file))); err == nil && loads(file) {
			found.Bytes += info.Size()
		}
	}
	return found
}

// missingParts lists the networks that the folder's index names and that have no weights,
// or not all files of a split one.
func missingParts(dir string) []string {
	var index map[string]json.RawMessage
	if readJSON(filepath.Join(dir, "model_index.json"), &index) != nil {
		return nil
	}
	var lacks []string
	for _, part := range slices.Sorted(maps.Keys(index)) {
		var class [2]*string
		if json.Unmarshal(index[part], &class) != nil || class[1] == nil || !filepath.IsLocal(part) {
			continue
		}
		if (strings.HasSuffix(*class[1], "Model") || part == "transformer" || part == "vae") && !hasWeights(filepath.Join(dir, part)) {
			lacks = append(lacks, part)
		}
	}
	return lacks
}

// hasWeights reports whether a folder has weights, and of split ones all files.
func hasWeights(dir string) bool {
	entries, _ := os.ReadDir(dir) // one that is not there has none
	some := false
	for _, e := range entries {
		file := filepath.Join(dir, e.Name())
		if _, err := os.Stat(file); err != nil {
			return false // a link of a cache that leads nowhere
		}
		some = some || isWeights(e.Name())
		var split struct {
			Files map[string]string `json:"weight_map"`
		}
		if !strings.HasSuffix(e.Name(), ".safetensors.index.json") || readJSON(file, &split) != nil {
			continue
		}
		for _, name := range split.Files {
			if _, err := os.Stat(filepath.Join(dir, filepath.Base(name))); err != nil {
				return false
			}
		}
	}
	return some
}

// describeFile describes a file of weights by its tensors; What is empty for one of no
// known kind.
func describeFile(name, place string, size int64) Found {
	found := Found{Name: name, Path: place, Bytes: size}
	file, err := weights.Open(place)
	if err != nil {
		found.Err = errors.New(strings.TrimPrefix(strings.TrimPrefix(err.Error(), reflectionflow.ErrInvalid.Error()+": "), filepath.Base(place)+": "))
		found.What = "a damaged file"
		return found
	}
	defer func() { _ = file.Close() }() // it was only read
	var parts []string
	for _, part := range flux.Identify(file) {
		if part.Kind == "LoRA" { // its model is the name of a tensor
			what := "LoRA"
			if model := lora.MadeFor(file.Names()); model != "" {
				what += " for " + model
			}
			parts = append(parts, what)
			continue
		}
		parts = append(parts, part.Kind+" "+part.Model)
	}
	if len(parts) > 0 {
		found.What = fmt.Sprintf("%s: %s, %s", file.Format(), strings.Join(parts, ", "), commonType(file))
	}
	return found
}

// commonType is the type that most parameters of a file are stored in.
func commonType(source weights.Source) string {
	elements := map[string]int{}
	common := ""
	for _, name := range source.Names() {
		info, err := source.Info(name)
		if err != nil {
			return "unreadable"
		}
		elements[info.Type] += info.Elements()
		if n := elements[info.Type]; common == "" || n > elements[common] || n == elements[common] && info.Type < common {
			common = info.Type
		}
	}
	return common
}

// readJSON reads a JSON file of at most 1 MiB.
func readJSON(place string, into any) error {
	name := filepath.Base(place)
	info, err := os.Stat(place)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxIndex) {
		return fmt.Errorf("%s is no file of at most %d bytes", name, maxIndex)
	}
	data, err := os.ReadFile(place)
	if err != nil {
		return fmt.Errorf("%s %w", name, cannotRead(err))
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s is no JSON object", name)
	}
	return nil
}

// pipelineName says what a pipeline's class is, and whether this program runs it.
func pipelineName(class, dir string) string {
	var transformer struct {
		Guidance *bool `json:"guidance_embeds"`
	}
	_ = readJSON(filepath.Join(dir, "transformer", "config.json"), &transformer) // then it is of no known variant
	switch {
	case class == "FluxPipeline" && transformer.Guidance != nil && *transformer.Guidance:
		return "FLUX.1 with guidance (as dev and Krea)"
	case class == flux1.KontextClass:
		return "FLUX.1 Kontext"
	case class == "Flux2KleinPipeline":
		return "FLUX.2 [klein]"
	case class == "FluxPipeline":
		return "FLUX.1 without guidance (as schnell)"
	}
	return class + ", which this program does not run"
}

// license is the license that a model's card names in its head, empty if there is none.
func license(dir string) string {
	card := filepath.Join(dir, "README.md")
	if info, err := os.Stat(card); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(card)
	if err != nil {
		return ""
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, maxCardHead))
	if err != nil {
		return ""
	}
	named := ""
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(head, []byte("\ufeff"))))
	for n := 0; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if n == 0 && line != "---" || n > 0 && line == "---" {
			break
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		switch {
		case len(value) > 64:
		case key == "license_name":
			return value
		case key == "license":
			named = value
		}
	}
	return named
}
