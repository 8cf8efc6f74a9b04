package disk_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"reflectionflow/internal/disk"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		"a":                    "a",
		"\ufeff":               "",
		"\ufeffa dog\na cat":   "a dog\na cat",
		"a \ufeff dog":         "a \ufeff dog",
		"caf\xe9":              "caf\xe9", // refused as a prompt, with its line
		"\xff\xfea\x00 \x00":   "refused",
		"\xfe\xff\x00a\x00 ":   "refused",
		"a\x00 \x00d\x00":      "refused",
		"\x00a\x00 \x00d":      "refused",
		"\x00\x00\xfe\xff\x00": "refused",
	} {
		r, err := disk.Text(strings.NewReader(text))
		if errors.Is(err, disk.ErrNotUTF8) {
			if want != "refused" {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		got, readErr := io.ReadAll(r)
		if err != nil || readErr != nil || string(got) != want {
			t.Errorf("%q: %q, %v, %v, want %q", text, got, err, readErr, want)
		}
	}
}
