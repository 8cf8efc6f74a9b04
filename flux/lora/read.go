package lora

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/weights"
)

var errDoRA = errors.New("the file is a DoRA, which is not supported: use a LoRA")

// maxTensors bounds the tensors of a file. LoRAs of every layer of FLUX.1 and its text encoders have 3000.
const maxTensors = 1 << 16

// layer is what a file has for one layer, by the names of its tensors; "" for what it lacks.
type layer struct {
	name    string // in the file
	network int
	pieces  []piece
	tensors map[kind]string
}

// contents is a file, sorted by layers.
type contents struct {
	file     *weights.File
	layers   []*layer
	settings map[string]*settings
	leftOut  []string // tensors of text encoders for layers that they lack
}

// read finds the layers of a file in the networks. Its errors name the file.
func read(file File, networks []Network) (*contents, error) {
	c := &contents{file: file.Weights}
	if file.settings != nil {
		c.settings = map[string]*settings{"transformer": file.settings}
	}
	if err := c.read(networks); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, file.Weights.Name(), err)
	}
	return c, nil
}

func (c *contents) read(networks []Network) (err error) {
	names := c.file.Names()
	if len(names) > maxTensors {
		return fmt.Errorf("the file has %d tensors, a LoRA has at most %d", len(names), maxTensors)
	}
	for _, name := range names {
		if what := otherKind(name); what == "a DoRA" {
			return errDoRA
		} else if what != "" {
			return fmt.Errorf("the file is %s which is not supported (tensor %q): use a LoRA", what, name)
		}
	}
	if c.settings == nil {
		if c.settings, err = readSettings(c.file.Metadata()[MetadataKey]); err != nil {
			return err
		}
	}
	byName := map[string]*layer{}
	var stray []string
	matched := 0
	for _, name := range names {
		owner, k := split(name)
		if k == unknown {
			stray = append(stray, name)
			continue
		}
		l := byName[owner]
		if l == nil {
			l = findLayer(owner, networks)
			byName[owner] = l
		}
		switch {
		case l.pieces != nil:
			matched++
			l.tensors[k] = name
		case l.network >= 0, strings.Contains(flatten(owner), "guidance_"): // FLUX.1-schnell and FLUX.2 [klein] have none
			c.leftOut = append(c.leftOut, name)
		default:
			stray = append(stray, name)
		}
	}
	if err := strays(stray, matched, len(names)); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if l := byName[name]; l.pieces != nil {
			c.layers = append(c.layers, l)
		}
	}
	return c.check(networks)
}

// findLayer returns the layer of that name in a file. It has no pieces if no network has it; its network is then the text
// encoder that it belongs to, or -1.
func findLayer(name string, networks []Network) *layer {
	l := &layer{name: name, network: -1, tensors: map[kind]string{}}
	for i, n := range networks {
		pieces, belongs := n.find(name)
		if pieces != nil {
			l.network, l.pieces = i, pieces
			return l
		}
		if n.Text && belongs {
			l.network = i
		}
	}
	return l
}

// isLoRA reports whether a name says that the tensor is of a LoRA.
func isLoRA(name string) bool { return strings.Contains(strings.ToLower(name), "lora") }

// strays reports tensors that belong to no layer.
func strays(names []string, matched, total int) error {
	switch {
	case len(names) == 0:
		return nil
	case matched == 0 && (modelOf(names) == unknownModel || !slices.ContainsFunc(names, isLoRA)):
		return fmt.Errorf("the file is no LoRA for this model: its tensors are named %s", some(names))
	case matched == 0:
		return fmt.Errorf("the file is no LoRA for this model but for %s: its tensors are named %s", modelOf(names), some(names))
	}
	return fmt.Errorf("%d of its %d tensors belong to no layer of this model, the LoRA is for %s: %s", len(names), total, modelOf(names), some(names))
}

// check compares the shapes of all layers with the networks.
func (c *contents) check(networks []Network) error {
	if len(c.layers) == 0 {
		return errors.New("the file has no LoRA tensors for this model")
	}
	for _, l := range c.layers {
		if err := c.checkLayer(l, networks[l.network]); err != nil {
			return err
		}
	}
	for i, n := range networks {
		if err := c.checkTargets(i, n); err != nil {
			return err
		}
	}
	return nil
}

// rank returns the number of rows of a layer's A, 0 without one.
func (c *contents) rank(l *layer) int {
	if l.tensors[down] == "" {
		return 0
	}
	info, err := c.file.Info(l.tensors[down])
	if err != nil || len(info.Shape) != 2 {
		return 0
	}
	return info.Shape[0]
}

func (c *contents) checkLayer(l *layer, n Network) error {
	out := l.pieces[len(l.pieces)-1].end
	in := n.linear[l.pieces[0].module][1]
	hasDown, hasUp := l.tensors[down] != "", l.tensors[up] != ""
	switch {
	case hasDown != hasUp:
		return fmt.Errorf("tensor %q has no counterpart: a LoRA has two matrices for a layer, the file is incomplete", l.tensors[down]+l.tensors[up])
	case !hasDown && (l.tensors[alpha] != "" || l.tensors[upBias] != ""):
		return fmt.Errorf("tensor %q has no matrices beside it: the file is incomplete", l.tensors[alpha]+l.tensors[upBias])
	}
	rank := c.rank(l)
	for _, want := range []struct {
		kind  kind
		shape []int
	}{
		{down, []int{max(rank, 1), in}}, {up, []int{out, max(rank, 1)}}, {upBias, []int{out}}, {diff, []int{out, in}}, {diffBias, []int{out}},
	} {
		if err := c.checkShape(l.tensors[want.kind], want.shape); err != nil {
			return err
		}
	}
	if name := l.tensors[alpha]; name != "" {
		if info, err := c.file.Info(name); err != nil || info.Elements() != 1 {
			return fmt.Errorf("tensor %q has the shape %v, an alpha is one number", name, info.Shape)
		}
	}
	return nil
}

func (c *contents) checkShape(name string, want []int) error {
	if name == "" {
		return nil
	}
	info, err := c.file.Info(name)
	if err != nil {
		return err
	}
	if !slices.Equal(info.Shape, want) {
		return fmt.Errorf("tensor %q has the shape %v, this model needs %v: the LoRA is for %s of another size", name, info.Shape, want, modelOf(c.file.Names()))
	}
	if !info.Float() {
		return fmt.Errorf("tensor %q is of type %s, which has no fractions", name, info.Type)
	}
	return nil
}

// factor returns what B(A(x)) of a layer is multiplied by, before the weight of the file.
func (c *contents) factor(l *layer, n Network) (float64, error) {
	rank := c.rank(l)
	if name := l.tensors[alpha]; name != "" {
		var value [1]float32
		if err := c.file.ReadRows(value[:], name, 0); err != nil {
			return 0, err
		}
		if v := float64(value[0]); math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, fmt.Errorf("%w: %s: tensor %q is %v: the file is damaged", reflectionflow.ErrInvalid, c.file.Name(), name, v)
		}
		return float64(value[0]) / float64(rank), nil
	}
	scale, err := c.settings[n.Prefix].scale(l.pieces[0].module, rank)
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, c.file.Name(), err)
	}
	return scale, err
}
