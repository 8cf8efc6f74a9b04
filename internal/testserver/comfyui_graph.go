package testserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

func readSeeker(data []byte) io.ReadSeeker { return bytes.NewReader(data) }

// comfyGraph is what a workflow comes to.
type comfyGraph struct {
	drawing        Drawing
	batch          int
	output, prefix string
}

// evaluate follows a workflow from its SaveImage back to its texts and sizes, and
// refuses what the server would not validate.
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
	g.prefix = e.text(g.output, "filename_prefix")
	decode := e.link(g.output, "images", "VAEDecode")
	sampler := e.link(decode, "samples", "KSampler")
	d := Drawing{Seed: e.whole(sampler, "seed"), Steps: int(e.whole(sampler, "steps")), Guidance: e.number(sampler, "cfg"), Strength: e.number(sampler, "denoise")}
	latent := e.link(sampler, "latent_image", "EmptySD3LatentImage")
	d.Width, d.Height, g.batch = int(e.whole(latent, "width")), int(e.whole(latent, "height")), int(e.whole(latent, "batch_size"))
	e.conditioning(e.link(sampler, "positive", ""), &d)
	if d.Steps < 1 || d.Width < 16 || d.Height < 16 || d.Width > 16384 {
		e.fail("value smaller than min")
	}
	g.drawing = d
	return g, e.err
}

// evaluation keeps the first thing that is wrong.
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
func (e *evaluation) conditioning(id string, d *Drawing) {
	for range 8 {
		switch e.nodes[id].Class {
		case "FluxGuidance":
			d.Guidance = e.number(id, "guidance")
			id = e.link(id, "conditioning", "")
		case "ReferenceLatent":
			load := e.link(e.link(id, "latent", "VAEEncode"), "pixels", "LoadImage")
			name := e.text(load, "image")
			e.s.mu.Lock()
			img, ok := e.s.uploads[name]
			e.s.mu.Unlock()
			if !ok {
				e.fail("Invalid image file: %s", name)
			}
			d.Reference = img
			id = e.link(id, "conditioning", "")
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

// words is a text that is read as a prompt.
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
