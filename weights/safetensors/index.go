package safetensors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"reflectionflow"
	"reflectionflow/weights/internal/mapped"
)

// OpenSharded opens the weights of a model in a diffusers or transformers folder:
// STEM.safetensors, or else the shards listed by STEM.safetensors.index.json, or
// else either of them in a variant, such as STEM.fp16.safetensors. Of several
// variants it takes bf16 or fp16, in this order. The stem is
// "diffusion_pytorch_model" for diffusers models and "model" for text encoders.
//
// With an index the File holds the tensors that it lists. A folder without such a
// file, a shard that is missing, damaged or lies outside the folder, and a tensor
// that is not in its shard give an error wrapping [reflectionflow.ErrInvalid].
func OpenSharded(dir, stem string) (*File, error) {
	return openStem(onDisk(dir), filepath.Base(dir), stem)
}

// OpenShardedFS is [OpenSharded] for the folder dir of a file system, such as an
// embedded one. It reads the files into memory.
func OpenShardedFS(fsys fs.FS, dir, stem string) (*File, error) {
	return openStem(inFS(fsys, dir), dir, stem)
}

// OpenIndex opens the shards that an index lists, which lie in the index's folder, as
// [OpenSharded] does.
func OpenIndex(path string) (*File, error) {
	return openIndex(onDisk(filepath.Dir(path)), filepath.Base(path))
}

// source is a folder of weight files. open opens one by its base name, and list reads
// the folder.
type source struct {
	stat func(name string) error
	list func() ([]fs.DirEntry, error)
	read func(name string) (io.ReadCloser, error)
	open func(name string) (*File, error)
}

// onDisk is a folder whose files are mapped.
func onDisk(dir string) source {
	return source{
		stat: func(name string) error {
			_, err := os.Lstat(filepath.Join(dir, name))
			return err
		},
		list: func() ([]fs.DirEntry, error) { return os.ReadDir(dir) },
		read: func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) },
		open: func(name string) (*File, error) { return Open(filepath.Join(dir, name)) },
	}
}

// inFS is a folder whose files are read into memory.
func inFS(fsys fs.FS, dir string) source {
	return source{
		stat: func(name string) error {
			_, err := fs.Lstat(fsys, path.Join(dir, name))
			return err
		},
		list: func() ([]fs.DirEntry, error) { return fs.ReadDir(fsys, dir) },
		read: func(name string) (io.ReadCloser, error) { return fsys.Open(path.Join(dir, name)) },
		open: func(name string) (*File, error) {
			full := path.Join(dir, name)
			info, err := fs.Stat(fsys, full)
			if err == nil && !info.Mode().IsRegular() {
				err = errors.New("not a regular file")
			}
			if err != nil {
				return nil, mapped.Error(full, err)
			}
			data, err := fs.ReadFile(fsys, full)
			if err != nil {
				return nil, mapped.Error(full, err)
			}
			return FromBytes(full, data)
		},
	}
}

// openStem opens the weights of a folder; folder is its name for errors.
func openStem(from source, folder, stem string) (*File, error) {
	name, err := findWeights(from, folder, stem)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, ".json") {
		return from.open(name)
	}
	return openIndex(from, name)
}

func openIndex(from source, name string) (*File, error) {
	weightMap, err := readIndex(from, name)
	if err != nil {
		return nil, err
	}
	return openShards(from, name, weightMap)
}

// findWeights returns the base name of the weight file or of the index.
func findWeights(from source, folder, stem string) (string, error) {
	single := stem + ".safetensors"
	index := single + ".index.json"
	for _, name := range []string{single, index} {
		if err := from.stat(name); !errors.Is(err, fs.ErrNotExist) {
			return name, nil // other errors show when it is opened
		}
	}
	entries, err := from.list()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", mapped.Error(folder, err)
	}
	files := map[string]string{} // by variant
	for _, e := range entries {
		if variant, ok := variantOf(e.Name(), stem); ok {
			files[variant] = e.Name()
		}
	}
	variants := slices.Sorted(maps.Keys(files))
	for _, preferred := range []string{"bf16", "fp16"} {
		if files[preferred] != "" {
			return files[preferred], nil
		}
	}
	switch len(variants) {
	case 0:
		return "", fmt.Errorf("%w: folder %s has neither %s nor %s, nor a variant of them", reflectionflow.ErrInvalid, folder, single, index)
	case 1:
		return files[variants[0]], nil
	}
	return "", fmt.Errorf("%w: folder %s has weights in the variants %s: leave one of them", reflectionflow.ErrInvalid, folder, strings.Join(variants, ", "))
}

// variantOf returns the variant of a weight file or an index by its name. An index
// has three forms: those of transformers, of diffusers and of older releases.
func variantOf(name, stem string) (string, bool) {
	for _, form := range [][2]string{
		{stem + ".", ".safetensors"},
		{stem + ".safetensors.index.", ".json"},
		{stem + ".safetensors.", ".index.json"},
		{stem + ".", ".safetensors.index.json"},
	} {
		variant, ok := strings.CutPrefix(name, form[0])
		if !ok {
			continue
		}
		variant, ok = strings.CutSuffix(variant, form[1])
		if ok && variant != "" && !strings.Contains(variant, ".") && !shardName.MatchString(variant) {
			return variant, true
		}
	}
	return "", false
}

// shardName is the end of the name of a shard, such as "fp16-00001-of-00003".
var shardName = regexp.MustCompile(`-[0-9]+-of-[0-9]+$`)

func openShards(from source, index string, weightMap map[string]string) (*File, error) {
	all := &File{name: index, tensors: make(map[string]tensor, len(weightMap)), metadata: map[string]string{}}
	shards := map[string]*File{}
	for _, name := range slices.Compact(slices.Sorted(maps.Values(weightMap))) {
		shard, err := from.open(name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", index, err), all.Close())
		}
		shards[name] = shard
		all.unmap = append(all.unmap, shard.unmap...)
		for key, value := range shard.metadata {
			if _, ok := all.metadata[key]; !ok {
				all.metadata[key] = value
			}
		}
	}
	all.names = slices.Sorted(maps.Keys(weightMap))
	for _, name := range all.names {
		t, err := shards[weightMap[name]].tensor(name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", index, err), all.Close())
		}
		all.tensors[name] = t
	}
	return all, nil
}

// readIndex returns the weight_map of an index: the shard of every tensor.
func readIndex(from source, name string) (map[string]string, error) {
	file, err := from.read(name)
	if err != nil {
		return nil, mapped.Error(name, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxHeader+1))
	if err != nil {
		return nil, mapped.Error(name, err)
	}
	weightMap, err := parseIndex(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, name, err)
	}
	return weightMap, nil
}

func parseIndex(text []byte) (weightMap map[string]string, err error) {
	switch {
	case len(text) > maxHeader:
		return nil, fmt.Errorf("the index has more than %d bytes", maxHeader)
	case !utf8.Valid(text):
		return nil, errors.New("the index is not valid UTF-8")
	}
	d := newDecoder(text)
	err = d.object(func(key string) (err error) {
		if key != "weight_map" {
			return d.skip()
		}
		weightMap, err = d.stringMap()
		return err
	})
	if err == nil {
		err = d.end()
	}
	switch {
	case err != nil:
		return nil, err
	case weightMap == nil:
		return nil, errors.New("weight_map is missing")
	}
	for _, tensor := range slices.Sorted(maps.Keys(weightMap)) {
		shard := weightMap[tensor]
		if !filepath.IsLocal(shard) || strings.ContainsAny(shard, `/\`) || shard == "." {
			return nil, fmt.Errorf("tensor %q is said to be in %q, which is not a file of the same folder", tensor, shard)
		}
	}
	return weightMap, nil
}
