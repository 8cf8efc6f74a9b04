package assemble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/internal/config"
)

// Fingerprint is the SHA-256 sum over the names and contents of the files that decide
// what a model generates and says, in the order of their names: those of
// [flux.ModelFiles], without the file that only PEFT reads. A change in its card, its
// recipe or a stray file keeps the fingerprint of runs and evaluations.
func Fingerprint(ctx context.Context, fsys fs.FS) (string, error) {
	names, err := flux.ModelFiles(fsys)
	if err != nil {
		return "", fmt.Errorf("read model files: %w", err)
	}
	sum := sha256.New()
	for _, name := range names {
		if name == flux1.AdapterConfigFile {
			continue
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := addFile(sum, fsys, name); err != nil {
			return "", fmt.Errorf("read model files: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// addFile adds the name, size and content of a file to a sum.
func addFile(sum hash.Hash, fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, _ = fmt.Fprintf(sum, "%q %d\n", name, info.Size()) // a hash takes everything
		_, err = io.Copy(sum, f)
	}
	return errors.Join(err, f.Close())
}

// What [sampledSum] reads of a file: its beginning, which holds the whole header of any
// weight file, and samples of the rest.
const (
	sampledHead  = 16 << 20
	samples      = 256
	sampledBytes = 4096
)

// sampledSum is the fingerprint of a model that is too large to be read at each start: of
// the names and sizes of its files, their first 16 MiB, and 1 MiB in samples evenly
// spread over the rest. It tells one published file from another, and a training's
// checkpoints from one another; it does not find a few damaged bytes, as "models check"
// does where the folder has SHA256SUMS.
func sampledSum(place string) (string, error) {
	info, err := os.Stat(place)
	if err != nil {
		return "", fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	}
	sum := sha256.New()
	if !info.IsDir() {
		err := sample(sum, place, "")
		return hex.EncodeToString(sum.Sum(nil)), err
	}
	names, err := flux.ModelFiles(os.DirFS(place))
	if err != nil {
		return "", fmt.Errorf("read model files: %w", err)
	}
	for _, name := range names {
		if !loads(name) {
			continue
		}
		if err := sample(sum, filepath.Join(place, filepath.FromSlash(name)), name); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// loads reports whether a file of a diffusers folder is loaded: one of a component, or
// a known one beside them. Repositories have whole models in single files as well.
func loads(name string) bool {
	return path.Dir(name) != "." || slices.Contains([]string{"model_index.json", flux1.SettingsFile, flux1.CorrectorFile}, name)
}

// sample adds the name, size and samples of a file to a sum.
func sample(sum hash.Hash, place, name string) error {
	f, err := os.Open(place)
	if err != nil {
		return fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read %s: %w", place, err)
	}
	size := info.Size()
	_, _ = fmt.Fprintf(sum, "%q %d\n", name, size) // a hash takes everything
	if _, err := io.Copy(sum, io.LimitReader(f, sampledHead)); err != nil {
		return fmt.Errorf("read %s: %w", place, err)
	}
	rest := size - sampledHead - sampledBytes
	if rest <= 0 {
		_, err := io.Copy(sum, f)
		return err
	}
	block := make([]byte, sampledBytes)
	for i := range int64(samples) {
		if _, err := f.ReadAt(block, sampledHead+rest*i/(samples-1)); err != nil {
			return fmt.Errorf("read %s: %w", place, err)
		}
		_, _ = sum.Write(block)
	}
	return nil
}

// networkSum is [sampledSum] for the folder of a network as transformers has them, or for
// a file.
func networkSum(place string) (string, error) {
	entries, err := os.ReadDir(place)
	if err != nil {
		return sampledSum(place) // a file, or nothing
	}
	sum := sha256.New()
	for _, e := range entries {
		if !e.IsDir() && slices.Contains([]string{".json", ".txt", ".model", ".safetensors", ".gguf"}, filepath.Ext(e.Name())) {
			if err := sample(sum, filepath.Join(place, e.Name()), e.Name()); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// weightSums are the fingerprints of the models and files of the parts that run in this
// process, by the names that the configuration has for them; nil without any.
func weightSums(c *config.Config, library Library) (map[string]string, error) {
	sums := map[string]string{}
	for _, g := range c.Generators {
		if g.Type != config.Flux {
			continue
		}
		for _, name := range g.Paths() {
			place, err := library.Find(name)
			if err != nil {
				return nil, err
			}
			if sums[name], err = sampledSum(place); err != nil {
				return nil, err
			}
		}
	}
	for _, v := range c.Verifiers {
		for _, name := range []string{v.Path, v.Head} {
			var err error
			if name == "" {
				continue
			}
			if sums[name], err = networkSum(name); err != nil {
				return nil, err
			}
		}
	}
	if len(sums) == 0 {
		return nil, nil
	}
	return sums, nil
}

// checkWeightSums reports weights that are not those of a record.
func checkWeightSums(c *config.Config, library Library, recorded map[string]string) error {
	sums, err := weightSums(c, library)
	if err != nil {
		return err
	}
	var changed []string
	for name, sum := range sums {
		if recorded[name] != sum {
			changed = append(changed, name)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	slices.Sort(changed)
	return fmt.Errorf("%w: the weights of %s are not those that the run started with: restore them, or start a new run", reflectionflow.ErrInvalid, strings.Join(changed, ", "))
}
