package config

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// pathParams are the parameters of a generator's URL that name files.
var pathParams = []string{"workflow", "edit", "key_file"}

// resolve makes all paths absolute.
func (c *Config) resolve(dir string) {
	in := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	if strings.ContainsRune(c.Model, filepath.Separator) {
		c.Model = in(c.Model)
	}
	c.NATS.Creds, c.NATS.CA = in(c.NATS.Creds), in(c.NATS.CA)
	for name, e := range c.Endpoints {
		e.KeyFile = in(e.KeyFile)
		if e.Cache != None {
			e.Cache = in(e.Cache)
		}
		c.Endpoints[name] = e
	}
	for name, v := range c.Verifiers {
		v.Prompt, v.Calibration, v.Path, v.Head = in(v.Prompt), in(v.Calibration), in(v.Path), in(v.Head)
		c.Verifiers[name] = v
	}
	for name, r := range c.Reflectors {
		r.Prompt = in(r.Prompt)
		c.Reflectors[name] = r
	}
	for name, r := range c.Refiners {
		r.Prompt = in(r.Prompt)
		c.Refiners[name] = r
	}
	for name, p := range c.Parsers {
		p.Prompt = in(p.Prompt)
		c.Parsers[name] = p
	}
	for name, a := range c.Annotators {
		a.Prompt = in(a.Prompt)
		c.Annotators[name] = a
	}
	for name, j := range c.Judges {
		j.OWLv2, j.CLIP = in(j.OWLv2), in(j.CLIP)
		c.Judges[name] = j
	}
	for name, g := range c.Generators {
		c.Generators[name] = g.resolve(in)
	}
	for name, g := range c.Generators {
		u, err := url.Parse(g.URL)
		if err != nil {
			continue // check refuses it
		}
		q := u.Query()
		for _, param := range pathParams {
			if path := q.Get(param); path != "" && !filepath.IsAbs(path) {
				q.Set(param, in(path))
				u.RawQuery = q.Encode()
			}
		}
		g.URL = u.String()
		c.Generators[name] = g
	}
}

// resolve makes the paths of the files absolute. A model that is not there and has the
// form org/name stays: it may be in the cache of Hugging Face.
func (g Generator) resolve(in func(string) string) Generator {
	if g.Type == Fleet {
		return g // its model is a name
	}
	for _, path := range []*string{&g.TextEncoder, &g.TextEncoder2, &g.VAE, &g.Tokenizer, &g.Corrector} {
		*path = in(*path)
	}
	g.LoRAs = slices.Clone(g.LoRAs)
	for i := range g.LoRAs {
		g.LoRAs[i].Path = in(g.LoRAs[i].Path)
	}
	if _, err := os.Lstat(in(g.Model)); err == nil || !repositoryForm.MatchString(g.Model) {
		g.Model = in(g.Model)
	}
	return g
}

// Paths lists the files and folders that are named, and the model.
func (w Weights) Paths() []string {
	paths := []string{w.Model, w.TextEncoder, w.TextEncoder2, w.VAE, w.Tokenizer, w.Corrector}
	for _, l := range w.LoRAs {
		paths = append(paths, l.Path)
	}
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" })
}

// repositoryForm is that of a model's name at Hugging Face, of a file there, or of one in
// a folder of models.
var repositoryForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,5}$`)

// IsModelName tells the name of a model from the path of one.
func IsModelName(model string) bool { return repositoryForm.MatchString(model) }

// Used returns a copy of the configuration with only the parts in use and their
// endpoints. It has no settings of the search, which a record keeps in their own form.
func (c *Config) Used() *Config {
	u := c.Use
	u.Annotator = ""
	used := &Config{Use: u, types: c.types, file: c.file, lines: c.lines, given: c.given}
	if networks, parser := c.NeedsModel(); networks || parser {
		used.Model, used.Backend, used.Precision = c.Model, c.Backend, c.Precision
	}
	used.Generators = only(c.Generators, append([]string{u.Generator}, c.Generators[u.Generator].Members...)...)
	if c.Generators[u.Generator].Type == Fleet {
		used.NATS = c.NATS
	}
	used.Reflectors = only(c.Reflectors, u.Reflector)
	used.Refiners = only(c.Refiners, u.Refiner)
	used.Parsers = only(c.Parsers, u.Parser)
	used.Comparers = only(c.Comparers, u.Comparer)
	verifiers := []string{u.Verifier}
	for _, m := range c.Verifiers[u.Verifier].Members {
		verifiers = append(verifiers, m.Verifier)
	}
	used.Verifiers = only(c.Verifiers, verifiers...)
	var endpoints []string
	for _, p := range used.parts() {
		endpoints = append(endpoints, p.endpoint)
	}
	used.Endpoints = only(c.Endpoints, endpoints...)
	return used
}

func only[P any](parts map[string]P, names ...string) map[string]P {
	kept := map[string]P{}
	for _, name := range names {
		if p, ok := parts[name]; ok {
			kept[name] = p
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// Files lists the files that the parts are built from, sorted: prompts, calibrations,
// workflows. Files of secrets are not among them.
func (c *Config) Files() []string {
	files := map[string]bool{}
	for _, v := range c.Verifiers {
		files[v.Prompt], files[v.Calibration] = true, true
	}
	for _, r := range c.Reflectors {
		files[r.Prompt] = true
	}
	for _, r := range c.Refiners {
		files[r.Prompt] = true
	}
	for _, p := range c.Parsers {
		files[p.Prompt] = true
	}
	for _, g := range c.Generators {
		if u, err := url.Parse(g.URL); err == nil {
			files[u.Query().Get("workflow")], files[u.Query().Get("edit")] = true, true
		}
	}
	delete(files, "")
	return slices.Sorted(maps.Keys(files))
}
