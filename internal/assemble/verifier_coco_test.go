package assemble_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"reflectionflow/internal/assemble"
)

// A generator of photographs has the parts for photographs without any configuration, and a prompt of
// which its verifier can judge nothing gets one note.
func TestPartsForPhotographs(t *testing.T) {
	env := assemble.Environment{Models: assemble.Embedded(), LookupEnv: os.LookupEnv, CacheDir: func(string) (string, error) { return t.TempDir(), nil }}
	c := assemble.NewConfig("the command line")
	if err := c.UseGenerator("sdcpp+http://localhost:1", "/"); err != nil {
		t.Fatal(err)
	}
	if u := c.Use; u.Verifier != "coco" || u.Reflector != "findings" || u.Refiner != "restate" || u.Parser != "english" {
		t.Errorf("in use: %+v", u)
	}
	m, err := assemble.NewBuilder(c.Used(), env).Model()
	if err != nil {
		t.Fatal(err)
	}
	for text, noted := range map[string]bool{"two dogs on a red sofa": false, "a lighthouse in the fog, oil painting": true, "a dog and a lighthouse": false} {
		prompt, _, err := m.Parse(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(prompt.Notes, func(n string) bool { return strings.Contains(n, "verifier of type chat") })
		if found != noted || len(prompt.Requirements) == 0 {
			t.Errorf("%q: notes %q", text, prompt.Notes)
		}
	}
}
