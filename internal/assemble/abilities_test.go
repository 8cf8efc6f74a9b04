package assemble_test

import (
	"os"
	"testing"

	"reflectionflow/internal/assemble"
)

// The model of a configuration declares the abilities of its verifier before anything is
// loaded or asked.
func TestModelDeclaresTheAbilitiesOfItsVerifier(t *testing.T) {
	env := assemble.Environment{Models: assemble.Embedded(), LookupEnv: os.LookupEnv, CacheDir: func(string) (string, error) { return t.TempDir(), nil }}
	for verifiers, findings := range map[string]bool{
		"{}":                               true,
		"{v: {type: chat, endpoint: e}}":   true,
		"{v: {type: yes-no, endpoint: e}}": false,
		"{v: {type: embedded}}":            true,
		"{v: {type: yes-no, endpoint: e, per_requirement: true}}":                                                                   true,
		"{v: {type: ensemble, members: [{verifier: w}]}, w: {type: yes-no, endpoint: e}}\nuse: {verifier: v}":                       false,
		"{v: {type: ensemble, members: [{verifier: w}, {verifier: embedded}]}, w: {type: yes-no, endpoint: e}}\nuse: {verifier: v}": true,
	} {
		c, err := assemble.ParseConfig("f.yaml", []byte("endpoints: {e: {url: 'http://localhost/v1'}}\nverifiers: "+verifiers+"\n"), "/")
		if err != nil {
			t.Fatal(err)
		}
		m, err := assemble.NewBuilder(c.Used(), env).Model()
		if err != nil {
			t.Fatal(err)
		}
		if m.Abilities.Findings() != findings || !m.NeedsFindings {
			t.Errorf("%s: findings %v, want %v; the embedded reflector needs findings: %v", verifiers, m.Abilities.Findings(), findings, m.NeedsFindings)
		}
	}
}
