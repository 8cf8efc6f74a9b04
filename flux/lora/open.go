package lora

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/weights"
)

// Files that PEFT writes: the weights and, beside them, the settings.
const (
	peftWeights  = "adapter_model.safetensors"
	peftSettings = "adapter_config.json"
)

// maxSettings bounds adapter_config.json, in bytes.
const maxSettings = 4 << 20

// Open opens a LoRA: a file, or a folder that holds one, such as PEFT's. Errors are those of [weights.Open].
func Open(path string, weight float64) (File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if _, err := os.Stat(filepath.Join(path, peftWeights)); err == nil {
			path = filepath.Join(path, peftWeights)
		}
	}
	opened, err := weights.Open(path)
	if err != nil {
		return File{}, err
	}
	file := File{Weights: opened, Weight: weight}
	if filepath.Base(path) != peftWeights {
		return file, nil
	}
	if file.settings, err = readPEFT(filepath.Join(filepath.Dir(path), peftSettings)); err != nil {
		return File{}, errors.Join(err, opened.Close())
	}
	return file, nil
}

// readPEFT reads the settings beside PEFT's weights, nil where there are none.
func readPEFT(path string) (*settings, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", peftSettings, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSettings))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", peftSettings, err)
	}
	s := &settings{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, peftSettings, err)
	}
	if s.DoRA {
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, peftSettings, errDoRA)
	}
	return s, nil
}
