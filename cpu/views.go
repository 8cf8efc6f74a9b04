package cpu

import "slices"

func (t *tensor) clone() *tensor {
	return &tensor{s: t.s, off: t.off, dims: slices.Clone(t.dims), strides: slices.Clone(t.strides)}
}

func (t *tensor) transposed(permutation []int) *tensor {
	c := t.clone()
	for i, p := range permutation {
		c.dims[i], c.strides[i] = t.dims[p], t.strides[p]
	}
	return c
}

// broadcast maps axis i of t to axes[i] of the dimensions; all other axes, and those of dimension 1, get stride 0.
func (t *tensor) broadcast(dims, axes []int) *tensor {
	c := &tensor{s: t.s, off: t.off, dims: slices.Clone(dims), strides: make([]int, len(dims))}
	for i, a := range axes {
		if t.dims[i] != 1 {
			c.strides[a] = t.strides[i]
		}
	}
	return c
}

// implicit broadcasts t to the dimensions by the rule of binary operations: a scalar, or the same rank with dimensions
// of 1.
func (t *tensor) implicit(dims []int) *tensor {
	axes := make([]int, len(t.dims))
	for i := range axes {
		axes[i] = i
	}
	if len(t.dims) != len(dims) { // a scalar
		axes = nil
	}
	return t.broadcast(dims, axes)
}

func (t *tensor) sliced(a sliceAttr) *tensor {
	c := t.clone()
	for i := range c.dims {
		stride := 1
		if len(a.strides) > i {
			stride = a.strides[i]
		}
		c.off += a.starts[i] * t.strides[i]
		c.dims[i] = max(0, ceilDiv(a.limits[i]-a.starts[i], stride))
		c.strides[i] *= stride
	}
	return c
}

func (t *tensor) reversed(axes []int) *tensor {
	c := t.clone()
	for _, a := range axes {
		if t.dims[a] > 0 {
			c.off += (t.dims[a] - 1) * t.strides[a]
		}
		c.strides[a] = -t.strides[a]
	}
	return c
}

// forward returns t, or a dense copy if it has an axis that runs backwards.
func (l *lowering) forward(t *tensor) *tensor {
	for i, s := range t.strides {
		if s < 0 && t.dims[i] > 1 {
			return l.dense(t)
		}
	}
	return t
}
