package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"reflectionflow"
)

// choose sets the parts in use that the file does not name.
func (c *Config) choose() {
	u := &c.Use
	if c.chosen == nil {
		c.chosen = map[*string]bool{}
	}
	for _, name := range []*string{&u.Verifier, &u.Reflector, &u.Refiner, &u.Parser} {
		c.chosen[name] = c.chosen[name] || *name == ""
	}
	pick(&u.Generator, c.Generators, Embedded)
	pick(&u.Verifier, c.Verifiers, c.standard(Verifiers))
	pick(&u.Reflector, c.Reflectors, c.standard(Reflectors))
	pick(&u.Refiner, c.Refiners, c.standard(Refiners))
	parser := Embedded // an embedded part judges and words what the embedded parser reads
	if !c.usesEmbedded() {
		parser = photo(c.types, Parsers, None)
	}
	pick(&u.Parser, c.Parsers, parser)
	if len(c.Annotators) == 1 {
		pick(&u.Annotator, c.Annotators, Embedded)
	}
	if len(c.Comparers) == 1 {
		pick(&u.Comparer, c.Comparers, "")
	}
}

// chooseAgain sets the parts that were chosen by default as another generator needs them.
func (c *Config) chooseAgain() {
	for name, chosen := range c.chosen {
		if chosen {
			*name = ""
		}
	}
	c.choose()
}

func pick[P any](name *string, parts map[string]P, otherwise string) {
	if *name != "" || len(parts) > 1 {
		return // named, or ambiguous: check reports it
	}
	*name = otherwise
	for only := range parts {
		*name = only
	}
}

// standard is the part of a kind where the configuration has none.
func (c *Config) standard(kind string) string {
	if g := c.Use.Generator; g == Embedded || g == "" || c.Generators[g].Type == Embedded {
		return Embedded
	}
	if c.Generators[c.Use.Generator].Type == Fleet {
		return Fleet
	}
	return photo(c.types, kind, Embedded)
}

// usesEmbedded reports whether a part in use other than the parser is embedded.
func (c *Config) usesEmbedded() bool {
	name := c.Use.Generator
	return name == Embedded || c.Generators[name].Type == Embedded || c.VerifiesEmbedded() || c.ReflectsEmbedded() || c.RefinesEmbedded()
}

// VerifiesEmbedded reports whether the verifier in use is embedded or has an embedded
// member.
func (c *Config) VerifiesEmbedded() bool { return c.verifierUsesEmbedded(c.Use.Verifier) }

// ReflectsEmbedded reports whether the reflector in use is embedded.
func (c *Config) ReflectsEmbedded() bool {
	name := c.Use.Reflector
	return name == Embedded || c.Reflectors[name].Type == Embedded
}

// RefinesEmbedded reports whether the refiner in use is embedded.
func (c *Config) RefinesEmbedded() bool {
	name := c.Use.Refiner
	return name == Embedded || c.Refiners[name].Type == Embedded
}

// ShowsImages reports whether a part sends images to an endpoint: all but parsers do.
func (c *Config) ShowsImages(endpoint string) bool {
	return slices.ContainsFunc(c.parts(), func(p part) bool { return p.endpoint == endpoint && p.kind != Parsers })
}

func (c *Config) verifierUsesEmbedded(name string) bool {
	v := c.Verifiers[name]
	return name == Embedded || v.Type == Embedded ||
		v.Type == Ensemble && slices.ContainsFunc(v.Members, func(m Member) bool {
			return m.Verifier == Embedded || c.Verifiers[m.Verifier].Type == Embedded
		})
}

// NeedsModel reports whether the parts in use need the networks of the embedded model,
// and whether the parser needs its vocabulary.
func (c *Config) NeedsModel() (networks, parser bool) {
	return c.usesEmbedded(), c.Use.Parser == Embedded || c.Parsers[c.Use.Parser].Type == Embedded
}

// part is what check needs of every part.
type part struct{ kind, name, typ, endpoint string }

// check reports the first error, by kind and name.
func (c *Config) check() error {
	if err := c.checkCompute(); err != nil {
		return err
	}
	if err := c.NATS.check(c); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
		if err := c.checkEndpoint("endpoints."+name, name, c.Endpoints[name]); err != nil {
			return err
		}
	}
	for _, p := range c.parts() {
		if err := c.checkPart(p); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Generators)) {
		if err := c.checkGenerator("generators."+name, c.Generators[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Verifiers)) {
		if err := c.checkMembers("verifiers."+name, c.Verifiers[name]); err != nil {
			return err
		}
	}
	return c.checkUse()
}

// checkCompute checks what networks compute on, and takes the precision out of the backend.
func (c *Config) checkCompute() error {
	backend, precision, err := SplitCompute(c.Backend, c.Precision)
	if err != nil {
		return c.Errorf("precision", "%s", strings.TrimPrefix(err.Error(), reflectionflow.ErrInvalid.Error()+": "))
	}
	c.Backend, c.Precision = backend, precision
	return nil
}

// parts lists all entries, sorted by kind and name.
func (c *Config) parts() []part {
	var list []part
	for name, g := range c.Generators {
		list = append(list, part{Generators, name, g.Type, ""})
	}
	for name, v := range c.Verifiers {
		list = append(list, part{Verifiers, name, v.Type, v.Endpoint})
	}
	for name, r := range c.Reflectors {
		list = append(list, part{Reflectors, name, r.Type, r.Endpoint})
	}
	for name, r := range c.Refiners {
		list = append(list, part{Refiners, name, r.Type, r.Endpoint})
	}
	for name, p := range c.Parsers {
		list = append(list, part{Parsers, name, p.Type, p.Endpoint})
	}
	for name, a := range c.Annotators {
		list = append(list, part{Annotators, name, a.Type, a.Endpoint})
	}
	for name, p := range c.Comparers {
		list = append(list, part{Comparers, name, p.Type, p.Endpoint})
	}
	for name, j := range c.Judges {
		list = append(list, part{Judges, name, j.Type, j.Endpoint})
	}
	slices.SortFunc(list, func(a, b part) int { return strings.Compare(a.kind+"."+a.name, b.kind+"."+b.name) })
	return list
}

var (
	nameForm     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

const nameRule = "a name has letters, digits, _ and -, at most 64"

func (c *Config) checkPart(p part) error {
	at := p.kind + "." + p.name
	switch {
	case !nameForm.MatchString(p.name):
		return c.Errorf(at, "%s", nameRule)
	case p.name == Embedded || p.name == None:
		return c.Errorf(at, "the name %q is reserved: choose another one", p.name)
	}
	known, ok := find(c.types, p.kind, p.typ)
	if !ok {
		return c.UnknownType(p.kind, p.name, p.typ)
	}
	for _, path := range slices.Sorted(maps.Keys(c.lines)) {
		key, inside := strings.CutPrefix(path, at+".")
		if inside && key != "type" && !strings.Contains(key, ".") && !slices.Contains(known.Keys, key) {
			return c.Errorf(path, "a part of type %s has no such key", p.typ)
		}
	}
	if slices.Contains(known.Keys, "endpoint") && (p.endpoint != "" || !known.MayAsk) {
		if _, ok := c.Endpoints[p.endpoint]; !ok {
			return c.Errorf(at, "endpoint %.64q is not among the endpoints", p.endpoint)
		}
	}
	return nil
}

func (c *Config) checkEndpoint(at, name string, e Endpoint) error {
	if err := c.checkURL(at, e.URL, "http", "https"); err != nil {
		return err
	}
	switch {
	case !nameForm.MatchString(name):
		return c.Errorf(at, "%s", nameRule)
	case e.KeyEnv != "" && e.KeyFile != "":
		return c.Errorf(at, "key_env and key_file: give one of them")
	case e.KeyEnv != "" && !variableForm.MatchString(e.KeyEnv):
		return c.Errorf(at+".key_env", "this is not the name of an environment variable; do not write the key itself into the file")
	case e.Auth != "" && e.Auth != "bearer" && e.Auth != "basic":
		return c.Errorf(at+".auth", "use bearer or basic")
	case e.Concurrency < 0:
		return c.Errorf(at+".concurrency", "must be 1 or more")
	}
	if e.Timeout != "" {
		if d, err := time.ParseDuration(e.Timeout); err != nil || d <= 0 {
			return c.Errorf(at+".timeout", "must be a time such as 90s or 5m")
		}
	}
	return nil
}

// checkURL refuses a URL that is not of a server or that has a secret in it. Errors do
// not repeat the URL.
func (c *Config) checkURL(at, raw string, schemes ...string) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return c.Errorf(at, "url is missing")
	case err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme):
		return c.Errorf(at+".url", "must begin with %s", strings.Join(schemes, "://, ")+"://")
	case u.User != nil:
		return c.Errorf(at+".url", "it has a user or password: name the variable or file with the secret by key_env or key_file")
	}
	return nil
}

func (c *Config) checkGenerator(at string, g Generator) error {
	switch g.Type {
	case Pool:
		return c.checkPool(at, g)
	case Flux:
		return c.checkFlux(at, g)
	case Fleet:
		return c.checkFleet(at, g)
	case Remote:
	default:
		return nil
	}
	known, _ := find(c.types, Generators, g.Type) // checkPart has found it
	if err := c.checkURL(at, g.URL, known.Schemes...); err != nil {
		return err
	}
	u, _ := url.Parse(g.URL) // parsed just now
	if env := u.Query().Get("key_env"); env != "" && !variableForm.MatchString(env) {
		return c.Errorf(at+".url", "key_env is not the name of an environment variable; do not write the key itself into the URL")
	}
	return nil
}

func (c *Config) checkFlux(at string, g Generator) error {
	switch {
	case g.Model == "":
		return c.Errorf(at, "model is missing: name a diffusers folder, or a file with the transformer")
	case !(g.Img2Img >= 0 && g.Img2Img <= 1):
		return c.Errorf(at+".img2img", "must be from 0 (off) to 1")
	case !(g.Guidance >= 0) || g.Steps < 0:
		return c.Errorf(at, "steps and guidance must not be negative")
	}
	for i, l := range g.LoRAs {
		if l.Path == "" {
			return c.Errorf(fmt.Sprintf("%s.loras.%d", at, i+1), "path is missing")
		}
	}
	if g.Size != "" {
		if _, _, err := ParseSize(g.Size); err != nil {
			return c.Errorf(at+".size", "%v", err)
		}
	}
	if g.Memory != "" {
		if _, err := ParseMemory(g.Memory); err != nil {
			return c.Errorf(at+".memory", "%v", err)
		}
	}
	return nil
}

// check reports addresses of NATS that cannot be used. The URL may be missing.
func (n NATS) check(c *Config) error {
	if n.Replicas < 0 || n.Replicas > 5 {
		return c.Errorf("nats.replicas", "must be from 1 to 5")
	}
	if n.URL == "" {
		return nil
	}
	for server := range strings.SplitSeq(n.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		switch {
		case err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls":
			return c.Errorf("nats.url", "must begin with nats:// or tls://, several servers are separated by commas")
		case u.User != nil:
			return c.Errorf("nats.url", "it has a user or password: name the file with the credentials by creds")
		}
	}
	return nil
}

func (c *Config) checkFleet(at string, g Generator) error {
	switch {
	case g.Model == "":
		return c.Errorf(at, "model is missing: name the model that the workers run")
	case !(g.Guidance >= 0) || g.Steps < 0:
		return c.Errorf(at, "steps and guidance must not be negative")
	}
	if g.Size != "" {
		if _, _, err := ParseSize(g.Size); err != nil {
			return c.Errorf(at+".size", "%v", err)
		}
	}
	return nil
}

func (c *Config) checkPool(at string, g Generator) error {
	if len(g.Members) == 0 {
		return c.Errorf(at, "a pool needs members")
	}
	for i, name := range g.Members {
		if c.Generators[name].Type != Remote {
			return c.Errorf(fmt.Sprintf("%s.members.%d", at, i+1), "%.64q is not a generator of type remote", name)
		}
	}
	return nil
}

func (c *Config) checkMembers(at string, v Verifier) error {
	if v.Type == Ensemble && len(v.Members) == 0 {
		return c.Errorf(at, "an ensemble needs members")
	}
	for i, m := range v.Members {
		member := fmt.Sprintf("%s.members.%d", at, i+1)
		inner, ok := c.Verifiers[m.Verifier]
		switch {
		case !ok && m.Verifier != Embedded:
			return c.Errorf(member, "verifier %.64q is not among the verifiers", m.Verifier)
		case inner.Type == Ensemble:
			return c.Errorf(member, "an ensemble cannot be a member of another")
		}
	}
	return nil
}

func (c *Config) checkUse() error {
	u := c.Use
	if u.Annotator != "" && !has(c.Annotators, u.Annotator) {
		return c.Errorf("use.annotator", "there is no %.64q", u.Annotator)
	}
	switch {
	case u.Comparer != "" && !has(c.Comparers, u.Comparer):
		return c.Errorf("use.comparer", "there is no %.64q", u.Comparer)
	case u.Comparer == "" && len(c.Comparers) > 1:
		return c.Errorf("use.comparer", "there are several: name one of %s", strings.Join(slices.Sorted(maps.Keys(c.Comparers)), ", "))
	}
	for _, chosen := range []struct {
		key, name string
		exists    bool
		list      []string
	}{
		{"generator", u.Generator, has(c.Generators, u.Generator), names(c.Generators)},
		{"verifier", u.Verifier, has(c.Verifiers, u.Verifier), names(c.Verifiers)},
		{"reflector", u.Reflector, has(c.Reflectors, u.Reflector), names(c.Reflectors)},
		{"refiner", u.Refiner, has(c.Refiners, u.Refiner), names(c.Refiners)},
		{"parser", u.Parser, has(c.Parsers, u.Parser), append(names(c.Parsers), None)},
	} {
		if chosen.exists || chosen.name == Embedded || chosen.key == "parser" && chosen.name == None || alone(c.types, chosen.key+"s", chosen.name) {
			continue
		}
		path := "use." + chosen.key
		if chosen.name == "" {
			return c.Errorf(path, "there are several: name one of %s", strings.Join(chosen.list, ", "))
		}
		return c.Errorf(path, "there is no %.64q: use %s", chosen.name, strings.Join(chosen.list, ", "))
	}
	return nil
}

func has[P any](parts map[string]P, name string) bool {
	_, ok := parts[name]
	return ok
}

func names[P any](parts map[string]P) []string {
	return append(slices.Sorted(maps.Keys(parts)), Embedded)
}

// UnknownType is the error of a part whose type is not among those of its kind.
func (c *Config) UnknownType(kind, name, typ string) error {
	return c.Errorf(kind+"."+name, "type %.40q: use %s", typ, typeNames(c.types, kind))
}
