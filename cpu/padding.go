package cpu

import "slices"

// padding locates the padding in a padded image, which a product multiplies as zeros. A weight that is not finite then
// gives NaN where the definition of a convolution has no term. So pixels that touch padding and are NaN are recomputed
// without it. The check reads only the edges of a block that is still in the cache.
type padding struct {
	axes  []paddedAxis
	inA   bool  // the image is A, and pixels are the rows of the product; else it is B, and they are the columns
	edges []int // the pixels that touch padding
}

// paddedAxis is a spatial axis of the padded image: its stride and length, and the positions of the image's elements.
type paddedAxis struct{ stride, size, start, step, n int }

// inside reports whether position i of the axis belongs to the image.
func (a paddedAxis) inside(i int) bool {
	i -= a.start
	return i >= 0 && i%a.step == 0 && i/a.step < a.n
}

// edge reports for every pixel along the axis whether its window touches padding; step is one position of the image.
func (a paddedAxis) edge(pixels, window convAxis, step int) []bool {
	list := make([]bool, pixels.n)
	for i := range list {
		for k := range window.n {
			list[i] = list[i] || !a.inside((i*pixels.x+k*window.x)/step)
		}
	}
	return list
}

// inside reports whether the element at this offset of the padded image belongs to the image.
func (p *padding) inside(offset int) bool {
	for _, a := range p.axes {
		if !a.inside(offset / a.stride % a.size) {
			return false
		}
	}
	return true
}

// find lists the pixels of the given axes that touch padding, at any index of the outer ones; p may be nil.
func (p *padding) find(inA bool, outer, pixels []convAxis) {
	if p == nil {
		return
	}
	p.inA = inA
	list := []bool{slices.ContainsFunc(outer, func(a convAxis) bool { return slices.Contains(a.edge, true) })}
	for _, a := range pixels {
		next := make([]bool, 0, len(list)*a.n)
		for _, edge := range list {
			for i := range a.n {
				next = append(next, edge || a.edge != nil && a.edge[i])
			}
		}
		list = next
	}
	for i, edge := range list {
		if edge {
			p.edges = append(p.edges, i)
		}
	}
}

// between returns the pixels that touch padding from one to another.
func (p *padding) between(from, to int) []int {
	first, _ := slices.BinarySearch(p.edges, from)
	last, _ := slices.BinarySearch(p.edges, to)
	return p.edges[first:last]
}

// leaveOutPadding recomputes the pixels of the block that touch padding and are NaN.
func (t *block) leaveOutPadding() {
	if t.padding.inA {
		for _, i := range t.padding.between(t.m0, t.m1) {
			row := t.c[t.cOff+t.cRow[i]:]
			for j := t.n0; j < t.n1; j++ {
				if row[j] != row[j] {
					row[j] = t.withoutPadding(i, j)
				}
			}
		}
		return
	}
	columns := t.padding.between(t.n0, t.n1)
	for i := t.m0; i < t.m1; i++ {
		row := t.c[t.cOff+t.cRow[i]:]
		for _, j := range columns {
			if row[j] != row[j] {
				row[j] = t.withoutPadding(i, j)
			}
		}
	}
}

// withoutPadding sums the terms of element (i, j) that are not padding, stopping when the sum is NaN for good.
func (t *block) withoutPadding(i, j int) float32 {
	var sum float32
	for q := range t.k {
		a, b := t.aOff+t.aRow[i]+t.aDepth[q], t.bOff+t.bDepth[q]+t.bCol[j]
		if t.padding.inA && !t.padding.inside(a) || !t.padding.inA && !t.padding.inside(b) {
			continue
		}
		if sum += t.termOfA(a) * t.b[b]; sum != sum {
			break
		}
	}
	return sum
}

// termOfA returns an element of A.
func (t *block) termOfA(offset int) float32 {
	if t.aHalf != nil {
		return widen(t.aHalf[offset])
	}
	return t.a[offset]
}
