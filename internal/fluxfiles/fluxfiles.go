// Package fluxfiles writes tiny FLUX models in every format that people have, for tests of what reads them.
//
// The weights are functions of their names, and the matrices hold values that the formats hold exactly, so that one image
// of diffusers is the image of all of them. testdata/tiny/make_tiny_formats.py of the command has the same functions.
package fluxfiles

import (
	"math/bits"
	"slices"
	"strings"

	"reflectionflow/nn"
)

// Levels are the values that matrices have, times a power of two.
type Levels int

// Plain are -4 to 3, which every format but these holds: Quarters, -2 to 1, are for Q2_K, and Curved, the levels of
// llama.cpp's kvalues_iq4nl, for the IQ4 types.
const (
	Plain Levels = iota
	Quarters
	Curved
)

var curve = [16]int{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// group is how many values in a row have one scale.
const group = 32

// Tensor is a tensor whose values follow from its name.
type Tensor struct {
	Name  string
	Shape []int
	parts []part // one below the other
}

// part is a block of rows of a tensor of diffusers.
type part struct {
	name       string // with the network
	values     uint64 // seeds of the values and of the groups' scales
	groups     uint64
	shape      []int
	levels     Levels
	begin, end int // elements
}

// Tensors returns the weights of a network of diffusers, which is a subfolder such as "transformer".
func Tensors(network string, variables []nn.Variable, levels Levels) []Tensor {
	var list []Tensor
	for _, v := range variables {
		name := network + "." + v.Name
		p := part{name: name, values: seed(name), groups: seed(name + "#"), shape: v.Shape, levels: levels, end: v.Size()}
		list = append(list, Tensor{Name: v.Name, Shape: v.Shape, parts: []part{p}})
	}
	return list
}

// Matrix reports whether the tensor is stored in the type of the format. The others are as precise as in published files.
func (t Tensor) Matrix() bool {
	return !slices.ContainsFunc(t.parts, func(p part) bool { return !p.matrix() })
}

func (p part) matrix() bool {
	return len(p.shape) == 2 && p.shape[1]%group == 0 && !strings.HasPrefix(p.name, "vae.")
}

// Values returns the values.
func (t Tensor) Values() []float32 {
	n := 0
	for _, p := range t.parts {
		n += p.end - p.begin
	}
	values := make([]float32, 0, n)
	for _, p := range t.parts {
		for i := p.begin; i < p.end; i++ {
			values = append(values, p.value(i))
		}
	}
	return values
}

// value is the i-th value of the whole tensor.
func (p part) value(i int) float32 {
	if p.matrix() {
		q, e, s := p.level(i)
		return scaled(q, e-s)
	}
	r := random(p.values, i) >> 57 // 7 bits
	if len(p.shape) < 2 {
		base := 0
		if strings.Contains(p.name, "norm") && strings.HasSuffix(p.name, ".weight") || strings.HasSuffix(p.name, "running_var") {
			base = 128
		}
		return scaled(base+int(r>>1)-32, -7)
	}
	return scaled(int(r)-64, -5-log(inputs(p.shape))/2)
}

// level returns the i-th value of a matrix as q·2^(e-s), where e is that of a group and s that of the matrix.
func (p part) level(i int) (q, e, s int) {
	s = log(p.shape[1])/2 + 2
	e = int(random(p.groups, i/group) >> 63)
	r := random(p.values, i) >> 60 // 4 bits
	switch p.levels {
	case Quarters:
		return int(r>>2) - 2, e, s - 1
	case Curved:
		return curve[r], e, s + 5
	}
	return int(r>>1) - 4, e, s
}

func inputs(shape []int) int {
	n := 1
	for _, d := range shape[1:] {
		n *= d
	}
	return n
}

// log is the logarithm of n to base 2, rounded up.
func log(n int) int { return bits.Len(uint(n - 1)) }

func scaled(n, exponent int) float32 {
	if exponent < 0 {
		return float32(n) / float32(int(1)<<-exponent)
	}
	return float32(n) * float32(int(1)<<exponent)
}

// seed is the FNV-1a sum of a name.
func seed(name string) uint64 {
	sum := uint64(14695981039346656037)
	for _, c := range []byte(name) {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	return sum
}

// random is the i-th number of SplitMix64.
func random(seed uint64, i int) uint64 {
	z := seed + (uint64(i)+1)*0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
