package flux1

import (
	"fmt"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/tokenizer"
	"reflectionflow/weights/safetensors"
)

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
		size := read.Size()
		if size > t.vocabulary || size < t.vocabulary && t.into == &m.CLIPTokenizer { // T5's vocabulary is rounded up
			return fmt.Errorf("%w: %s has %d tokens, its encoder's vocabulary has %d: it belongs to another encoder", reflectionflow.ErrInvalid, t.folder, size, t.vocabulary)
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
		if !m.Folder.Files.Has(CorrectorFile) {
			return nil
		}
		var err error
		if file, err = m.Folder.Files.ReadWeights(CorrectorFile); err != nil {
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

// With returns the model with other weights.
func (m *Model) With(store *nn.Store) *Model {
	other := *m
	other.Store = store
	return &other
}
