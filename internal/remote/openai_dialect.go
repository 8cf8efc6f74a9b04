package remote

import (
	"slices"
	"strings"

	"reflectionflow"
)

// dialect is a variant of OpenAI's images API: the names of its additional fields, ""
// for fields that it does not have.
type dialect struct {
	name                            string
	seed, steps, guidance, negative string
	seedBits                        int
	maxSteps                        int     // 0: unknown
	maxGuidance                     float64 // 0: unknown
	// references is the field of generations that takes reference images in base64; ""
	// where corrections go to edits.
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
	// LocalAI splits the prompt at "|" into positive and negative, has signed seeds of 32
	// bits, and has no edits.
	{name: "localai", seed: "seed", steps: "step", seedBits: 31, references: "ref_images"},
}

// family is a group of OpenAI's models with the same rules.
type family struct {
	prefix string
	// alwaysBase64: the reply is always base64, and the field response_format is refused.
	alwaysBase64 bool
	edits        bool
	several      bool // edits take several images, image[]
	maxN         int
	sizes        []string // nil: no list; see flexible
	// flexible: multiples of 16 with an aspect ratio from 1:3 to 3:1.
	flexible bool
}

// families by the prefix of the model's name, longer prefixes first (OpenAI API
// reference, images).
var families = []family{
	{prefix: "gpt-image-2", alwaysBase64: true, edits: true, several: true, maxN: 10, flexible: true},
	{prefix: "gpt-image", alwaysBase64: true, edits: true, several: true, maxN: 10, sizes: []string{"1024x1024", "1536x1024", "1024x1536"}},
	{prefix: "chatgpt-image", alwaysBase64: true, edits: true, several: true, maxN: 10, sizes: []string{"1024x1024", "1536x1024", "1024x1536"}},
	// Edits of dall-e-2 only fill transparent parts, so they cannot correct.
	{prefix: "dall-e-2", maxN: 10, sizes: []string{"256x256", "512x512", "1024x1024"}},
	{prefix: "dall-e-3", maxN: 1, sizes: []string{"1024x1024", "1792x1024", "1024x1792"}},
}

// other is the family of all models that are not OpenAI's.
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

// references is how many images an edit takes.
func (f family) references() int {
	if f.several {
		return reflectionflow.MaxReferences // OpenAI takes 16
	}
	return 1
}

// check returns an error for a request that the model does not take.
func (f family) check(model string, r reflectionflow.Request) error {
	if r.Reference != nil && !f.edits {
		return invalid("model %s cannot correct an image: use one that edits, such as gpt-image-2, or search without reflection", model)
	}
	size := sizeText(r)
	if f.flexible && (r.Width > 3*r.Height || r.Height > 3*r.Width) {
		return invalid("model %s takes aspect ratios from 1:3 to 3:1, not %s", model, size)
	}
	if f.sizes == nil || slices.Contains(f.sizes, size) {
		return nil
	}
	return invalid("model %s takes the sizes %s, not %s", model, strings.Join(f.sizes, ", "), size)
}

// check returns an error for a request that the server does not take.
func (d dialect) check(r reflectionflow.Request) error {
	switch {
	case d.maxSteps > 0 && r.Steps > d.maxSteps:
		return invalid("%d steps: %s takes at most %d", r.Steps, d.name, d.maxSteps)
	case d.maxGuidance > 0 && r.Guidance > d.maxGuidance:
		return invalid("guidance %v: %s takes at most %v", r.Guidance, d.name, d.maxGuidance)
	}
	return nil
}
