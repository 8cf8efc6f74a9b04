package flux1

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/tokenizer"
	"reflectionflow/weights"
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
	Index       flux.ModelIndex
	Scheduler   flux.SchedulerConfig
	Transformer Params
	VAE         flux.AutoencoderConfig
	CLIP        CLIPConfig
	T5          T5Config

	Files flux.Files // where it was read from
}

// OpenFolder reads the configuration files of the diffusers folder dir. What is
// missing, damaged or not supported gives an error wrapping
// [reflectionflow.ErrInvalid].
func OpenFolder(dir string) (*Folder, error) {
	files, err := flux.OpenFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	return ReadFolder(files)
}

// OpenFolderFS is [OpenFolder] for a file system, such as an embedded one. Weights are
// read into memory.
func OpenFolderFS(fsys fs.FS) (*Folder, error) { return ReadFolder(flux.FilesOf(fsys)) }

// ReadFolder is [OpenFolder] for an open folder.
func ReadFolder(from flux.Files) (*Folder, error) {
	f := &Folder{Files: from}
	if err := f.readIndex(); err != nil { // errors about the files of another pipeline would mislead
		return nil, fmt.Errorf("open model: %w", err)
	}
	for _, part := range []struct {
		subfolder string
		into      any
		required  []string
		infer     func(weights.Source) error
	}{
		{TransformerPrefix, &f.Transformer, []string{"num_layers", "num_single_layers", "attention_head_dim", "num_attention_heads", "in_channels", "joint_attention_dim", "pooled_projection_dim"}, f.inferTransformer},
		{VAEPrefix, &f.VAE, []string{"block_out_channels", "latent_channels", "layers_per_block", "scaling_factor", "shift_factor"}, f.inferVAE},
		{CLIPPrefix, &f.CLIP, []string{"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"}, f.inferCLIP},
		{T5Prefix, &f.T5, []string{"vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads", "feed_forward_proj"}, f.inferT5},
	} {
		var err error
		if bare := from.Bare(part.subfolder); bare != nil {
			if err = part.infer(bare); err != nil {
				err = fmt.Errorf("%s: %w", part.subfolder, err)
			}
		} else {
			err = from.ReadConfig(part.subfolder+"/config.json", part.into, part.required...)
		}
		if err != nil {
			return nil, fmt.Errorf("open model: %w", err)
		}
	}
	if err := f.readScheduler(); err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	return f, nil
}

// readIndex reads model_index.json, which networks in files of their own do not have.
func (f *Folder) readIndex() error {
	const name = "model_index.json"
	if f.Files.Separate(TransformerPrefix) && !f.Files.Has(name) {
		f.Index = NewModelIndex(false)
		return nil
	}
	if err := f.Files.ReadConfig(name, &f.Index, "_class_name"); err != nil {
		return err
	}
	return checkIndex(f.Index)
}

// readScheduler reads the schedule. Without a file it is that of FLUX.1-dev, or of schnell
// for a transformer without guidance, which takes the levels as they are.
func (f *Folder) readScheduler() error {
	const name = "scheduler/scheduler_config.json"
	if f.Files.Separate(TransformerPrefix) && !f.Files.Has(name) {
		f.Scheduler = flux.FluxScheduler
		if !f.Transformer.GuidanceEmbeds {
			f.Scheduler.UseDynamicShifting, f.Scheduler.Shift = false, 1
		}
		return nil
	}
	return f.Files.ReadConfig(name, &f.Scheduler, "num_train_timesteps", "shift")
}

// Validate reports parts that cannot be built or do not fit together, as an error
// wrapping [reflectionflow.ErrInvalid].
func (f *Folder) Validate() error {
	if err := checkIndex(f.Index); err != nil {
		return err
	}
	for _, part := range []interface{ Validate() error }{f.Scheduler, f.Transformer, f.VAE, f.CLIP, f.T5} {
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
// its prefix; see [flux.Component.Load].
func (f *Folder) LoadWeights(store *nn.Store) error {
	return flux.Components(f.Components()).Load(store, f.Files)
}

// CheckWeights compares the weight files of the four networks with what the
// configuration files ask for; see [flux.Component.Check].
func (f *Folder) CheckWeights() (flux.Problems, error) {
	return flux.Components(f.Components()).Check(f.Files)
}

// VerifyChecksums is [flux.VerifyChecksums] for the folder.
func (f *Folder) VerifyChecksums(ctx context.Context) (files int, err error) {
	return f.Files.VerifyChecksums(ctx)
}

// Tokenizer reads a tokenizer folder: which is "tokenizer" (CLIP's) or "tokenizer_2"
// (T5's). Errors are those of [tokenizer.OpenFolder].
func (f *Folder) Tokenizer(which string) (*tokenizer.Tokenizer, error) {
	return f.Files.Tokenizer(which)
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
		if err := flux.WriteConfig(filepath.Join(dir, file.name), file.class, f.Index.Version, file.value); err != nil {
			return fmt.Errorf("write model: %w", err)
		}
	}
	return nil
}

// WriteTokenizer writes a file of a tokenizer folder below dir, see
// [Folder.Tokenizer].
func WriteTokenizer(dir, which, name string, data []byte) error {
	if err := flux.WriteFile(filepath.Join(dir, which, name), data); err != nil {
		return fmt.Errorf("write tokenizer: %w", err)
	}
	return nil
}

// SaveWeights writes the weights of all four networks from the store below dir,
// one file each. Errors are those of [SaveWeights].
func (f *Folder) SaveWeights(dir string, store *nn.Store, dtype safetensors.DType) error {
	for _, c := range f.Components() {
		if err := c.Save(store, dir, dtype); err != nil {
			return err
		}
	}
	return nil
}
