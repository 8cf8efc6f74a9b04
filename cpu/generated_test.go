package cpu

import (
	"flag"
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "regenerate the kernels for 256 bits")

// TestVectors256 compares the kernels for vectors of 256 bits with those generated from the kernels for 512. Generation
// replaces text, since generic code over the types of archsimd is not compiled to vector instructions.
func TestVectors256(t *testing.T) {
	narrow := strings.NewReplacer("x16", "x8", "512", "256", "[16]", "[8]", "lanes512 = 16", "lanes256 = 8", "i += 16", "i += 8")
	for from, to := range map[string]string{
		"vector512.go": "vector256.go", "vector512math.go": "vector256math.go", "stripes512.go": "stripes256.go",
		"../internal/bench/fma512.go": "../internal/bench/fma256.go",
	} {
		source, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		var kept []string
		for line := range strings.Lines(string(source)) {
			if !strings.HasPrefix(line, "//go:generate") {
				kept = append(kept, line)
			}
		}
		made, err := format.Source([]byte("// Code generated from " + filepath.Base(from) + " by go generate. DO NOT EDIT.\n\n" + narrow.Replace(strings.Join(kept, ""))))
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(to, made, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if have, err := os.ReadFile(to); err != nil || string(have) != string(made) {
			t.Errorf("%s does not match %s (%v): run go generate ./cpu", to, from, err)
		}
	}
}
