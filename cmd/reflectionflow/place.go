package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"reflectionflow/internal/run"
)

// createFolders makes a run folder for one manifest, or a batch folder for
// several. It returns the folder to resume by.
func createFolders(out string, seed uint64, manifests []run.Manifest) (string, []*run.Folder, error) {
	dir := out
	if dir == "" {
		name := slug(manifests[0].Prompt.Text)
		if more := len(manifests) - 1; more > 0 {
			name = fmt.Sprintf("%s-and-%d-more", name, more)
		}
		var err error
		if dir, err = unused(filepath.Join("runs", fmt.Sprintf("%s-seed%d", name, seed))); err != nil {
			return "", nil, err
		}
	}
	if len(manifests) == 1 {
		f, err := run.Create(dir, manifests[0])
		return dir, []*run.Folder{f}, err
	}
	names := make([]string, len(manifests))
	for i, m := range manifests {
		names[i] = fmt.Sprintf("%03d-%s", i+1, slug(m.Prompt.Text))
	}
	folders, err := run.CreateBatch(dir, names, manifests)
	return dir, folders, err
}

// unused returns the path, or the path with the first number that is free.
func unused(path string) (string, error) {
	candidate := path
	for n := 2; ; n++ {
		_, err := os.Lstat(candidate)
		if errors.Is(err, fs.ErrNotExist) {
			return candidate, nil
		}
		if err != nil {
			return "", fmt.Errorf("choose a run folder: %w", err)
		}
		candidate = fmt.Sprintf("%s-%d", path, n)
	}
}

// maxSlug is the length of a slug in runes: enough to recognise a prompt by.
const maxSlug = 48

// slug makes a folder name from a prompt: lower-case letters and digits, with a
// hyphen for all else.
func slug(text string) string {
	var words []string
	length := 0
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		if length += len(word) + 1; length > maxSlug && len(words) > 0 {
			break
		}
		words = append(words, word[:min(len(word), maxSlug)])
	}
	if len(words) == 0 {
		return "prompt"
	}
	return strings.Join(words, "-")
}
