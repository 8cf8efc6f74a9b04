package assemble

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/config"
)

// Library is where models are on this machine.
type Library struct {
	// Folders hold models: diffusers folders and files of weights.
	Folders []string
	// Caches are hub caches of Hugging Face, which hold a folder models--ORG--NAME for
	// each repository.
	Caches []string
}

// Find returns the path of a model: of the file or folder of that path, or of the model
// with that name in the library. The name of a model in a cache is that of its
// repository, ORG/NAME, and ORG/NAME/FILE for a file of it. A model that is not there is
// an error wrapping [reflectionflow.ErrInvalid].
func (l Library) Find(model string) (string, error) {
	if _, err := os.Stat(model); err == nil {
		return model, nil
	} else if !errors.Is(err, fs.ErrNotExist) && IsPath(model) {
		return "", fmt.Errorf("%w: model: %v", reflectionflow.ErrInvalid, err)
	}
	if !config.IsModelName(model) {
		return "", fmt.Errorf("%w: %s: there is no such file or folder", reflectionflow.ErrInvalid, model)
	}
	for _, folder := range l.Folders {
		path := filepath.Join(folder, filepath.FromSlash(model))
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	for _, cache := range l.Caches {
		if path, ok := inCache(cache, model); ok {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: no model %s: it is neither a file or folder, nor in %s (see: reflectionflow models list)", reflectionflow.ErrInvalid, model, l)
}

// String lists the places.
func (l Library) String() string {
	return cmp.Or(strings.Join(slices.Concat(l.Folders, l.Caches), ", "), "a cache of Hugging Face")
}

// inCache returns the path of a repository, or of a file in it.
func inCache(cache, model string) (string, bool) {
	names := strings.SplitN(model, "/", 3)
	if len(names) < 2 {
		return "", false
	}
	snapshot, err := snapshotOf(filepath.Join(cache, "models--"+names[0]+"--"+names[1]))
	if err != nil {
		return "", false
	}
	if len(names) == 3 {
		snapshot = filepath.Join(snapshot, filepath.FromSlash(names[2]))
	}
	_, err = os.Stat(snapshot)
	return snapshot, err == nil
}

// maxRef bounds the file with the commit of a branch.
const maxRef = 256

// snapshotOf returns the folder of a repository's files: those of the branch main, or
// the latest ones.
func snapshotOf(repository string) (string, error) {
	if info, err := os.Stat(filepath.Join(repository, "refs", "main")); err == nil && info.Mode().IsRegular() && info.Size() <= maxRef {
		ref, err := os.ReadFile(filepath.Join(repository, "refs", "main"))
		commit := strings.TrimSpace(string(ref))
		if err == nil && commit != "" && filepath.IsLocal(commit) {
			snapshot := filepath.Join(repository, "snapshots", commit)
			if info, err := os.Stat(snapshot); err == nil && info.IsDir() { //nolint:gosec // the commit is local
				return snapshot, nil
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(repository, "snapshots"))
	if err != nil {
		return "", err
	}
	latest, newest := "", int64(-1)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() && info.ModTime().UnixNano() > newest {
			latest, newest = e.Name(), info.ModTime().UnixNano()
		}
	}
	if latest == "" {
		return "", fmt.Errorf("%s has no snapshot", repository)
	}
	return filepath.Join(repository, "snapshots", latest), nil
}
