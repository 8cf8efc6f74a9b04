package terminal_test

import (
	"encoding/json"
	"strings"
	"testing"

	"reflectionflow/internal/terminal"
)

var safe = map[string]string{
	"two apples\n\ta dog\n":          "two apples\n\ta dog\n",
	"naïve 日本 👩‍🚀 128×96":            "naïve 日本 👩‍🚀 128×96",
	"\x1b[2J\x1b]0;owned\x07":        `\u001b[2J\u001b]0;owned\u0007`,
	"\u009b31m\u009d52;c;AAAA\u009c": `\u009b31m\u009d52;c;AAAA\u009c`,
	"a\r\bb\x7f\x00":                 `a\u000d\u0008b\u007f\u0000`,
	"gpj.\u202eexe\u2066\u200f":      `gpj.\u202eexe\u2066\u200f`,
	"\ufeffone\u2028two\u2029":       `\ufeffone\u2028two\u2029`,
	"\x9b31m caf\xe9":                "\ufffd31m caf\ufffd",
}

func TestWriterEscapesControls(t *testing.T) {
	for text, want := range safe {
		for _, size := range []int{1, 2, 3, len(text)} { // runes are split between writes
			var out strings.Builder
			w := terminal.NewWriter(&out)
			for rest := text + "."; rest != ""; {
				n := min(size, len(rest))
				if m, err := w.Write([]byte(rest[:n])); m != n || err != nil {
					t.Fatalf("wrote %d bytes of %d, %v", m, n, err)
				}
				rest = rest[n:]
			}
			if got := out.String(); got != want+"." {
				t.Errorf("%q in writes of %d bytes: %q, want %q", text, size, got, want+".")
			}
		}
	}
}

func TestWriterKeepsJSONValues(t *testing.T) {
	want := "\x1b]0;x\x07 \u009b \u202e \u2028 \ufeff \x7f"
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if _, err := terminal.NewWriter(&out).Write(data); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || got != want {
		t.Errorf("%s is %q, want %q (%v)", out.String(), got, want, err)
	}
}

func TestLineJoinsLines(t *testing.T) {
	if got, want := terminal.Line(" two\r\n  lines\t\x1b[1m "), `two lines \u001b[1m`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
