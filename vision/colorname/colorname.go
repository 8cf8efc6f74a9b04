// Package colorname names colors by the eleven basic color terms of English, without a network.
//
//	weights := colorname.Of(200, 30, 30)
//	term, share := weights.Best() // "red"
//
// [Of] names one color, [Object] the color of what a box of an image shows, and [Term] maps the color
// words of a prompt ("crimson", "dark green") to the basic terms. Names follow the xkcd color survey
// (xkcd11.csv): people's words for colors on their own screens.
package colorname

import (
	_ "embed"
	"math"
	"strconv"
	"strings"
	"sync"
)

// terms are the basic terms, in alphabetical order.
var terms = [...]string{"black", "blue", "brown", "gray", "green", "orange", "pink", "purple", "red", "white", "yellow"}

// Terms returns the basic terms in alphabetical order: black, blue, brown, gray, green, orange, pink,
// purple, red, white, yellow.
func Terms() []string { return append([]string(nil), terms[:]...) }

// Weights is how much a color is called by each of [Terms], in their order. They add up to 1, or are
// all zero where there is no color.
type Weights [len(terms)]float64

// Of returns the weight of a term, 0 for an unknown one.
func (w Weights) Of(term string) float64 {
	for i, t := range terms {
		if t == term {
			return w[i]
		}
	}
	return 0
}

// Best returns the term with the most weight, and that weight; "" for no color.
func (w Weights) Best() (term string, weight float64) {
	for i, v := range w {
		if v > weight {
			term, weight = terms[i], v
		}
	}
	return term, weight
}

// Without returns the weights without a term, adding up to 1 again.
func (w Weights) Without(term string) Weights {
	sum := 0.0
	for i, t := range terms {
		if t == term {
			w[i] = 0
		}
		sum += w[i]
	}
	if sum == 0 {
		return Weights{}
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}

//go:embed xkcd11.csv
var survey string

// neighbors is how many colors of the survey name another color; each counts 1/(distance+3), with the
// distance in CIELAB (ΔE of 1976). Both numbers were chosen by leaving one color out.
const (
	neighbors = 9
	nearness  = 3
)

// named is a color of the survey.
type named struct {
	lab  [3]float64
	term int
}

var colors = sync.OnceValue(func() []named { return parse(survey) })

// parse reads lines of a color in hexadecimal and its term.
func parse(csv string) []named {
	var list []named
	for line := range strings.Lines(csv) {
		code, term, _ := strings.Cut(strings.TrimSpace(line), ",")
		rgb, err := strconv.ParseUint(code, 16, 24)
		if err != nil {
			panic("colorname: " + err.Error()) // the file is part of this binary
		}
		for i, t := range terms {
			if t == term {
				list = append(list, named{lab: lab(uint8(rgb>>16), uint8(rgb>>8), uint8(rgb)), term: i})
			}
		}
	}
	return list
}

// Of returns how much people call an sRGB color by each term.
func Of(r, g, b uint8) Weights { return nearest(colors(), lab(r, g, b)) }

// nearest weighs the terms of the nearest colors of a list.
func nearest(list []named, at [3]float64) Weights {
	var best [neighbors]struct {
		distance float64
		term     int
	}
	n := 0
	for _, c := range list {
		x, y, z := c.lab[0]-at[0], c.lab[1]-at[1], c.lab[2]-at[2]
		d := x*x + y*y + z*z
		if n == neighbors && d >= best[neighbors-1].distance {
			continue
		}
		i := min(n, neighbors-1)
		for ; i > 0 && best[i-1].distance > d; i-- {
			best[i] = best[i-1]
		}
		best[i].distance, best[i].term = d, c.term
		n = min(n+1, neighbors)
	}
	var w Weights
	sum := 0.0
	for _, c := range best[:n] {
		v := 1 / (math.Sqrt(c.distance) + nearness)
		w[c.term] += v
		sum += v
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}

// lab converts sRGB to CIELAB under the white of D65 (CIE 15, IEC 61966-2-1).
func lab(r, g, b uint8) [3]float64 {
	lr, lg, lb := linear[r], linear[g], linear[b]
	x := (0.4124564*lr + 0.3575761*lg + 0.1804375*lb) / 0.95047
	y := 0.2126729*lr + 0.7151522*lg + 0.0721750*lb
	z := (0.0193339*lr + 0.1191920*lg + 0.9503041*lb) / 1.08883
	fx, fy, fz := cubic(x), cubic(y), cubic(z)
	return [3]float64{116*fy - 16, 500 * (fx - fy), 200 * (fy - fz)}
}

// linear is the light of each byte of sRGB.
var linear = func() (l [256]float64) {
	for i := range l {
		v := float64(i) / 255
		if v <= 0.04045 {
			l[i] = v / 12.92
		} else {
			l[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return l
}()

func cubic(t float64) float64 {
	if t > 216.0/24389 {
		return math.Cbrt(t)
	}
	return (24389.0/27*t + 16) / 116
}

// bits is how much of each byte the table of pixels keeps.
const bits = 5

// table has the weights of the middle of each of 32×32×32 cells of sRGB. It is computed once, in about
// 50 ms, when the first image is named.
var table = sync.OnceValue(func() *[1 << (3 * bits)][len(terms)]float32 {
	t := new([1 << (3 * bits)][len(terms)]float32)
	var rows sync.WaitGroup
	for r := range 1 << bits {
		rows.Go(func() {
			for gb := range 1 << (2 * bits) {
				g, b := gb>>bits, gb&(1<<bits-1)
				for i, v := range Of(middle(r), middle(g), middle(b)) {
					t[r<<(2*bits)|gb][i] = float32(v)
				}
			}
		})
	}
	rows.Wait()
	return t
})

func middle(cell int) uint8 { return uint8(cell<<(8-bits) | 1<<(7-bits)) }

func cell(p [3]uint8) int {
	const low = 8 - bits
	return int(p[0]>>low)<<(2*bits) | int(p[1]>>low)<<bits | int(p[2]>>low)
}
