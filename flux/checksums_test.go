package flux

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"reflectionflow"
)

func TestChecksumListsThatCannotBeReadAreRefused(t *testing.T) {
	const sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, text := range []string{"nonsense\n", sum + "  ../secret\n", sum + "  /etc/passwd\n", sum[1:] + "  a\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ChecksumsFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := VerifyChecksums(t.Context(), os.DirFS(dir))
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "SHA256SUMS: line 1") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Whatever a list holds, it is refused as invalid input in one line or read.
func FuzzVerifyChecksums(f *testing.F) {
	f.Add("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty\n")
	f.Add("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  ../empty\r\n\n")
	f.Fuzz(func(t *testing.T, list string) {
		files := fstest.MapFS{ChecksumsFile: &fstest.MapFile{Data: []byte(list)}, "empty": &fstest.MapFile{}}
		if _, err := VerifyChecksums(t.Context(), files); err != nil && !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
