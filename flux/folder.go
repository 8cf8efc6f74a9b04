package flux

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/internal/disk"
	"reflectionflow/nn"
	"reflectionflow/tokenizer"
	"reflectionflow/weights/safetensors"
)

// Prefixes of the weights of a FLUX folder in a store, the names of its
// subfolders.
const (
	TransformerPrefix = "transformer"
	VAEPrefix         = "vae"
	CLIPPrefix        = "text_encoder"
	T5Prefix          = "text_encoder_2"
)

// Folder is a diffusers folder of a FluxPipeline: its configuration files, read
// and checked. Weights and tokenizers are read by methods.
type Folder struct {
	Index       ModelIndex
	Scheduler   SchedulerConfig
	Transformer Params
	VAE         AutoencoderConfig
	CLIP        CLIPConfig
	T5          T5Config

	fsys fs.FS
	dir  string // "" for a file system that is not on disk
}

// OpenFolder reads the configuration files of the diffusers folder dir. What is
// missing, damaged or not supported gives an error wrapping
// [reflectionflow.ErrInvalid].
func OpenFolder(dir string) (*Folder, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", missingFile(dir, err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%w: open model: %s is not a folder", reflectionflow.ErrInvalid, dir)
	}
	return openFolder(os.DirFS(dir), dir)
}

// OpenFolderFS is [OpenFolder] for a file system, such as an embedded one. Weights are
// read into memory.
func OpenFolderFS(fsys fs.FS) (*Folder, error) { return openFolder(fsys, "") }

func openFolder(fsys fs.FS, dir string) (*Folder, error) {
	f := &Folder{fsys: fsys, dir: dir}
	files := []struct {
		name     string
		into     any
		required []string
	}{
		{"model_index.json", &f.Index, []string{"_class_name"}},
		{"scheduler/scheduler_config.json", &f.Scheduler, []string{"num_train_timesteps", "shift"}},
		{"transformer/config.json", &f.Transformer, []string{"num_layers", "num_single_layers", "attention_head_dim", "num_attention_heads", "in_channels", "joint_attention_dim", "pooled_projection_dim"}},
		{"vae/config.json", &f.VAE, []string{"block_out_channels", "latent_channels", "layers_per_block", "scaling_factor", "shift_factor"}},
		{"text_encoder/config.json", &f.CLIP, []string{"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"}},
		{"text_encoder_2/config.json", &f.T5, []string{"vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads", "feed_forward_proj"}},
	}
	for i, file := range files {
		if err := readConfig(fsys, file.name, file.into, file.required...); err != nil {
			return nil, fmt.Errorf("open model: %w", err)
		}
		if i == 0 { // errors about the files of another pipeline would mislead
			if err := f.Index.Validate(); err != nil {
				return nil, fmt.Errorf("open model: %w", err)
			}
		}
	}
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	return f, nil
}

// Validate reports parts that cannot be built or do not fit together, as an error
// wrapping [reflectionflow.ErrInvalid].
func (f *Folder) Validate() error {
	for _, part := range []interface{ Validate() error }{f.Index, f.Scheduler, f.Transformer, f.VAE, f.CLIP, f.T5} {
		if err := part.Validate(); err != nil {
			return err
		}
	}
	for _, fit := range []struct {
		what       string
		have, want int
	}{
		{"transformer in_channels, for 2×2 latents of the autoencoder", f.Transformer.InChannels, 4 * f.VAE.LatentChannels},
		{"transformer joint_attention_dim, for d_model of text_encoder_2", f.Transformer.JointAttentionDim, f.T5.Dim},
		{"transformer pooled_projection_dim, for hidden_size of text_encoder", f.Transformer.PooledProjectionDim, f.CLIP.Dim},
	} {
		if fit.have != fit.want {
			return fmt.Errorf("%w: %s, is %d, must be %d", reflectionflow.ErrInvalid, fit.what, fit.have, fit.want)
		}
	}
	return nil
}

// LoadWeights reads the weights of all four networks into the store, each below
// its prefix. A tensor that is missing or of another shape or type than the
// networks need gives an error wrapping [reflectionflow.ErrInvalid]; so do the
// errors of [LoadWeights]. Tensors that no network needs are left out.
func (f *Folder) LoadWeights(store *nn.Store) error {
	for _, c := range components {
		if err := f.loadComponent(store, c); err != nil {
			return fmt.Errorf("%s: %w", c.prefix, err)
		}
	}
	return nil
}

func (f *Folder) loadComponent(store *nn.Store, c component) error {
	file, err := f.open(c)
	if err != nil {
		return fmt.Errorf("load weights: %w", err)
	}
	problems, err := c.compare(f, file)
	if err == nil {
		if err = problems.serious().Err(); err != nil {
			err = problems.Err() // unexpected names say of what kind the file is
		}
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	names := c.resolve(file)
	for _, p := range problems { // unexpected ones
		maps.DeleteFunc(names, func(_, name string) bool { return name == p.Tensor })
	}
	return addAndClose(store, c.prefix, file, names)
}

// Tokenizer reads a tokenizer folder: which is "tokenizer" (CLIP's) or "tokenizer_2"
// (T5's). Errors are those of [tokenizer.OpenFolder].
func (f *Folder) Tokenizer(which string) (*tokenizer.Tokenizer, error) {
	return tokenizer.OpenFolder(f.fsys, which)
}

// WriteConfigs writes model_index.json and the configuration files into dir,
// which it creates if need be. Each file is written atomically.
func (f *Folder) WriteConfigs(dir string) error {
	if err := f.Validate(); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	for _, file := range []struct {
		name, class string
		value       any
	}{
		{"model_index.json", "", f.Index},
		{"scheduler/scheduler_config.json", "FlowMatchEulerDiscreteScheduler", f.Scheduler},
		{"transformer/config.json", "FluxTransformer2DModel", f.Transformer},
		{"vae/config.json", "AutoencoderKL", f.VAE},
		{"text_encoder/config.json", "", f.CLIP},
		{"text_encoder_2/config.json", "", f.T5},
	} {
		if err := writeConfig(filepath.Join(dir, file.name), file.class, f.Index.Version, file.value); err != nil {
			return fmt.Errorf("write model: %w", err)
		}
	}
	return nil
}

// WriteTokenizer writes a file of a tokenizer folder below dir, see
// [Folder.Tokenizer].
func WriteTokenizer(dir, which, name string, data []byte) error {
	if err := writeWhole(filepath.Join(dir, which, name), data); err != nil {
		return fmt.Errorf("write tokenizer: %w", err)
	}
	return nil
}

// SaveWeights writes the weights of all four networks from the store below dir,
// one file each. Errors are those of [SaveWeights].
func (f *Folder) SaveWeights(dir string, store *nn.Store, dtype safetensors.DType) error {
	for _, c := range components {
		folder := filepath.Join(dir, c.prefix)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("save weights: %w", err)
		}
		if err := SaveWeights(store, c.prefix, filepath.Join(folder, c.stem+".safetensors"), dtype); err != nil {
			return err
		}
	}
	return nil
}

// writeConfig writes value as an indented JSON object with its keys sorted, as
// diffusers does; a class is recorded with the version.
func writeConfig(path, class, version string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	if class != "" {
		fields["_class_name"], _ = json.Marshal(class)
		fields["_diffusers_version"], _ = json.Marshal(version)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(fields); err != nil {
		return err
	}
	return writeWhole(path, out.Bytes())
}

// writeWhole writes a file atomically and creates its folder if need be.
func writeWhole(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return disk.WriteFile(path, data)
}
