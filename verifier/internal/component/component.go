// Package component reads and writes the folder of one network of a model:
// config.json and model.safetensors.
package component

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/internal/disk"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

const (
	configFile = "config.json"
	stem       = "model"
	// maxConfigBytes is the largest config.json that is read.
	maxConfigBytes = 1 << 20
)

// Read reads the network in the folder dir of fsys: its configuration into config,
// a pointer, and its weights into the store, below prefix. A file that is missing,
// damaged or has unknown fields gives an error wrapping
// [reflectionflow.ErrInvalid].
func Read(fsys fs.FS, dir string, config any, store *nn.Store, prefix string) error {
	name := path.Join(dir, configFile)
	data, err := readConfig(fsys, name)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(config); err != nil {
		return fmt.Errorf("%w: %s: %v", reflectionflow.ErrInvalid, name, err)
	}
	return flux.LoadWeightsFS(store, prefix, fsys, dir, stem)
}

func readConfig(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid):
		return nil, fmt.Errorf("%w: %s is missing", reflectionflow.ErrInvalid, name)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxConfigBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case len(data) > maxConfigBytes:
		return nil, fmt.Errorf("%w: %s has more than %d bytes", reflectionflow.ErrInvalid, name, maxConfigBytes)
	}
	return data, nil
}

// Write writes the network into the folder dir, which is made if need be: the
// weights below prefix are rounded to dtype. Each file appears complete or not at
// all.
func Write(dir string, config any, store *nn.Store, prefix string, dtype safetensors.DType) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	if err := disk.WriteFile(filepath.Join(dir, configFile), append(data, '\n')); err != nil {
		return err
	}
	return flux.SaveWeights(store, prefix, filepath.Join(dir, stem+".safetensors"), dtype)
}
