package assemble_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
)

var update = flag.Bool("update", false, "write the table of types into the reference")

const reference = "../../docs/reference/configuration.md"

// reference has one row per type, generated from the list of types, and one row for
// every key that a configuration may have.
func TestReferenceListsTypesAndKeys(t *testing.T) {
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	before, rest, found := strings.Cut(text, "-->\n")
	table, after, ended := strings.Cut(rest, "<!-- end of types -->")
	if !found || !ended {
		t.Fatal("the marks of the table of types are gone")
	}
	if want := typesTable(); table != want {
		if !*update {
			t.Errorf("the table of types is old (write it with -update):\n%s", want)
		} else if err := os.WriteFile(reference, []byte(before+"-->\n"+want+"<!-- end of types -->"+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []any{config.Config{}, config.NATS{}, config.Endpoint{}, config.Price{}, config.Generator{}, config.Verifier{}, config.Member{}, config.Reflector{}, config.Refiner{}, config.Parser{}, config.Annotator{}, config.Comparer{}, config.Judge{}, config.Use{}, config.Search{}} {
		for _, key := range keysOf(s) {
			if !strings.Contains(text, "`"+key+"`") {
				t.Errorf("the reference does not explain the key %s of %T", key, s)
			}
		}
	}
}

func typesTable() string {
	var b strings.Builder
	kind := ""
	for _, t := range assemble.Types() {
		if t.Kind != kind {
			kind = t.Kind
			head, line := "| Type | What it is | Keys |", "| --- | --- | --- |"
			if kind == config.Verifiers {
				head, line = head+" Findings for |", line+" --- |"
			}
			_, _ = fmt.Fprintf(&b, "\n### %s%s\n\n%s\n%s\n", strings.ToUpper(kind[:1]), kind[1:], head, line)
		}
		keys := "—"
		if len(t.Keys) > 0 {
			keys = "`" + strings.Join(t.Keys, "`, `") + "`"
		}
		_, _ = fmt.Fprintf(&b, "| `%s` | %s | %s |", t.Name, t.Summary, keys)
		if kind == config.Verifiers {
			_, _ = fmt.Fprintf(&b, " %s |", t.Findings)
		}
		b.WriteByte('\n')
	}
	return b.String() + "\n"
}

// keysOf lists the YAML keys of a struct.
func keysOf(s any) []string {
	var keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(s)) {
		if key, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// Every key of a part's settings belongs to a type of its kind, and every key of a type
// is one of the settings.
func TestTypesHaveTheKeysOfTheirSettings(t *testing.T) {
	for kind, settings := range map[string]any{
		config.Generators: config.Generator{}, config.Verifiers: config.Verifier{}, config.Reflectors: config.Reflector{},
		config.Refiners: config.Refiner{}, config.Parsers: config.Parser{}, config.Annotators: config.Annotator{},
		config.Judges: config.Judge{}, config.Comparers: config.Comparer{},
	} {
		known := map[string]bool{"type": true}
		for _, key := range keysOf(settings) {
			known[key] = known[key] || false
		}
		for _, typ := range assemble.Types() {
			if typ.Kind != kind {
				continue
			}
			for _, key := range typ.Keys {
				if _, ok := known[key]; !ok {
					t.Errorf("%s of type %s: %T has no key %s", kind, typ.Name, settings, key)
				}
				known[key] = true
			}
		}
		for key, used := range known {
			if !used {
				t.Errorf("%s: no type has the key %s", kind, key)
			}
		}
	}
}

// A type that no list has is an error that names those there are, in a file as in a
// record.
func TestUnknownTypes(t *testing.T) {
	for _, kind := range []string{config.Generators, config.Verifiers, config.Reflectors, config.Refiners, config.Parsers, config.Annotators, config.Comparers, config.Judges} {
		text := fmt.Sprintf("endpoints: {e: {url: 'http://localhost/v1'}}\n%s: {p: {type: chatt}}\n", kind)
		_, err := assemble.ParseConfig("f.yaml", []byte(text), "/")
		if err == nil || !strings.Contains(err.Error(), `line 2: `+kind+`.p: type "chatt": use `) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
