package testserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

func readSeeker(data []byte) io.ReadSeeker { return bytes.NewReader(data) }

// comfyGraph is the result of evaluating a workflow.
type comfyGraph struct {
	request        ImageRequest
	batch          int
	output, prefix string
}

// evaluate follows a workflow from its SaveImage back to its texts and sizes, and returns an
// error for what the server would refuse.
func (s *ComfyUI) evaluate(nodes map[string]comfyNode) (comfyGraph, error) {
	g := comfyGraph{}
	e := evaluation{s: s, nodes: nodes}
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		if nodes[id].Class == "SaveImage" {
			g.output = id
		}
	}
	if g.output == "" {
		return g, fmt.Errorf("Prompt has no outputs") //nolint:staticcheck // the server's own words
	}
	e.complete()
	g.prefix = e.text(g.output, "filename_prefix")
	decode := e.link(g.output, "images", "VAEDecode")
	var d ImageRequest
	sampler := e.link(decode, "samples", "")
	latent, positive := "", ""
	if nodes[sampler].Class == "SamplerCustomAdvanced" {
		scheduler, guider := e.link(sampler, "sigmas", "Flux2Scheduler"), e.link(sampler, "guider", "CFGGuider")
		d = ImageRequest{
			Seed: e.whole(e.link(sampler, "noise", "RandomNoise"), "noise_seed"), Steps: int(e.whole(scheduler, "steps")), Guidance: e.number(guider, "cfg"), Strength: 1,
		}
		latent, positive = e.link(sampler, "latent_image", "EmptyFlux2LatentImage"), e.link(guider, "positive", "")
		for _, side := range []string{"width", "height"} {
			if e.whole(scheduler, side) != e.whole(latent, side) {
				e.fail("the scheduler is made for another size than the latent")
			}
		}
	} else {
		sampler = e.link(decode, "samples", "KSampler")
		d = ImageRequest{Seed: e.whole(sampler, "seed"), Steps: int(e.whole(sampler, "steps")), Guidance: e.number(sampler, "cfg"), Strength: e.number(sampler, "denoise")}
		latent, positive = e.link(sampler, "latent_image", "EmptySD3LatentImage"), e.link(sampler, "positive", "")
	}
	d.Width, d.Height, g.batch = int(e.whole(latent, "width")), int(e.whole(latent, "height")), int(e.whole(latent, "batch_size"))
	e.conditioning(positive, &d)
	if d.Steps < 1 || d.Width < 16 || d.Height < 16 || d.Width > 16384 {
		e.fail("value smaller than min")
	}
	g.request = d
	return g, e.err
}

// evaluation keeps the first error.
type evaluation struct {
	s     *ComfyUI
	nodes map[string]comfyNode
	err   error
}

func (e *evaluation) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// conditioning reads the chain from the sampler's positive input to the text.
func (e *evaluation) conditioning(id string, d *ImageRequest) {
	for range 8 {
		switch e.nodes[id].Class {
		case "FluxGuidance":
			d.Guidance = e.number(id, "guidance")
			id = e.link(id, "conditioning", "")
		case "ReferenceLatent":
			d.Reference = e.image(e.link(e.link(id, "latent", "VAEEncode"), "pixels", "LoadImage"))
			id = e.link(id, "conditioning", "")
		case "TextEncodeQwenImageEditPlus":
			d.Prompt, d.Reference = e.words(id, "prompt"), e.image(e.link(id, "image1", "LoadImage"))
			return
		case "CLIPTextEncode":
			d.Prompt = e.words(id, "text")
			return
		case "CLIPTextEncodeFlux":
			d.Prompt, d.CLIPPrompt, d.Guidance = e.words(id, "t5xxl"), e.words(id, "clip_l"), e.number(id, "guidance")
			return
		default:
			e.fail("node %s has class %q", id, e.nodes[id].Class)
			return
		}
	}
	e.fail("Dependency cycle detected")
}

// image returns the upload that a LoadImage node names.
func (e *evaluation) image(load string) image.Image {
	name := e.text(load, "image")
	e.s.mu.Lock()
	defer e.s.mu.Unlock()
	img, ok := e.s.uploads[name]
	if !ok {
		e.fail("Invalid image file: %s", name)
	}
	return img
}

// complete refuses what the server does: a class that it does not know, an input that
// is missing, and a link to a node that is not there. Inputs that a class does not
// have are refused too: the server ignores them, but they are mistakes.
func (e *evaluation) complete() {
	for _, id := range slices.Sorted(maps.Keys(e.nodes)) {
		n := e.nodes[id]
		inputs, known := comfyInputs[n.Class]
		if !known {
			e.fail("Cannot execute because node %s does not exist.", n.Class)
		}
		for name := range strings.FieldsSeq(inputs) {
			if _, ok := n.Inputs[strings.TrimSuffix(name, "?")]; !ok && !strings.HasSuffix(name, "?") {
				e.fail("node %s (%s): Required input is missing: %s", id, n.Class, name)
			}
		}
		for name, value := range n.Inputs {
			if !slices.Contains(strings.Fields(strings.ReplaceAll(inputs, "?", "")), name) {
				e.fail("node %s (%s) has no input %s", id, n.Class, name)
			}
			if link, ok := value.([]any); ok {
				if to, _ := slices.Concat(link, []any{""})[0].(string); e.nodes[to].Class == "" {
					e.fail("node %s (%s): input %s leads to no node", id, n.Class, name)
				}
			}
		}
	}
}

// comfyInputs are the inputs of ComfyUI's nodes (nodes.py and comfy_extras); those with a
// question mark may be missing.
var comfyInputs = map[string]string{
	"UNETLoader":                  "unet_name weight_dtype",
	"CLIPLoader":                  "clip_name type device?",
	"DualCLIPLoader":              "clip_name1 clip_name2 type device?",
	"VAELoader":                   "vae_name",
	"LoadImage":                   "image",
	"CLIPTextEncode":              "clip text",
	"CLIPTextEncodeFlux":          "clip clip_l t5xxl guidance",
	"TextEncodeQwenImageEditPlus": "clip prompt vae? image1? image2? image3?",
	"FluxGuidance":                "conditioning guidance",
	"ReferenceLatent":             "conditioning latent?",
	"ConditioningZeroOut":         "conditioning",
	"ModelSamplingAuraFlow":       "model shift",
	"CFGNorm":                     "model strength pre_cfg?",
	"EmptySD3LatentImage":         "width height batch_size",
	"EmptyFlux2LatentImage":       "width height batch_size",
	"RandomNoise":                 "noise_seed",
	"KSamplerSelect":              "sampler_name",
	"Flux2Scheduler":              "steps width height",
	"CFGGuider":                   "model positive negative cfg",
	"SamplerCustomAdvanced":       "noise guider sampler sigmas latent_image",
	"KSampler":                    "model positive negative latent_image seed steps cfg sampler_name scheduler denoise",
	"VAEEncode":                   "pixels vae",
	"VAEDecode":                   "samples vae",
	"SaveImage":                   "images filename_prefix",
}

// link follows an input to the node of a class, "" for any.
func (e *evaluation) link(id, input, class string) string {
	list, _ := e.nodes[id].Inputs[input].([]any)
	if len(list) != 2 {
		e.fail("node %s: Required input is missing: %s", id, input)
		return ""
	}
	to, _ := list[0].(string)
	if n, ok := e.nodes[to]; !ok || class != "" && n.Class != class {
		e.fail("node %s: input %s leads to %q, not to a %s", id, input, to, class)
	}
	return to
}

func (e *evaluation) text(id, input string) string {
	text, ok := e.nodes[id].Inputs[input].(string)
	if !ok {
		e.fail("node %s: %s is no text", id, input)
	}
	return text
}

// words returns an input that is a prompt, without escapes.
func (e *evaluation) words(id, input string) string {
	text, err := comfyWords(e.text(id, input))
	if err != nil {
		e.fail("%v", err)
	}
	return text
}

func (e *evaluation) number(id, input string) float64 {
	n, _ := e.nodes[id].Inputs[input].(json.Number)
	f, err := n.Float64()
	if err != nil {
		e.fail("node %s: Failed to convert an input value to a FLOAT value: %s", id, input)
	}
	return f
}

func (e *evaluation) whole(id, input string) uint64 {
	n, _ := e.nodes[id].Inputs[input].(json.Number)
	v, err := strconv.ParseUint(n.String(), 10, 64)
	if err != nil {
		e.fail("node %s: Failed to convert an input value to a INT value: %s", id, input)
	}
	return v
}
