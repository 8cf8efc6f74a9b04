package owlv2

import (
	"fmt"

	"reflectionflow"
	"reflectionflow/nn/encoder"
	"reflectionflow/vision/internal/tower"
)

// config is the config.json of transformers' Owlv2ForObjectDetection.
type config struct {
	Projection int          `json:"projection_dim"`
	Text       tower.Text   `json:"text_config"`
	Vision     tower.Vision `json:"vision_config"`
}

// defaults are what transformers takes for absent keys.
func defaults() config {
	blocks := func(dim, heads int) encoder.Config {
		return encoder.Config{Dim: dim, Layers: 12, Heads: heads, FeedForward: 4 * dim, Activation: "quick_gelu", Epsilon: 1e-5}
	}
	return config{
		Projection: 512,
		Text:       tower.Text{Config: blocks(512, 8), Vocabulary: 49408, Positions: 16},
		Vision:     tower.Vision{Config: blocks(768, 12), Side: 768, Patch: 16, Channels: 3},
	}
}

func (c config) validate() error {
	if err := c.Text.Validate(); err != nil {
		return err
	}
	if err := c.Vision.Validate(); err != nil {
		return err
	}
	switch {
	case c.Projection != c.Text.Dim:
		return fmt.Errorf("%w: projection_dim %d differs from the width of texts, %d", reflectionflow.ErrInvalid, c.Projection, c.Text.Dim)
	case c.Text.Positions < 3:
		return fmt.Errorf("%w: text_config: max_position_embeddings is %d, must be 3 or more", reflectionflow.ErrInvalid, c.Text.Positions)
	}
	return nil
}
