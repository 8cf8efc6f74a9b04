package safetensors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"reflectionflow"
)

// OpenSharded opens the weights of a model in a diffusers or transformers folder:
// STEM.safetensors, or else the shards listed by STEM.safetensors.index.json. The
// stem is "diffusion_pytorch_model" for diffusers models and "model" for text
// encoders. With an index the File holds the tensors that it lists. A folder with
// neither file, a shard that is missing, damaged or lies outside the folder, and a
// tensor that is not in its shard give an error wrapping
// [reflectionflow.ErrInvalid].
func OpenSharded(dir, stem string) (*File, error) {
	single := stem + ".safetensors"
	f, err := Open(filepath.Join(dir, single))
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	index := single + ".index.json"
	weightMap, err := readIndex(filepath.Join(dir, index))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: folder %s has neither %s nor %s", reflectionflow.ErrInvalid, filepath.Base(dir), single, index)
	}
	if err != nil {
		return nil, err
	}
	return openShards(dir, index, weightMap)
}

func openShards(dir, index string, weightMap map[string]string) (*File, error) {
	all := &File{name: index, tensors: make(map[string]tensor, len(weightMap)), metadata: map[string]string{}}
	shards := map[string]*File{}
	for _, name := range slices.Compact(slices.Sorted(maps.Values(weightMap))) {
		shard, err := Open(filepath.Join(dir, name))
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
func readIndex(path string) (map[string]string, error) {
	name := filepath.Base(path)
	file, err := os.Open(path)
	if err != nil {
		return nil, openError(name, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxHeader+1))
	if err != nil {
		return nil, openError(name, err)
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
