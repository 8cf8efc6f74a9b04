package flux2

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/qwen3"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/layout"
	"reflectionflow/weights/safetensors"
)

// Prefixes of the weights of a FLUX.2 folder in a store, the names of its subfolders.
const (
	TransformerPrefix = "transformer"
	VAEPrefix         = "vae"
	TextPrefix        = "text_encoder"
)

// Folder is a diffusers folder of a Flux2KleinPipeline: its configuration files, read
// and checked.
type Folder struct {
	Index       flux.ModelIndex
	Distilled   bool // is_distilled: guidance is ignored
	Scheduler   flux.SchedulerConfig
	Transformer Params
	VAE         AutoencoderConfig
	Text        qwen3.Config
	Settings    Settings

	Files flux.Files // where it was read from
}

// pipelineClass is diffusers' name of a pipeline of FLUX.2 [klein].
const pipelineClass = "Flux2KleinPipeline"

// pipelineParts are the subfolders of a FLUX.2 folder.
var pipelineParts = []flux.Part{
	{Name: "scheduler", Library: "diffusers", Classes: []string{"FlowMatchEulerDiscreteScheduler"}},
	{Name: "text_encoder", Library: "transformers", Classes: []string{"Qwen3ForCausalLM", "Qwen3Model"}},
	{Name: "tokenizer", Library: "transformers", Classes: []string{"Qwen2TokenizerFast", "Qwen2Tokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"}},
	{Name: "transformer", Library: "diffusers", Classes: []string{transformerClass}},
	{Name: "vae", Library: "diffusers", Classes: []string{autoencoderClass}},
}

// NewModelIndex returns the index of a Flux2KleinPipeline.
func NewModelIndex() flux.ModelIndex {
	return flux.NewModelIndex(pipelineClass, "0.37.0", pipelineParts)
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

// OpenFolderFS is [OpenFolder] for a file system. Weights are read into memory.
func OpenFolderFS(fsys fs.FS) (*Folder, error) { return ReadFolder(flux.FilesOf(fsys)) }

// ReadFolder is [OpenFolder] for an open folder.
func ReadFolder(from flux.Files) (*Folder, error) {
	f := &Folder{Files: from, Settings: defaultSettings()}
	if err := f.readIndex(); err != nil { // errors about the files of another pipeline would mislead
		return nil, fmt.Errorf("open model: %w", err)
	}
	for _, part := range []struct {
		subfolder string
		into      any
		required  []string
		infer     func(weights.Source) error
	}{
		{TransformerPrefix, &f.Transformer, []string{"num_layers", "num_single_layers", "attention_head_dim", "num_attention_heads", "in_channels", "joint_attention_dim"}, f.inferTransformer},
		{VAEPrefix, &f.VAE, []string{"block_out_channels", "latent_channels", "layers_per_block"}, f.inferVAE},
		{TextPrefix, &f.Text, []string{"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"}, f.inferText},
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
	if from.Has(SettingsFile) {
		if err := from.ReadConfig(SettingsFile, &f.Settings); err != nil {
			return nil, fmt.Errorf("open model: %w", err)
		}
	}
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	return f, nil
}

// readIndex reads model_index.json and the schedule, which networks in files of their own
// do not have. Their shapes do not say whether the model is distilled: it then takes
// guidance above 1, which nobody asks of a distilled one.
func (f *Folder) readIndex() error {
	const name, schedule = "model_index.json", "scheduler/scheduler_config.json"
	if f.Files.Separate(TransformerPrefix) && !f.Files.Has(name) {
		f.Index, f.Scheduler = NewModelIndex(), flux.FluxScheduler
		return nil
	}
	var index struct {
		Distilled bool `json:"is_distilled"`
	}
	if err := f.Files.ReadConfig(name, &f.Index, "_class_name"); err != nil {
		return err
	}
	if unsupported[f.Index.ClassName] != "" {
		return refuse(f.Index.ClassName)
	}
	if err := f.Files.ReadConfig(name, &index); err != nil {
		return err
	}
	if err := f.Index.Check(pipelineClass, pipelineParts); err != nil {
		return err
	}
	f.Distilled = index.Distilled
	return f.Files.ReadConfig(schedule, &f.Scheduler, "num_train_timesteps", "shift")
}

// Validate reports parts that cannot be built or do not fit together, as an error
// wrapping [reflectionflow.ErrInvalid].
func (f *Folder) Validate() error {
	if err := f.Index.Check(pipelineClass, pipelineParts); err != nil {
		return err
	}
	for _, part := range []interface{ Validate() error }{f.Scheduler, f.Transformer, f.VAE, f.Text, f.Settings} {
		if err := part.Validate(); err != nil {
			return err
		}
	}
	if err := f.Text.CheckTaps(f.Settings.TextLayers); err != nil {
		return err
	}
	for _, fit := range []struct {
		what       string
		have, want int
	}{
		{"transformer in_channels, for 2×2 latents of the autoencoder", f.Transformer.InChannels, 4 * f.VAE.LatentChannels},
		{"transformer joint_attention_dim, for the layers that are read of the text_encoder", f.Transformer.JointAttentionDim, len(f.Settings.TextLayers) * f.Text.Hidden},
	} {
		if fit.have != fit.want {
			return fmt.Errorf("%w: %s, is %d, must be %d", reflectionflow.ErrInvalid, fit.what, fit.have, fit.want)
		}
	}
	return nil
}

// Components lists the three networks of the folder.
func (f *Folder) Components() []flux.Component {
	taps := f.Settings.TextLayers
	return []flux.Component{
		{Prefix: TransformerPrefix, Stem: flux.DiffusersStem, Variables: f.Transformer.Variables, Layout: layout.Flux2Transformer},
		{Prefix: VAEPrefix, Stem: flux.DiffusersStem, Variables: f.VAE.Variables, Layout: layout.Autoencoder},
		{
			Prefix: TextPrefix, Stem: flux.TransformersStem,
			Variables: func() ([]nn.Variable, error) { return f.Text.Variables(taps) },
			Layout:    layout.Qwen3(f.textName),
		},
	}
}

// textName drops what is behind the last layer that is read.
func (f *Folder) textName(name string) string {
	name = qwen3.Name(name)
	last := slices.Max(f.Settings.TextLayers)
	if rest, ok := strings.CutPrefix(name, "layers."); ok {
		number, _, _ := strings.Cut(rest, ".")
		if layer, err := strconv.Atoi(number); err == nil && layer >= last && layer < f.Text.Layers {
			return ""
		}
	}
	if name == "norm.weight" && last < f.Text.Layers {
		return ""
	}
	return name
}

// LoadWeights reads the weights of all networks into the store, each below its prefix;
// see [flux.Component.Load].
func (f *Folder) LoadWeights(store *nn.Store) error {
	return flux.Components(f.Components()).Load(store, f.Files)
}

// CheckWeights compares the weight files with what the configuration files ask for; see
// [flux.Component.Check].
func (f *Folder) CheckWeights() (flux.Problems, error) {
	return flux.Components(f.Components()).Check(f.Files)
}

// VerifyChecksums is [flux.VerifyChecksums] for the folder.
func (f *Folder) VerifyChecksums(ctx context.Context) (files int, err error) {
	return f.Files.VerifyChecksums(ctx)
}

// WriteConfigs writes model_index.json and the configuration files into dir, which it
// creates if need be. Each file is written atomically.
func (f *Folder) WriteConfigs(dir string) error {
	if err := f.Validate(); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	for _, file := range []struct {
		name, class string
		value       any
	}{
		{"model_index.json", "", distilledIndex{f.Index, f.Distilled}},
		{"scheduler/scheduler_config.json", "FlowMatchEulerDiscreteScheduler", f.Scheduler},
		{"transformer/config.json", transformerClass, f.Transformer},
		{"vae/config.json", autoencoderClass, f.VAE},
		{"text_encoder/config.json", "", f.Text},
		{SettingsFile, "", f.Settings},
	} {
		if err := flux.WriteConfig(filepath.Join(dir, file.name), file.class, f.Index.Version, file.value); err != nil {
			return fmt.Errorf("write model: %w", err)
		}
	}
	return nil
}

// SaveWeights writes the weights of all networks from the store below dir. Errors are
// those of [flux.SaveWeights].
func (f *Folder) SaveWeights(dir string, store *nn.Store, dtype safetensors.DType) error {
	for _, c := range f.Components() {
		if err := c.Save(store, dir, dtype); err != nil {
			return err
		}
	}
	return nil
}
