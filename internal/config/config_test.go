package config_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
)

const whole = `# everything that there is
model: ./mine
endpoints:
  vlm: {url: "https://api.example.com/v1", model: m, key_env: VLM_KEY, concurrency: 2, timeout: 90s, cache: replies, price: {input_per_million: 0.4}}
  nvila: {url: "http://localhost:9000/v1", key_file: key.txt, cache: none}
  spare: {url: "http://localhost:9001/v1"}
generators:
  flux: {type: remote, url: "sdcpp+http://localhost:1234", size: 512, steps: 20, guidance: 3.5}
  comfy: {type: remote, url: "comfyui+http://localhost:8188?workflow=draw.json"}
verifiers:
  seen: {type: chat, endpoint: vlm, prompt: seen.txt}
  yes: {type: yes-no, endpoint: nvila, wording: wrapped, calibration: yes.json}
  both: {type: ensemble, method: mean, members: [{verifier: seen, weight: 2}, {verifier: yes}, {verifier: embedded}]}
reflectors:
  words: {type: chat, endpoint: vlm, wording: tuned}
refiners:
  rewrite: {type: chat, endpoint: vlm, words: 60}
annotators:
  pairs: {type: chat, endpoint: spare, prompt: pairs.txt}
use: {generator: flux, verifier: both}
search: {strategy: reflection, budget: 16, width: 4, seed: 7, early_stop: false, axes: [noise, prompt]}
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := assemble.ParseConfig("f.yaml", []byte(text), "/there")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhole(t *testing.T) {
	c := parse(t, whole)
	if c.Use != (config.Use{"flux", "both", "words", "rewrite", config.Embedded, "pairs", ""}) {
		t.Errorf("in use: %+v", c.Use)
	}
	if c.Search.Budget != "16" || *c.Search.Width != 4 || *c.Search.Seed != 7 || *c.Search.EarlyStop || c.Search.Depth != nil {
		t.Errorf("search: %+v", c.Search)
	}
	if got := c.Generators["comfy"].URL; got != "comfyui+http://localhost:8188?workflow=%2Fthere%2Fdraw.json" {
		t.Errorf("the workflow is not relative to the file: %s", got)
	}
	if c.Endpoints["nvila"].Cache != config.None || c.Endpoints["vlm"].Cache != filepath.FromSlash("/there/replies") || c.Model != filepath.FromSlash("/there/mine") {
		t.Errorf("paths: %+v, %s", c.Endpoints, c.Model)
	}
	if c.Annotators["pairs"].Prompt != filepath.FromSlash("/there/pairs.txt") {
		t.Errorf("annotators: %+v", c.Annotators)
	}
	used := c.Used()
	if len(used.Endpoints) != 2 || len(used.Generators) != 1 || len(used.Verifiers) != 3 || used.Search.Budget != "" {
		t.Errorf("more or less is used than there should be: %+v", used)
	}
	if want := []string{"/there/seen.txt", "/there/yes.json"}; !slices.Equal(used.Files(), want) {
		t.Errorf("files %v, want %v", used.Files(), want)
	}
	if networks, parser := used.NeedsModel(); !networks || !parser {
		t.Error("an embedded member of the ensemble needs the model")
	}
}

// The record is the same after any number of ways there and back.
func TestRecord(t *testing.T) {
	first, err := json.Marshal(parse(t, whole).Used())
	if err != nil {
		t.Fatal(err)
	}
	again, err := config.FromRecord(first, assemble.Types())
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := json.Marshal(again.Used()); string(second) != string(first) {
		t.Errorf("%s\nbecame %s", first, second)
	}
	if _, err := config.FromRecord([]byte(`{"use":{},"surprise":1}`), assemble.Types()); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a damaged record: %v", err)
	}
}

func TestDefaults(t *testing.T) {
	c := parse(t, "search: {budget: 2}")
	if c.Use != (config.Use{config.Embedded, config.Embedded, config.Embedded, config.Embedded, config.Embedded, "", ""}) {
		t.Errorf("nothing is named: %+v", c.Use)
	}
	c = parse(t, `
endpoints: {e: {url: "http://h/v1"}}
generators: {g: {type: remote, url: "openai+http://h/v1"}}
verifiers: {v: {type: chat, endpoint: e}}
reflectors: {r: {type: chat, endpoint: e}}
refiners: {w: {type: chat, endpoint: e}}
`)
	if c.Use != (config.Use{"g", "v", "r", "w", "english", "", ""}) {
		t.Errorf("nothing is embedded: %+v", c.Use)
	}
}

// Every bad configuration is one line that says where, and repeats no value that
// could be a secret.
func TestBad(t *testing.T) {
	const e = "endpoints: {e: {url: \"http://h/v1\"}}\n"
	for _, test := range []struct{ name, text, want string }{
		{"empty", "# nothing\n", "the configuration is empty"},
		{"no YAML", "a: [1\nb: 2", "line"},
		{"tab", "endpoints:\n\tvlm: 1", "line 2: this is not YAML"},
		{"list", "- a\n- b\n", "line 1: the value must be a group of keys"},
		{"two documents", e + "---\nmodel: x\n", "a second document"},
		{"unknown key", "model: x\nmodels: y\n", `line 2: unknown key "models"`},
		{"unknown key inside", "endpoints:\n  vlm:\n    url: http://h/v1\n    api_key: sk-hidden\n", `line 4: unknown key "api_key"`},
		{"key twice", e + "model: x\nmodel: y\n", `line 3: the key "model" is given twice, first in line 2`},
		{"text for number", "endpoints:\n  vlm:\n    url: http://h/v1\n    concurrency: sk-hidden\n", "line 4: the value must be a whole number"},
		{"group for text", "model: {a: sk-hidden}\n", "line 1: the value must be a text"},
		{"unknown anchor", "endpoints:\n  e:\n    key_env: *sk-hidden\n", "line 3: this is not YAML: unknown anchor"},
		{"no url", "endpoints: {e: {model: m}}\n", "endpoints.e: url is missing"},
		{"scheme", "endpoints:\n  e:\n    url: ftp://h\n", "line 3: endpoints.e.url: must begin with http://, https://"},
		{"password in URL", "endpoints: {e: {url: \"http://me:sk-hidden@h/v1\"}}\n", "it has a user or password"},
		{"key for variable", "endpoints:\n  e:\n    url: http://h/v1\n    key_env: sk-hidden\n", "line 4: endpoints.e.key_env: this is not the name of an environment variable"},
		{"two secrets", "endpoints: {e: {url: \"http://h/v1\", key_env: A, key_file: b}}\n", "give one of them"},
		{"timeout", "endpoints: {e: {url: \"http://h/v1\", timeout: soon}}\n", "must be a time such as 90s"},
		{"type", "verifiers:\n  v: {type: guess}\n", `line 2: verifiers.v: type "guess": use chat, clip, coco, embedded, ensemble, fleet, owlv2, reward, siglip, yes-no`},
		{"foreign key", e + "verifiers:\n  v:\n    type: chat\n    endpoint: e\n    members: []\n", "line 6: verifiers.v.members: a part of type chat has no such key"},
		{"no endpoint", e + "reflectors:\n  r: {type: chat, endpoint: f}\n", `line 3: reflectors.r: endpoint "f" is not among the endpoints`},
		{"taken name", "refiners: {embedded: {type: embedded}}\n", `"embedded" is reserved`},
		{"odd name", "refiners: {\"a b\": {type: embedded}}\n", "a name has letters"},
		{"generator", "generators: {g: {type: remote, url: \"http://h\"}}\n", "must begin with openai+http://"},
		{"generator's password", "generators: {g: {type: remote, url: \"openai+http://a:sk-hidden@h\"}}\n", "it has a user or password"},
		{"generator's key", "generators: {g: {type: remote, url: \"openai+http://h?key_env=sk-hidden\"}}\n", "not the name of an environment variable"},
		{"several", "refiners: {a: {type: embedded}, b: {type: embedded}}\n", "use.refiner: there are several: name one of a, b, embedded"},
		{"not there", "model: x\nuse: {parser: p}\n", `line 2: use.parser: there is no "p": use embedded, none`},
		{"no members", "verifiers: {v: {type: ensemble}}\n", "an ensemble needs members"},
		{"unknown member", "verifiers: {v: {type: ensemble, members: [{verifier: w}]}}\n", `line 1: verifiers.v.members.1: verifier "w" is not among`},
		{"nested", "verifiers: {v: {type: ensemble, members: [{verifier: w}]}, w: {type: ensemble, members: [{verifier: v}]}}\n", "cannot be a member of another"},
		{"empty pool", "generators: {p: {type: pool}}\n", "a pool needs members"},
		{"member of a pool", "generators: {p: {type: pool, members: [q]}, q: {type: embedded}}\nuse: {generator: p}\n", `generators.p.members.1: "q" is not a generator of type remote`},
		{"pool with a URL", "generators: {p: {type: pool, url: \"http://h\", members: [q]}}\n", "a part of type pool has no such key"},
		{"seed", e + "verifiers:\n  v:\n    type: chat\n    endpoint: e\n    seed: 9223372036854775808\n", "line 6: verifiers.v.seed: must be from 0 to 9223372036854775807"},
		{"no annotator", "use: {annotator: a}\n", `use.annotator: there is no "a"`},
		{"embedded annotator", "annotators: {a: {type: embedded}}\n", `type "embedded": use chat`},
		{"too long", "#" + strings.Repeat("x", 1<<20), "more than"},
	} {
		_, err := assemble.ParseConfig("f.yaml", []byte(test.text), "/there")
		switch {
		case !errors.Is(err, reflectionflow.ErrInvalid):
			t.Errorf("%s: %v is not ErrInvalid", test.name, err)
		case !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "f.yaml"):
			t.Errorf("%s: %q, want %q", test.name, err, test.want)
		case strings.Contains(err.Error(), "hidden"):
			t.Errorf("%s: the error repeats a secret: %v", test.name, err)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: not one line: %q", test.name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("a: &a [*a, *a]\nb: !!int x\n? {}\n"))
	f.Add([]byte("use: {generator: embedded}\n---\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := assemble.ParseConfig("f.yaml", data, "/there")
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		record, err := json.Marshal(c.Used())
		if err != nil {
			t.Fatal(err) // NaN and the like
		}
		if _, err := config.FromRecord(record, assemble.Types()); err != nil {
			t.Fatalf("%v\n%s", err, record)
		}
	})
}

// Parts of different kinds may share a name: each counts by its own type.
func TestEmbeddedPartsOfOneName(t *testing.T) {
	c := parse(t, `
endpoints: {e: {url: "http://localhost/v1"}, p: {url: "http://localhost:2/v1"}}
generators: {x: {type: remote, url: "sdcpp+http://localhost:1"}}
verifiers: {x: {type: chat, endpoint: e}}
reflectors: {x: {type: embedded}}
refiners: {x: {type: chat, endpoint: e}}
parsers: {x: {type: chat, endpoint: p}}
`)
	if networks, parser := c.NeedsModel(); !networks || parser {
		t.Errorf("needs networks %v, the parser %v", networks, parser)
	}
	if c.VerifiesEmbedded() {
		t.Error("the verifier is not embedded")
	}
	if !c.ShowsImages("e") || c.ShowsImages("p") {
		t.Error("all but parsers show pictures")
	}
}

// A generator given beside the file takes the place of all of the file's, whatever
// their names and keys.
func TestDrawWithReplaces(t *testing.T) {
	c := parse(t, `
generators:
  url: {type: pool, members: [a]}
  a: {type: remote, url: "sdcpp+http://localhost:1"}
use: {generator: url}
`)
	if err := c.UseGenerator("sdcpp+http://localhost:2", "/there"); err != nil {
		t.Fatal(err)
	}
	if err := c.UseGenerator("http://localhost:2", "/there"); err == nil || !strings.Contains(err.Error(), ": --generator: must begin with") {
		t.Errorf("got %v, which points to a line of a generator that is gone", err)
	}
}

func TestParseMemory(t *testing.T) {
	for text, want := range map[string]int64{"8GB": 8e9, "7.5 gb": 75e8, "6GiB": 6 << 30, "800MB": 8e8, "1000": 1000, "2g": 2e9} {
		if got, err := config.ParseMemory(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GB", "-1GB", "0", "NaN", "InfGB", "1e99GB", "8 apples", "0x"} {
		if got, err := config.ParseMemory(text); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

// A generator of type flux needs a model, and values that make sense.
func TestFluxGenerators(t *testing.T) {
	types := []config.Type{{Kind: config.Generators, Name: config.Flux, Keys: []string{"model", "loras", "img2img", "memory", "size", "steps", "guidance", "vae"}}}
	for text, want := range map[string]string{
		"{type: flux}":                                  "line 1: generators.g: model is missing",
		"{type: flux, model: m, img2img: 2}":            "generators.g.img2img: must be from 0 (off) to 1",
		"{type: flux, model: m, loras: [{weight: 1}]}":  "generators.g.loras.1: path is missing",
		"{type: flux, model: m, memory: lots}":          "generators.g.memory: ",
		"{type: flux, model: m, size: 7x}":              "generators.g.size: ",
		"{type: flux, model: m, steps: -1}":             "steps and guidance must not be negative",
		"{type: flux, model: m, loras: [{file: a}]}":    "unknown key",
		"{type: flux, model: m, url: http://localhost}": "a part of type flux has no such key",
	} {
		_, err := config.Parse("f.yaml", []byte("generators: {g: "+text+"}\n"), "/", types)
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	c, err := config.Parse("f.yaml", []byte("generators: {g: {type: flux, model: org/name, vae: ae.safetensors, loras: [{path: a}, {path: /b}]}}\n"), "/models", types)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Generators["g"]; got.Model != "org/name" || got.VAE != "/models/ae.safetensors" || got.LoRAs[0].Path != "/models/a" || got.LoRAs[1].Path != "/b" {
		t.Errorf("%+v", got)
	}
}
