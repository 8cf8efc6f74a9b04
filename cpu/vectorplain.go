package cpu

// The four arithmetic operations in portable Go, written out because a call per element would dominate their cost.

func (v *vectors) plainArithmetic() {
	v.scalar[opAdd] = func(dst, a []float32, b float32) {
		a = a[:len(dst)]
		for i, x := range a {
			dst[i] = x + b
		}
	}
	v.scalar[opSub] = func(dst, a []float32, b float32) {
		a = a[:len(dst)]
		for i, x := range a {
			dst[i] = x - b
		}
	}
	v.scalar[opMul] = func(dst, a []float32, b float32) {
		a = a[:len(dst)]
		for i, x := range a {
			dst[i] = x * b
		}
	}
	v.scalar[opDiv] = func(dst, a []float32, b float32) {
		a = a[:len(dst)]
		for i, x := range a {
			dst[i] = x / b
		}
	}
}

func (v *vectors) plainBinary() {
	v.binary[opAdd] = func(dst, a, b []float32) {
		a, b = a[:len(dst)], b[:len(dst)]
		for i, x := range a {
			dst[i] = x + b[i]
		}
	}
	v.binary[opSub] = func(dst, a, b []float32) {
		a, b = a[:len(dst)], b[:len(dst)]
		for i, x := range a {
			dst[i] = x - b[i]
		}
	}
	v.binary[opMul] = func(dst, a, b []float32) {
		a, b = a[:len(dst)], b[:len(dst)]
		for i, x := range a {
			dst[i] = x * b[i]
		}
	}
	v.binary[opDiv] = func(dst, a, b []float32) {
		a, b = a[:len(dst)], b[:len(dst)]
		for i, x := range a {
			dst[i] = x / b[i]
		}
	}
}
