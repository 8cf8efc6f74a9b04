package config

import (
	"maps"
	"net/url"
	"path/filepath"
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
	for name, e := range c.Endpoints {
		e.KeyFile = in(e.KeyFile)
		if e.Cache != None {
			e.Cache = in(e.Cache)
		}
		c.Endpoints[name] = e
	}
	for name, v := range c.Verifiers {
		v.Prompt, v.Calibration = in(v.Prompt), in(v.Calibration)
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
		j.Prompt = in(j.Prompt)
		c.Judges[name] = j
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

// Used returns a copy of the configuration with only the parts in use and their
// endpoints. It has no settings of the search, which a record keeps in their own form.
func (c *Config) Used() *Config {
	u := c.Use
	u.Annotator = ""
	used := &Config{Use: u, types: c.types, file: c.file, lines: c.lines}
	if networks, parser := c.NeedsModel(); networks || parser {
		used.Model, used.Backend = c.Model, c.Backend
	}
	used.Generators = only(c.Generators, append([]string{u.Generator}, c.Generators[u.Generator].Members...)...)
	used.Reflectors = only(c.Reflectors, u.Reflector)
	used.Refiners = only(c.Refiners, u.Refiner)
	used.Parsers = only(c.Parsers, u.Parser)
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
	for _, j := range c.Judges {
		files[j.Prompt] = true
	}
	for _, g := range c.Generators {
		if u, err := url.Parse(g.URL); err == nil {
			files[u.Query().Get("workflow")], files[u.Query().Get("edit")] = true, true
		}
	}
	delete(files, "")
	return slices.Sorted(maps.Keys(files))
}
