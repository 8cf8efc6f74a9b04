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

// modelExtensions are those of a model's configurations, weights and vocabularies, but
// not of its card, recipe or source files.
var modelExtensions = []string{".json", ".safetensors", ".model", ".txt"}

// ModelFiles lists the files of a model folder that its checksums cover, in the order of
// [fs.WalkDir]: configurations, weights and vocabularies.
func ModelFiles(fsys fs.FS) ([]string, error) {
	var names []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains(modelExtensions, path.Ext(name)) {
			return err
		}
		info, err := fs.Stat(fsys, name) // of what a symbolic link leads to
		if err == nil && info.Mode().IsRegular() {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// WriteChecksums writes the sums of the model's files below dir.
func WriteChecksums(ctx context.Context, dir string) error {
	var sums strings.Builder
	fsys := os.DirFS(dir)
	names, err := ModelFiles(fsys)
	for _, name := range names {
		var sum string
		if sum, err = fileSum(ctx, fsys, name); err != nil {
			break
		}
		_, _ = fmt.Fprintf(&sums, "%s  %s\n", sum, name) // cannot fail
	}
	if err == nil {
		err = disk.WriteFile(filepath.Join(dir, ChecksumsFile), []byte(sums.String()))
	}
	if err != nil {
		return fmt.Errorf("write checksums: %w", err)
	}
	return nil
}

// VerifyChecksums compares the files of a model folder with the sums listed in it, and
// returns how many there are: 0 for a folder without such a list. A file that is
// missing, differs, or is one of [ModelFiles] and not listed gives an error wrapping
// [reflectionflow.ErrInvalid].
func VerifyChecksums(ctx context.Context, fsys fs.FS) (files int, err error) {
	if _, err := fs.Stat(fsys, ChecksumsFile); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	sums, listed, err := readChecksums(fsys)
	if err != nil {
		return 0, err
	}
	var bad []string
	for _, name := range listed {
		sum, err := fileSum(ctx, fsys, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			bad = append(bad, name+" is missing")
		case errors.Is(err, errFolder):
			bad = append(bad, name+" is a folder")
		case err != nil:
			return 0, err
		case !strings.EqualFold(sum, sums[name]):
			bad = append(bad, name+" has changed")
		}
	}
	present, err := ModelFiles(fsys)
	if err != nil {
		return 0, err
	}
	for _, name := range present {
		if _, ok := sums[name]; !ok {
			bad, listed = append(bad, name+" is not listed"), append(listed, name)
		}
	}
	if len(bad) > 0 {
		named := bad[:min(len(bad), namedPerKind)]
		return 0, fmt.Errorf("%w: %d of %d files differ from %s: %s", reflectionflow.ErrInvalid, len(bad), len(listed), ChecksumsFile, strings.Join(named, ", "))
	}
	return len(listed), nil
}

// readChecksums returns the sums by file, and the files in the order of the list.
func readChecksums(fsys fs.FS) (sums map[string]string, files []string, err error) {
	text, err := readBounded(fsys, ChecksumsFile, maxConfigBytes)
	if err != nil {
		return nil, nil, err
	}
	sums = map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "  ")
		if !ok || len(sum) != hex.EncodedLen(sha256.Size) || !fs.ValidPath(name) {
			return nil, nil, fmt.Errorf("%w: %s: line %d is not a SHA-256 sum, two spaces and the path of a file", reflectionflow.ErrInvalid, ChecksumsFile, len(files)+1)
		}
		if first, ok := sums[name]; ok && !strings.EqualFold(first, sum) {
			return nil, nil, fmt.Errorf("%w: %s lists %s with two sums", reflectionflow.ErrInvalid, ChecksumsFile, name)
		}
		sums[name] = sum
		files = append(files, name)
	}
	return sums, files, nil
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
