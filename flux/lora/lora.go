package lora

import (
	"fmt"
	"maps"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/weights"
)

// File is a LoRA and how strongly it is applied: 1 as it was trained, less for a hint of it, below 0 for its opposite.
type File struct {
	Weights *weights.File
	Weight  float64

	settings *settings // of a file of its own, as PEFT writes it
}

// maxWeight bounds the size of a weight.
const maxWeight = 100

// Adapters are the LoRAs of a model, in a store.
type Adapters struct {
	layers   map[string][]delta // by the full name of the layer
	warnings []string
}

// delta is what one file adds to a layer's output. Its parts are names in the store, "" for what there is not.
type delta struct {
	a, b   string // factor·B(A(x))
	full   string // weight·W(x)
	biases []bias
	factor float64
	rank   int
	weight float64 // of the file
}

// bias is a vector that is added as it is.
type bias struct {
	name   string
	factor float64
}

// Load reads LoRAs of any conventions for the networks, in the order in which they are to be applied. The store reads
// their tensors where they lie, below prefix: the files must stay open as long as it is used. A file that is damaged, of another model or of a kind that is not supported gives an error wrapping
// [reflectionflow.ErrInvalid].
func Load(store *nn.Store, prefix string, networks []Network, files []File) (*Adapters, error) {
	a := &Adapters{layers: map[string][]delta{}}
	for i, file := range files {
		if !(math.Abs(file.Weight) <= maxWeight) {
			return nil, fmt.Errorf("%w: %s: the weight of the LoRA is %v, must be from %d to %d", reflectionflow.ErrInvalid, file.Weights.Name(), file.Weight, -maxWeight, maxWeight)
		}
		c, err := read(file, networks)
		if err != nil {
			return nil, err
		}
		if n := len(c.leftOut); n > 0 {
			a.warnings = append(a.warnings, fmt.Sprintf("%s: %d tensors for parts that this model does not have are left out: %s", file.Weights.Name(), n, some(c.leftOut)))
		}
		if err := a.add(c, store, fmt.Sprintf("%s.%d", prefix, i), networks, file.Weight); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Warnings says what of the files is not applied, one line each.
func (a *Adapters) Warnings() []string { return a.warnings }

// Layer is a layer that LoRAs adapt.
type Layer struct {
	Name   string  // in full: that of its network and its own
	Rank   int     // the largest of the files; 0 where none has matrices of low rank for it
	Factor float64 // what the file of that rank multiplies B(A(x)) by
}

// Layers lists the layers that are adapted, by their names.
func (a *Adapters) Layers() []Layer {
	list := make([]Layer, 0, len(a.layers))
	for _, name := range slices.Sorted(maps.Keys(a.layers)) {
		layer := Layer{Name: name}
		for _, d := range a.layers[name] {
			if d.rank > layer.Rank {
				layer.Rank, layer.Factor = d.rank, d.factor
			}
		}
		list = append(list, layer)
	}
	return list
}

// Adapter returns the hook for linear layers, of any of the networks, in a scope of the store.
func (a *Adapters) Adapter(s nn.Scope) nn.Adapter {
	return func(path string, x, y *Node) *Node {
		for _, d := range a.layers[path] {
			y = d.add(s, x, y)
		}
		return y
	}
}

// add returns the adapted output of a layer with input x and output y.
func (d delta) add(s nn.Scope, x, y *Node) *Node {
	weight := func(name string) *Node {
		node, ok := s.Stored(name)
		if !ok {
			panic(fmt.Errorf("%w: weight %q is missing", reflectionflow.ErrInvalid, name))
		}
		return node
	}
	if d.a != "" {
		y = Add(y, MulScalar(nn.MatVec(nn.MatVec(x, weight(d.a)), weight(d.b)), d.factor))
	}
	if d.full != "" {
		y = Add(y, MulScalar(nn.MatVec(x, weight(d.full)), d.weight))
	}
	for _, b := range d.biases {
		v := MulScalar(weight(b.name), b.factor)
		dims := make([]int, y.Rank())
		for i := range dims {
			dims[i] = 1
		}
		dims[len(dims)-1] = v.Shape().Dim(0)
		y = Add(y, Reshape(v, dims...))
	}
	return y
}

// add takes the layers of a file, whose tensors go into the store below prefix.
func (a *Adapters) add(c *contents, store *nn.Store, prefix string, networks []Network, weight float64) error {
	v := view{prefix: prefix, tensors: map[string][]weights.Cut{}}
	for _, l := range c.layers {
		n := networks[l.network]
		factor, err := c.factor(l, n)
		if err != nil {
			return err
		}
		for _, p := range l.pieces {
			path := n.Prefix + "." + p.module
			if weight != 0 {
				d := v.delta(l, p, factor*weight, weight)
				d.rank = c.rank(l)
				a.layers[path] = append(a.layers[path], d)
			}
		}
	}
	cuts, err := weights.NewView(c.file, v.tensors)
	if err != nil {
		return err
	}
	return store.AddSource(prefix, cuts)
}

// view collects the parts of a file's tensors that a store needs.
type view struct {
	prefix  string
	tensors map[string][]weights.Cut
}

// delta returns what a layer of the file adds to one layer of the network.
func (v view) delta(l *layer, p piece, factor, weight float64) delta {
	d := delta{
		a: v.whole(l.tensors[down]), b: v.rows(l.tensors[up], p), full: v.rows(l.tensors[diff], p),
		factor: factor, weight: weight,
	}
	if name := v.rows(l.tensors[upBias], p); name != "" {
		d.biases = append(d.biases, bias{name, factor})
	}
	if name := v.rows(l.tensors[diffBias], p); name != "" {
		d.biases = append(d.biases, bias{name, weight})
	}
	return d
}

// whole returns the name in the store of a tensor.
func (v view) whole(tensor string) string {
	if tensor == "" {
		return ""
	}
	v.tensors[tensor] = []weights.Cut{{From: tensor}}
	return v.prefix + "." + tensor
}

// rows returns the name in the store of the rows of a piece.
func (v view) rows(tensor string, p piece) string {
	if tensor == "" {
		return ""
	}
	name := fmt.Sprintf("%s.%d", tensor, p.begin)
	v.tensors[name] = []weights.Cut{{From: tensor, Begin: p.begin, End: p.end}}
	if half := (p.begin + p.end) / 2; p.swapped {
		v.tensors[name] = []weights.Cut{{From: tensor, Begin: half, End: p.end}, {From: tensor, Begin: p.begin, End: half}}
	}
	return v.prefix + "." + name
}
