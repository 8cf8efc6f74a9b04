// Package layout gives the tensors of weight files the names and the layout that the networks of this project ask for,
// those of diffusers and transformers, whatever program wrote the file: in one file or in a part of a combined
// checkpoint of ComfyUI, in the naming of Black Forest Labs or of llama.cpp.
//
//	file, err := weights.Open("ae.safetensors")
//	source, err := layout.Autoencoder(file) // "decoder.up.3.block.0.conv1.weight" is now "decoder.up_blocks.0.resnets.0.conv1.weight"
//	err = store.AddSource("vae", source)
//
// The functions copy no data: they return views ([weights.View]). They do not check that a network is whole, and keep
// names that they do not know: what is missing or unexpected shows when the names are compared with those that a network
// asks for. A tensor that cannot be cut as its layout needs gives an error wrapping [reflectionflow.ErrInvalid].
package layout

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"reflectionflow"
	"reflectionflow/weights"
)

// Func gives the tensors of a file the names and the layout of a network.
type Func func(source weights.Source) (weights.Source, error)

// rename gives tensors other names: own returns the network's name of what is behind the prefix of a tensor's name, "" for
// one that is left out. Tensors without the prefix are left out. Two tensors of one name give an error wrapping
// [reflectionflow.ErrInvalid].
func rename(source weights.Source, prefix string, own func(name string) string) (*weights.View, error) {
	tensors := map[string][]weights.Cut{}
	for _, name := range source.Names() {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		to := own(rest)
		if to == "" {
			continue
		}
		if other := tensors[to]; other != nil {
			return nil, fmt.Errorf("%w: the tensors %q and %q are both %q of the network", reflectionflow.ErrInvalid, other[0].From, name, to)
		}
		tensors[to] = []weights.Cut{{From: name}}
	}
	return weights.NewView(source, tensors)
}

// findPrefix returns the first of the prefixes behind which the file has one of the tensors, and the tensor; "" if it has
// none.
func findPrefix(source weights.Source, prefixes []string, tensors ...string) (prefix, tensor string) {
	names := source.Names()
	for _, tensor := range tensors {
		for _, prefix := range prefixes {
			if _, ok := slices.BinarySearch(names, prefix+tensor); ok {
				return prefix, tensor
			}
		}
	}
	return "", ""
}

// findBlocks returns the first prefix that, followed by begin, starts the name of a tensor, and begin; "" and "" if none does.
func findBlocks(source weights.Source, prefixes []string, begin string) (prefix, found string) {
	names := source.Names()
	for _, prefix := range prefixes {
		i, _ := slices.BinarySearch(names, prefix+begin)
		if i < len(names) && strings.HasPrefix(names[i], prefix+begin) {
			return prefix, begin
		}
	}
	return "", ""
}

// parts are a name cut at its dots.
type parts []string

func split(name string) parts { return strings.Split(name, ".") }

// is reports whether the parts from the i-th on are the given ones, of which "#" is any number.
func (p parts) is(i int, want ...string) bool {
	if len(p) < i+len(want) {
		return false
	}
	for j, w := range want {
		if w == "#" {
			if _, err := strconv.Atoi(p[i+j]); err != nil {
				return false
			}
		} else if p[i+j] != w {
			return false
		}
	}
	return true
}

// from joins the parts from the i-th on.
func (p parts) from(i int) string { return strings.Join(p[min(i, len(p)):], ".") }
