package flux

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// ChecksumsFile lists the SHA-256 sums of a model folder's files, in the form of the
// program sha256sum, which checks them too: sha256sum -c SHA256SUMS.
const ChecksumsFile = "SHA256SUMS"

// summed are the extensions of the files of a model: configurations, weights and
// vocabularies, but not its card, recipe or source files.
var summed = []string{".json", ".safetensors", ".model", ".txt"}

// WriteChecksums writes the sums of the model's files below dir.
func WriteChecksums(ctx context.Context, dir string) error {
	var sums strings.Builder
	fsys := os.DirFS(dir)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !slices.Contains(summed, path.Ext(name)) {
			return err
		}
		sum, err := fileSum(ctx, fsys, name)
		if err == nil {
			_, _ = fmt.Fprintf(&sums, "%s  %s\n", sum, name) // cannot fail
		}
		return err
	})
	if err == nil {
		err = disk.WriteFile(filepath.Join(dir, ChecksumsFile), []byte(sums.String()))
	}
	if err != nil {
		return fmt.Errorf("write checksums: %w", err)
	}
	return nil
}

// VerifyChecksums compares the files of the folder with the sums listed in it, and
// returns how many there are: 0 for a folder without such a list. A file that is
// missing or differs gives an error wrapping [reflectionflow.ErrInvalid].
func (f *Folder) VerifyChecksums(ctx context.Context) (files int, err error) {
	return VerifyChecksums(ctx, f.fsys)
}

// VerifyChecksums is [Folder.VerifyChecksums] for any folder.
func VerifyChecksums(ctx context.Context, fsys fs.FS) (files int, err error) {
	if _, err := fs.Stat(fsys, ChecksumsFile); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	text, err := readBounded(fsys, ChecksumsFile, maxConfigBytes)
	if err != nil {
		return 0, err
	}
	var bad []string
	for line := range strings.Lines(string(text)) {
		want, name, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "  ")
		if !ok || len(want) != hex.EncodedLen(sha256.Size) || !fs.ValidPath(name) {
			return 0, fmt.Errorf("%w: %s: line %d is not a SHA-256 sum, two spaces and the path of a file", reflectionflow.ErrInvalid, ChecksumsFile, files+1)
		}
		files++
		sum, err := fileSum(ctx, fsys, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			bad = append(bad, name+" is missing")
		case errors.Is(err, errFolder):
			bad = append(bad, name+" is a folder")
		case err != nil:
			return 0, err
		case !strings.EqualFold(sum, want):
			bad = append(bad, name+" has changed")
		}
	}
	if len(bad) > 0 {
		named := bad[:min(len(bad), namedPerKind)]
		return 0, fmt.Errorf("%w: %d of %d files differ from %s: %s", reflectionflow.ErrInvalid, len(bad), files, ChecksumsFile, strings.Join(named, ", "))
	}
	return files, nil
}

var errFolder = errors.New("it is a folder")

func fileSum(ctx context.Context, fsys fs.FS, name string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	file, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return "", errors.Join(errFolder, file.Close())
	}
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
