package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"reflectionflow"
)

// workflow is a ComfyUI workflow in API format with slots: inputs of nodes that get a
// request's values. A node's title in the editor declares its slots,
//
//	slot: prompt                      of a CLIPTextEncode
//	slot: seed, steps, guidance=cfg   of a KSampler
//	slot: width, height               of an EmptySD3LatentImage
//	slot: reference                   of a LoadImage
//	slot: output                      of the node that saves the image
//
// or parameters of the URL do: slot.seed=3.noise_seed, with the node's id or title.
// Without "=INPUT" or ".INPUT" the slot is the first of its usual inputs that the node
// has. Several nodes may have the same slot. Without a slot for the output there must be
// exactly one SaveImage.
type workflow struct {
	nodes  map[string]*node
	slots  []slot
	output string
}

type node struct {
	Class  string         `json:"class_type"`
	Inputs map[string]any `json:"inputs"`
	Meta   map[string]any `json:"_meta,omitempty"`
}

type slot struct{ name, node, input string }

const maxWorkflow = 8 << 20

// usualInputs returns the usual inputs of a slot, in the spelling of ComfyUI's nodes.
func usualInputs(name string) ([]string, bool) {
	switch name {
	case "prompt":
		return []string{"t5xxl", "text", "prompt", "value", "string"}, true
	case "clip_prompt":
		return []string{"clip_l", "text", "value", "string"}, true
	case "seed":
		return []string{"seed", "noise_seed", "value"}, true
	case "width", "height", "steps":
		return []string{name, "value"}, true
	case "guidance":
		return []string{"guidance", "cfg", "value"}, true
	case "reference":
		return []string{"image"}, true
	case "output":
		return []string{"filename_prefix"}, true
	}
	return nil, false
}

func readWorkflow(path string, slots map[string]string) (*workflow, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, invalid("read the workflow: %v", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxWorkflow+1))
	switch {
	case err != nil:
		return nil, invalid("read the workflow: %v", err)
	case len(data) > maxWorkflow:
		return nil, invalid("workflow %s has more than %d bytes", path, maxWorkflow)
	}
	w, err := parseWorkflow(data, slots)
	if err != nil {
		return nil, invalid("workflow %s: %v", path, err)
	}
	return w, nil
}

// parseWorkflow reads a workflow and finds its slots.
func parseWorkflow(data []byte, slots map[string]string) (*workflow, error) {
	w := &workflow{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // seeds of 64 bits stay exact
	if err := d.Decode(&w.nodes); err != nil {
		return nil, errors.New("not in API format: in ComfyUI choose Export (API)")
	}
	for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
		n := w.nodes[id]
		if n == nil || n.Class == "" {
			return nil, errors.New("not in API format: in ComfyUI choose Export (API)")
		}
		title, _ := n.Meta["title"].(string)
		list, ok := cutFold(title, "slot:")
		if !ok {
			continue
		}
		for item := range strings.SplitSeq(list, ",") {
			name, input, _ := strings.Cut(item, "=")
			if err := w.add(strings.ToLower(strings.TrimSpace(name)), id, strings.TrimSpace(input)); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(slots)) {
		target, input, _ := strings.Cut(slots[name], ".")
		id, err := w.find(target)
		if err == nil {
			err = w.add(name, id, input)
		}
		if err != nil {
			return nil, err
		}
	}
	return w, w.complete()
}

func cutFold(text, prefix string) (string, bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return "", false
	}
	return text[len(prefix):], true
}

// find returns the id of the node with that id or title.
func (w *workflow) find(target string) (string, error) {
	if w.nodes[target] != nil {
		return target, nil
	}
	found := ""
	for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
		if title, _ := w.nodes[id].Meta["title"].(string); title == target {
			if found != "" {
				return "", fmt.Errorf("two nodes have the title %q", target)
			}
			found = id
		}
	}
	if found == "" {
		return "", fmt.Errorf("no node has the id or title %q", target)
	}
	return found, nil
}

// add declares an input of a node as a slot. An empty input means the first usual one.
func (w *workflow) add(name, id, input string) error {
	usual, ok := usualInputs(name)
	if !ok {
		return fmt.Errorf("node %s: %q is no slot: use prompt, clip_prompt, seed, width, height, steps, guidance, reference or output", id, name)
	}
	inputs := w.nodes[id].Inputs
	if input == "" {
		for _, candidate := range usual {
			if _, ok := inputs[candidate]; ok {
				input = candidate
				break
			}
		}
	}
	value, ok := inputs[input]
	if !ok {
		return fmt.Errorf("node %s (%s) has no input for the slot %q: name one, as in %s=INPUT", id, w.nodes[id].Class, name, name)
	}
	if _, link := value.([]any); link {
		return fmt.Errorf("node %s: input %q is linked to another node: title that node \"slot: %s\" instead", id, input, name)
	}
	if name == "output" {
		if w.output != "" && w.output != id {
			return fmt.Errorf("nodes %s and %s are both the output", w.output, id)
		}
		w.output = id
	}
	w.slots = append(w.slots, slot{name, id, input})
	// A node with both texts gets both.
	if _, both := inputs["clip_l"].(string); name == "prompt" && input == "t5xxl" && both {
		w.slots = append(w.slots, slot{"clip_prompt", id, "clip_l"})
	}
	return nil
}

// complete returns an error for a missing slot, and finds the output.
func (w *workflow) complete() error {
	if !w.has("prompt") {
		return errors.New("no slot for the prompt: title a node \"slot: prompt\"")
	}
	if w.has("output") {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
		if w.nodes[id].Class == "SaveImage" {
			if w.output != "" {
				return errors.New("two nodes save images: title one \"slot: output\"")
			}
			w.output = id
		}
	}
	if w.output == "" {
		return errors.New("no node saves an image: add a SaveImage node")
	}
	return w.add("output", w.output, "")
}

func (w *workflow) has(name string) bool {
	return slices.ContainsFunc(w.slots, func(s slot) bool { return s.name == name })
}

// fill returns the workflow with the values of r in its slots and text in the slot of the
// prompt. mark makes the name of the saved file unique.
func (w *workflow) fill(r reflectionflow.Request, text, reference, mark string) map[string]any {
	filled := map[string]any{}
	inputs := map[string]map[string]any{}
	for id, n := range w.nodes {
		inputs[id] = maps.Clone(n.Inputs)
		filled[id] = node{Class: n.Class, Inputs: inputs[id], Meta: n.Meta}
	}
	clip := r.PooledPrompt
	if clip == "" {
		clip = r.Prompt
	}
	for _, s := range w.slots {
		in := inputs[s.node]
		switch s.name {
		case "prompt":
			in[s.input] = comfyPrompt(text)
		case "clip_prompt":
			in[s.input] = comfyPrompt(clip)
		case "seed":
			in[s.input] = r.Seed
		case "width":
			in[s.input] = r.Width
		case "height":
			in[s.input] = r.Height
		case "steps":
			in[s.input] = r.Steps
		case "guidance":
			in[s.input] = r.Guidance
		case "reference":
			in[s.input] = reference
		case "output":
			prefix, _ := in[s.input].(string)
			in[s.input] = prefix + "-" + mark
		}
	}
	return filled
}
