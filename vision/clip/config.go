package clip

import (
	"fmt"

	"reflectionflow"
	"reflectionflow/nn/encoder"
	"reflectionflow/vision/internal/tower"
)

// Family is a kind of network.
type Family string

// The families.
const (
	CLIP   Family = "clip"   // arXiv 2103.00020
	SigLIP Family = "siglip" // arXiv 2303.15343; SigLIP 2 at fixed resolutions, arXiv 2502.14786
)

// config is the config.json of transformers' CLIPModel and SiglipModel.
type config struct {
	Projection int    `json:"projection_dim"` // CLIP's
	Text       text   `json:"text_config"`
	Vision     vision `json:"vision_config"`
}

type text struct {
	tower.Text
	Projection int `json:"projection_size"` // SigLIP's; 0 means the width
}

type vision struct {
	tower.Vision
	Head bool `json:"vision_use_head"` // SigLIP's
}

// defaults are what transformers takes for absent keys.
func defaults(f Family) config {
	blocks := func(dim, heads int) encoder.Config {
		c := encoder.Config{Dim: dim, Layers: 12, Heads: heads, FeedForward: 4 * dim, Activation: "quick_gelu", Epsilon: 1e-5}
		if f == SigLIP {
			c.Activation, c.Epsilon = "gelu_pytorch_tanh", 1e-6
		}
		return c
	}
	c := config{
		Projection: 512,
		Text:       text{Text: tower.Text{Config: blocks(512, 8), Vocabulary: 49408, Positions: 77}},
		Vision:     vision{Vision: tower.Vision{Config: blocks(768, 12), Side: 224, Patch: 32, Channels: 3}, Head: true},
	}
	if f == SigLIP {
		c.Text.Text = tower.Text{Config: blocks(768, 12), Vocabulary: 32000, Positions: 64}
		c.Vision.Patch = 16
	}
	return c
}

func (c config) validate(f Family) error {
	if err := c.Text.Validate(); err != nil {
		return err
	}
	if err := c.Vision.Validate(); err != nil {
		return err
	}
	switch width := c.width(f); {
	case f == SigLIP && !c.Vision.Head:
		return fmt.Errorf("%w: vision_config: vision_use_head is false: only networks with a head are supported", reflectionflow.ErrInvalid)
	case width < 1 || width > 1<<14:
		return fmt.Errorf("%w: embeddings have %d numbers, must be 1 to %d", reflectionflow.ErrInvalid, width, 1<<14)
	case f == SigLIP && width != c.Vision.Dim:
		return fmt.Errorf("%w: embeddings of texts have %d numbers and those of images %d", reflectionflow.ErrInvalid, width, c.Vision.Dim)
	}
	return nil
}

// width is the length of an embedding.
func (c config) width(f Family) int {
	switch {
	case f == CLIP:
		return c.Projection
	case c.Text.Projection != 0:
		return c.Text.Projection
	}
	return c.Text.Dim
}
