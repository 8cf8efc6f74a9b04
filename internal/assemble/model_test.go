package assemble_test

import (
	"testing"
	"testing/fstest"

	"reflectionflow/internal/assemble"
)

// What decides the images decides the fingerprint; the card, the recipe and stray files do not.
func TestFingerprint(t *testing.T) {
	of := func(files map[string]string) string {
		fsys := fstest.MapFS{}
		for name, text := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		sum, err := assemble.Fingerprint(t.Context(), fsys)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	want := of(map[string]string{"vae/config.json": "{}", "README.md": "a model", "recipe.yaml": "base:"})
	for name, c := range map[string]struct {
		files map[string]string
		same  bool
	}{
		"no card and no recipe": {map[string]string{"vae/config.json": "{}"}, true},
		"another card":          {map[string]string{"vae/config.json": "{}", "README.md": "a good model", "recipe.yaml": "base: 2"}, true},
		"checksums":             {map[string]string{"vae/config.json": "{}", "SHA256SUMS": "0  vae/config.json", "adapter_config.json": "{}"}, true},
		"a stray file":          {map[string]string{"vae/config.json": "{}", ".DS_Store": "x", "run.log": "x"}, true},
		"other weights":         {map[string]string{"vae/config.json": "{ }"}, false},
		"another name":          {map[string]string{"vae/config": "{}"}, false},
		"one file more":         {map[string]string{"vae/config.json": "{}", "policy.json": ""}, false},
	} {
		if got := of(c.files); (got == want) != c.same {
			t.Errorf("%s: got %s, the model's is %s", name, got, want)
		}
	}
}
