package flux

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/tokenizer"
	"reflectionflow/weights/safetensors"
)

// Settings are what generating with a checkpoint needs to know beyond diffusers'
// files: the optional reflectionflow.json of its folder, which diffusers ignores.
type Settings struct {
	// ClassifierFreeGuidance makes a request's guidance the scale of classifier-free
	// guidance (diffusers' true_cfg_scale) against the empty prompt; 1 switches it
	// off. It is for models that are not guidance-distilled.
	ClassifierFreeGuidance bool `json:"classifier_free_guidance"`
	// GuidanceRescale, in [0, 1], is phi of [RescaleGuidance] (diffusers'
	// guidance_rescale), for classifier-free guidance; 0 switches it off.
	GuidanceRescale float64 `json:"guidance_rescale,omitempty"`
	// TextLength is the number of T5 tokens with padding (diffusers'
	// max_sequence_length); 512 in a folder without settings.
	TextLength int `json:"text_length"`
	// AlignedReference says that the corrector was trained on references of the image's
	// size and at the image's positions, as FLUX.1 Kontext is. Otherwise references are
	// half as large and left of the image, as for FLUX-Corrector.
	AlignedReference bool `json:"aligned_reference,omitempty"`
	// ReferenceScale is [Condition.Scale], the weight of attention between a reference
	// and the rest (OminiControl's condition_scale); 0 means 1. Below 1, corrections
	// keep less of the reference.
	ReferenceScale float64 `json:"reference_scale,omitempty"`
	// MinSide and MaxSide bound the sides of the images that the checkpoint was made
	// for, in pixels; 0 where it does not say, see [Folder.Sizes].
	MinSide int `json:"min_side,omitempty"`
	MaxSide int `json:"max_side,omitempty"`
	// The recommended values of a request; 0 where the checkpoint has none.
	Width    int     `json:"width,omitempty"`
	Height   int     `json:"height,omitempty"`
	Steps    int     `json:"steps,omitempty"`
	Guidance float64 `json:"guidance,omitempty"`
}

// Names of the files that a folder may have besides diffusers' own.
const (
	SettingsFile  = "reflectionflow.json"              // see [Settings]
	CorrectorFile = "pytorch_lora_weights.safetensors" // the corrector's LoRA
)

const (
	defaultTextLength = 512 // FLUX.1-dev
	maxTextLength     = 4096
	maxReferenceScale = 100
)

// Validate reports settings out of range for the transformer, as an error
// wrapping [reflectionflow.ErrInvalid].
func (s Settings) Validate(p Params) error {
	if s.TextLength < 1 || s.TextLength > maxTextLength {
		return fmt.Errorf("%w: %s: text_length is %d, must be from 1 to %d", reflectionflow.ErrInvalid, SettingsFile, s.TextLength, maxTextLength)
	}
	if s.ClassifierFreeGuidance && p.GuidanceEmbeds {
		return fmt.Errorf("%w: %s: classifier_free_guidance is for models whose guidance_embeds is false", reflectionflow.ErrInvalid, SettingsFile)
	}
	if !(s.GuidanceRescale >= 0 && s.GuidanceRescale <= 1) || s.GuidanceRescale > 0 && !s.ClassifierFreeGuidance {
		return fmt.Errorf("%w: %s: guidance_rescale is %v, must be from 0 to 1, and 0 without classifier_free_guidance", reflectionflow.ErrInvalid, SettingsFile, s.GuidanceRescale)
	}
	if s.MinSide < 0 || s.MaxSide < 0 || s.MaxSide > 0 && s.MaxSide < s.MinSide {
		return fmt.Errorf("%w: %s: min_side %d and max_side %d must not be negative, and max_side not below min_side", reflectionflow.ErrInvalid, SettingsFile, s.MinSide, s.MaxSide)
	}
	if !(s.ReferenceScale >= 0 && s.ReferenceScale <= maxReferenceScale) {
		return fmt.Errorf("%w: %s: reference_scale is %v, must be from 0 to %d", reflectionflow.ErrInvalid, SettingsFile, s.ReferenceScale, maxReferenceScale)
	}
	return nil
}

// ConditionGrid returns the grid of a reference for an image of the grid given: the
// same for aligned references, otherwise half of each side (a reference of 512 pixels
// for an image of 1024).
func (s Settings) ConditionGrid(image Grid) Grid {
	if s.AlignedReference {
		return image
	}
	return Grid{Rows: max(1, image.Rows/2), Cols: max(1, image.Cols/2)}
}

// Write writes the settings into the folder dir.
func (s Settings) Write(dir string) error {
	if err := writeConfig(filepath.Join(dir, SettingsFile), "", "", s); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// Settings reads the folder's reflectionflow.json; a folder without it has the
// settings of FLUX.1-dev. Settings that do not suit the transformer give an error
// wrapping [reflectionflow.ErrInvalid].
func (f *Folder) Settings() (Settings, error) {
	settings := Settings{TextLength: defaultTextLength}
	if f.has(SettingsFile) {
		if err := readConfig(f.fsys, SettingsFile, &settings); err != nil {
			return Settings{}, err
		}
	}
	return settings, settings.Validate(f.Transformer)
}

// CorrectorPrefix is the prefix of the corrector's weights in a store.
const CorrectorPrefix = "corrector"

// Model is what generates images: configurations, weights and tokenizers.
type Model struct {
	Folder        *Folder
	Settings      Settings
	Store         *nn.Store // weights below TransformerPrefix, VAEPrefix, CLIPPrefix, T5Prefix, CorrectorPrefix
	CLIPTokenizer *tokenizer.Tokenizer
	T5Tokenizer   *tokenizer.Tokenizer
	Corrector     *LoRA // nil for a model that cannot correct images
}

// LoadModel reads settings, tokenizers and weights of the folder. The corrector is
// read from the file given, or from the folder's pytorch_lora_weights.safetensors
// where corrector is nil and there is one. A file that is missing or damaged, or does
// not fit the others, gives an error wrapping [reflectionflow.ErrInvalid].
func LoadModel(folder *Folder, corrector *safetensors.File) (*Model, error) {
	settings, err := folder.Settings()
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	m := &Model{Folder: folder, Store: nn.NewStore(), Settings: settings}
	if err := m.loadTokenizers(); err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	if err := folder.LoadWeights(m.Store); err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	if err := m.loadCorrector(corrector); err != nil {
		return nil, fmt.Errorf("load corrector: %w", err)
	}
	return m, nil
}

func (f *Folder) has(name string) bool {
	_, err := fs.Stat(f.fsys, name)
	return err == nil
}

func (m *Model) loadTokenizers() error {
	for _, t := range []struct {
		folder     string
		into       **tokenizer.Tokenizer
		vocabulary int
	}{
		{"tokenizer", &m.CLIPTokenizer, m.Folder.CLIP.Vocabulary},
		{"tokenizer_2", &m.T5Tokenizer, m.Folder.T5.Vocabulary},
	} {
		read, err := m.Folder.Tokenizer(t.folder)
		if err != nil {
			return err
		}
		if size := read.Size(); size > t.vocabulary {
			return fmt.Errorf("%w: %s has %d tokens, its encoder's vocabulary has %d", reflectionflow.ErrInvalid, t.folder, size, t.vocabulary)
		}
		*t.into = read
	}
	return nil
}

// TextIDs returns the token ids of the long text for T5, [Settings.TextLength] of
// them, and of the short text for CLIP, as many as its encoder has positions. Longer
// texts are cut, shorter ones padded with the pad token of the tokenizer's folder, or
// else of the encoder's config.json.
func (m *Model) TextIDs(long, short string) (t5, clip []int32) {
	t5, _, _ = m.T5Tokenizer.EncodePadded(long, m.Settings.TextLength, pad(m.T5Tokenizer, m.Folder.T5.PadID))
	clip, _, _ = m.CLIPTokenizer.EncodePadded(short, m.Folder.CLIP.Positions, pad(m.CLIPTokenizer, m.Folder.CLIP.PadID))
	return t5, clip
}

func pad(t *tokenizer.Tokenizer, otherwise int) int32 {
	if id, ok := t.Pad(); ok {
		return id
	}
	return int32(otherwise)
}

func (m *Model) loadCorrector(file *safetensors.File) error {
	if file == nil {
		if !m.Folder.has(CorrectorFile) {
			return nil
		}
		data, err := fs.ReadFile(m.Folder.fsys, CorrectorFile)
		if err != nil {
			return missingFile(CorrectorFile, err)
		}
		if file, err = safetensors.FromBytes(CorrectorFile, data); err != nil {
			return err
		}
	}
	lora, err := LoadLoRA(file, m.Folder.Transformer, m.Store, CorrectorPrefix)
	if err != nil {
		return err
	}
	m.Corrector = &lora
	return nil
}

// CheckWords reports words of the text that a tokenizer's vocabulary lacks, as an
// error wrapping [reflectionflow.ErrInvalid]. FLUX.1-dev's tokenizers lack none.
func (m *Model) CheckWords(text string) error {
	for _, t := range []*tokenizer.Tokenizer{m.T5Tokenizer, m.CLIPTokenizer} {
		if words := t.Unknown(text); len(words) > 0 {
			return fmt.Errorf("%w: the model does not know the words %q", reflectionflow.ErrInvalid, words)
		}
	}
	return nil
}

// check reports a request that the model cannot serve, as an error wrapping
// [reflectionflow.ErrInvalid].
func (m *Model) check(r reflectionflow.Request) error {
	if err := r.Validate(); err != nil {
		return err
	}
	unit := 2 * m.Folder.VAE.Factor()
	if r.Width%unit != 0 || r.Height%unit != 0 {
		return fmt.Errorf("%w: size %dx%d: sides must be multiples of %d", reflectionflow.ErrInvalid, r.Width, r.Height, unit)
	}
	if r.Reference != nil && m.Corrector == nil {
		return fmt.Errorf("%w: the model has no corrector: it cannot correct a reference image", reflectionflow.ErrInvalid)
	}
	if r.Reference != nil && r.Reference.Bounds().Empty() {
		return fmt.Errorf("%w: the reference image is empty", reflectionflow.ErrInvalid)
	}
	for _, text := range []string{r.Text(), pooledPrompt(r), negativePrompt(r)} {
		if err := m.CheckWords(text); err != nil {
			return err
		}
	}
	if ids, truncated := m.T5Tokenizer.Encode(r.Prompt, m.Settings.TextLength); truncated {
		return fmt.Errorf("%w: the prompt is longer than the model's %d tokens: shorten it", reflectionflow.ErrInvalid, len(ids))
	}
	return nil
}

// pooledPrompt returns the prompt of the CLIP encoder.
func pooledPrompt(r reflectionflow.Request) string {
	if strings.TrimSpace(r.PooledPrompt) == "" {
		return r.Prompt
	}
	return r.PooledPrompt
}

// With returns the model with other weights.
func (m *Model) With(store *nn.Store) *Model {
	other := *m
	other.Store = store
	return &other
}
