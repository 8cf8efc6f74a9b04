package tuning

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// checkpointFile has the state of a run: the trainable weights, their moving average and the
// optimizer's state in float32, and in its metadata the number of steps done and the
// settings. A batch depends on its step alone, so there is no other state.
const checkpointFile = "checkpoint.safetensors"

// checkpointInfo is the metadata of a checkpoint.
type checkpointInfo struct {
	Task   string `json:"task"`
	Step   int    `json:"step"`
	Config Config `json:"config"`
}

func saveCheckpoint(dir string, store *nn.Store, trainable []string, info checkpointInfo) error {
	var kept []safetensors.Tensor
	learns := map[string]bool{}
	for _, name := range trainable {
		learns[name] = true
	}
	for _, name := range store.Names("") {
		own := learns[name] || strings.HasPrefix(name, emaPrefix) || strings.HasPrefix(name, statePrefix)
		if !own {
			continue
		}
		values, err := store.Values(name)
		if err != nil {
			return err
		}
		kept = append(kept, safetensors.Tensor{Name: name, Shape: store.Dims(name), DType: safetensors.F32, Values: values})
	}
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return safetensors.Write(filepath.Join(dir, checkpointFile), kept, map[string]string{"training": string(text)})
}

// loadCheckpoint reads a checkpoint into the store; ok is false if there is none.
func loadCheckpoint(dir string, store *nn.Store) (info checkpointInfo, ok bool, err error) {
	path := filepath.Join(dir, checkpointFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return info, false, nil
	}
	file, err := safetensors.Open(path)
	if err != nil {
		return info, false, err
	}
	defer file.Close() //nolint:errcheck // read only
	if err := json.Unmarshal([]byte(file.Metadata()["training"]), &info); err != nil {
		return info, false, fmt.Errorf("%w: %s is not a training checkpoint: %v", reflectionflow.ErrInvalid, path, err)
	}
	for _, name := range file.Names() {
		values, err := file.Float32(name)
		if err != nil {
			return info, false, err
		}
		tensor, err := file.Info(name)
		if err != nil {
			return info, false, err
		}
		store.Set(name, values, tensor.Shape...)
	}
	return info, true, nil
}
