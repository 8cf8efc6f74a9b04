package flux1

import (
	"reflectionflow/flux"
	"reflectionflow/weights"
	"reflectionflow/weights/layout"
)

func (f *Folder) inferTransformer(source weights.Source) error {
	file, err := ReadTransformer(source)
	if err == nil {
		f.Transformer = file.Params
	}
	return err
}

func (f *Folder) inferVAE(source weights.Source) error {
	laid, err := layout.Autoencoder(source)
	if err == nil {
		f.VAE, err = flux.InferAutoencoder(laid)
	}
	return err
}

func (f *Folder) inferCLIP(source weights.Source) error {
	laid, err := layout.CLIP(source)
	if err == nil {
		f.CLIP, err = inferCLIP(laid)
	}
	return err
}

func (f *Folder) inferT5(source weights.Source) error {
	laid, err := layout.T5(source)
	if err == nil {
		f.T5, err = inferT5(laid)
	}
	return err
}

// clipHeadWidth is the width of a head in every CLIP, which the shapes of the tensors do
// not show.
const clipHeadWidth = 64

// inferCLIP reads the sizes of a CLIP text encoder from its tensors, in the naming of
// transformers. What they do not show is as in CLIP-L.
func inferCLIP(source weights.Source) (CLIPConfig, error) {
	words, err := flux.Dims(source, "text_model.embeddings.token_embedding.weight", 2)
	if err != nil {
		return CLIPConfig{}, err
	}
	positions, err := flux.Dims(source, "text_model.embeddings.position_embedding.weight", 2)
	if err != nil {
		return CLIPConfig{}, err
	}
	hidden, err := flux.Dims(source, "text_model.encoder.layers.0.mlp.fc1.weight", 2)
	if err != nil {
		return CLIPConfig{}, err
	}
	width := words[1]
	c := NewCLIP(words[0], width, max(1, width/clipHeadWidth), flux.Numbered(source, "text_model.encoder.layers."), positions[0])
	c.FeedForward = hidden[0]
	c.BOSID, c.EOSID, c.PadID = words[0]-2, words[0]-1, words[0]-1 // the last two tokens of CLIP's vocabulary
	return c, c.Validate()
}

// inferT5 reads the sizes of a T5 encoder from its tensors, in the naming of
// transformers. What they do not show is as in T5 v1.1.
func inferT5(source weights.Source) (T5Config, error) {
	words, err := flux.Dims(source, "shared.weight", 2)
	if err != nil {
		return T5Config{}, err
	}
	bias, err := flux.Dims(source, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 2)
	if err != nil {
		return T5Config{}, err
	}
	queries, err := flux.Dims(source, "encoder.block.0.layer.0.SelfAttention.q.weight", 2)
	if err != nil {
		return T5Config{}, err
	}
	hidden, err := flux.Dims(source, "encoder.block.0.layer.1.DenseReluDense.wi_0.weight", 2)
	if err != nil {
		return T5Config{}, err
	}
	c := NewT5(words[0], words[1], bias[1], hidden[0], flux.Numbered(source, "encoder.block."))
	c.HeadDim, c.Buckets = queries[0]/max(1, bias[1]), bias[0]
	return c, c.Validate()
}
