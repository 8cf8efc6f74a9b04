package remote

import (
	"slices"
	"strings"

	"reflectionflow"
)

// dialect is what a server that speaks OpenAI's images API understands beside it:
// the names of its further fields, "" for what it cannot be told.
type dialect struct {
	name                            string
	seed, steps, guidance, negative string
	seedBits                        int
	maxSteps                        int     // 0: no bound known
	maxGuidance                     float64 // likewise
	// references is the field of the generations' JSON that takes reference images
	// in base64; "" where corrections go to the edits.
	references string
}

// dialects, from each project's API reference or source.
var dialects = []dialect{
	{name: "openai"},
	{
		name: "vllm-omni", seed: "seed", steps: "num_inference_steps", guidance: "guidance_scale", negative: "negative_prompt",
		seedBits: 32, maxSteps: 200, maxGuidance: 20,
	},
	{name: "sglang", seed: "seed", steps: "num_inference_steps", guidance: "guidance_scale", negative: "negative_prompt", seedBits: 32},
	// LocalAI reads "positive|negative" out of the prompt, has seeds of 32 bits with
	// sign, and no edits.
	{name: "localai", seed: "seed", steps: "step", seedBits: 31, references: "ref_images"},
}

// family is a group of OpenAI's own models with the same rules.
type family struct {
	prefix string
	// alwaysBase64: the reply is always base64 and the field response_format is refused.
	alwaysBase64 bool
	edits        bool
	maxN         int
	sizes        []string // nil: see flexible
	// flexible takes multiples of 16 with an aspect from 1:3 to 3:1.
	flexible bool
}

// families by the beginning of the model's name, longer names first (OpenAI API
// reference, images).
var families = []family{
	{prefix: "gpt-image-2", alwaysBase64: true, edits: true, maxN: 10, flexible: true},
	{prefix: "gpt-image", alwaysBase64: true, edits: true, maxN: 10, sizes: []string{"1024x1024", "1536x1024", "1024x1536"}},
	{prefix: "chatgpt-image", alwaysBase64: true, edits: true, maxN: 10, sizes: []string{"1024x1024", "1536x1024", "1024x1536"}},
	// The edits of dall-e-2 fill transparent parts only; they do not correct.
	{prefix: "dall-e-2", maxN: 10, sizes: []string{"256x256", "512x512", "1024x1024"}},
	{prefix: "dall-e-3", maxN: 1, sizes: []string{"1024x1024", "1792x1024", "1024x1792"}},
}

// other stands for all models that are not OpenAI's.
var other = family{edits: true, maxN: 10}

func familyOf(model string) family {
	name := model[strings.LastIndexByte(model, '/')+1:] // gateways write "openai/gpt-image-1"
	for _, f := range families {
		if strings.HasPrefix(name, f.prefix) {
			return f
		}
	}
	return other
}

// check reports a request that the model does not take.
func (f family) check(model string, r reflectionflow.Request) error {
	if r.Reference != nil && !f.edits {
		return invalid("model %s cannot correct an image: use one that edits, such as gpt-image-2, or search without reflection", model)
	}
	size := sizeText(r)
	if f.flexible && (r.Width > 3*r.Height || r.Height > 3*r.Width) {
		return invalid("model %s draws aspects from 1:3 to 3:1, not %s", model, size)
	}
	if f.sizes == nil || slices.Contains(f.sizes, size) {
		return nil
	}
	return invalid("model %s draws %s, not %s", model, strings.Join(f.sizes, ", "), size)
}

// check reports a request that the server does not take.
func (d dialect) check(r reflectionflow.Request) error {
	switch {
	case d.maxSteps > 0 && r.Steps > d.maxSteps:
		return invalid("%d steps: %s takes at most %d", r.Steps, d.name, d.maxSteps)
	case d.maxGuidance > 0 && r.Guidance > d.maxGuidance:
		return invalid("guidance %v: %s takes at most %v", r.Guidance, d.name, d.maxGuidance)
	}
	return nil
}
