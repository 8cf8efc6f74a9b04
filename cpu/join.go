package cpu

// A tape takes a pass over a block for each instruction. Where there are kernels for several operations at once, join
// replaces the instructions by one that gives the same bits: GELU, SiLU, a rotation of pairs (RoPE), a product and a sum, the
// scale and shift after a norm, the sum of squares, and the exponentials of a softmax with their sums.
func (t *tape) join() {
	if t.vectors.fast == nil {
		return
	}
	j := &joiner{tape: t, made: make(map[value]*instruction), uses: make(map[value]int), gone: make(map[*instruction]bool)}
	for i := range t.ins {
		in := &t.ins[i]
		j.made[in.dst] = in
		for _, v := range in.reads() {
			j.uses[*v]++
		}
		if in.store != nil || in.sums != nil {
			j.uses[in.dst]++
		}
	}
	for i := range t.ins {
		j.last(&t.ins[i])
	}
	var kept []instruction
	for i := range t.ins {
		if !j.gone[&t.ins[i]] {
			kept = append(kept, t.ins[i])
		}
	}
	t.ins = kept
}

// joiner joins the instructions of a tape whose registers are written once each.
type joiner struct {
	*tape
	made map[value]*instruction
	uses map[value]int
	gone map[*instruction]bool
}

// last joins an instruction with those that it alone reads.
func (j *joiner) last(in *instruction) {
	switch {
	case in.do == doReduce && in.op == opSum:
		if !j.squares(in) {
			j.expSum(in)
		}
	case in.do == doBinary && in.op == opAdd:
		if !j.rotate(in) && !j.shift(in) {
			j.mulAdd(in)
		}
	case in.do == doBinary && in.op == opMul:
		if !j.gelu(in) && !j.silu(in) {
			j.scale(in)
		}
	}
}

// alone returns the instruction that makes a value which one instruction reads and which is not stored, if it is of the
// kind and operation; nil otherwise.
func (j *joiner) alone(v value, do insKind, op opcode) *instruction {
	if in := j.made[v]; in != nil && in.do == do && in.op == op && j.uses[v] == 1 {
		return in
	}
	return nil
}

// drop removes instructions that others have taken over.
func (j *joiner) drop(list ...*instruction) {
	for _, in := range list {
		j.gone[in] = true
	}
}

// squares joins the sum of x·x.
func (j *joiner) squares(in *instruction) bool {
	mul := j.alone(in.a, doBinary, opMul)
	if mul == nil || mul.a != mul.b {
		return false
	}
	in.op, in.a = opSquares, mul.a
	j.drop(mul)
	return true
}

// expSum joins e^(x - r) and its sum, r being one number a row.
func (j *joiner) expSum(in *instruction) {
	exp := j.made[in.a]
	if exp == nil || exp.do != doUnary || exp.op != opExp || in.store != nil || j.cols != j.pitch {
		return
	}
	sub := j.alone(exp.a, doPerRow, opSub)
	if sub == nil {
		return
	}
	exp.do, exp.a, exp.b, exp.more = doExpSum, sub.a, sub.b, []value{in.dst}
	j.made[in.dst] = exp
	j.drop(sub, in)
}

// rotate joins x·b + swapped(x)·c.
func (j *joiner) rotate(in *instruction) bool {
	for _, v := range [][2]value{{in.a, in.b}, {in.b, in.a}} {
		turned, plain := j.alone(v[0], doBinary, opMul), j.alone(v[1], doBinary, opMul)
		if turned == nil || plain == nil || turned == plain {
			continue
		}
		swap, c := j.alone(turned.a, doUnary, opSwap), turned.b
		if swap == nil {
			swap, c = j.alone(turned.b, doUnary, opSwap), turned.a
		}
		if swap == nil || plain.a != swap.a && plain.b != swap.a {
			continue
		}
		b := plain.b
		if plain.a != swap.a {
			b = plain.a
		}
		in.do, in.a, in.b, in.c = doRotate, swap.a, b, c
		j.drop(swap, turned, plain)
		return true
	}
	return false
}

// scale joins (x op r)·m, r being one number a row.
func (j *joiner) scale(in *instruction) {
	for _, v := range [][2]value{{in.a, in.b}, {in.b, in.a}} {
		for _, op := range []opcode{opMul, opDiv} {
			if row := j.alone(v[0], doPerRow, op); row != nil && v[0] != v[1] {
				in.do, in.op, in.a, in.b, in.c = doScale, op, row.a, row.b, v[1]
				j.drop(row)
				return
			}
		}
	}
}

// shift joins a scale and a sum.
func (j *joiner) shift(in *instruction) bool {
	for _, v := range [][2]value{{in.a, in.b}, {in.b, in.a}} {
		s := j.made[v[0]]
		if s == nil || s.do != doScale || s.more != nil || j.uses[v[0]] != 1 {
			continue
		}
		in.do, in.op, in.a, in.b, in.c, in.more = doScale, s.op, s.a, s.b, s.c, []value{v[1]}
		j.drop(s)
		return true
	}
	return false
}

// mulAdd joins a·b + c.
func (j *joiner) mulAdd(in *instruction) {
	for _, v := range [][2]value{{in.a, in.b}, {in.b, in.a}} {
		if mul := j.alone(v[0], doBinary, opMul); mul != nil {
			in.do, in.a, in.b, in.c = doMulAdd, mul.a, mul.b, v[1]
			j.drop(mul)
			return
		}
	}
}

// silu joins x·logistic(x).
func (j *joiner) silu(in *instruction) bool {
	for _, v := range [][2]value{{in.a, in.b}, {in.b, in.a}} {
		if f := j.alone(v[0], doUnary, opLogistic); f != nil && f.a == v[1] {
			in.do, in.a = doSilu, f.a
			j.drop(f)
			return true
		}
	}
	return false
}

// gelu joins (x·half)·(tanh((x + ((x·x)·x)·cubic)·inner) + one).
func (j *joiner) gelu(in *instruction) bool {
	for _, v := range [][2]value{{in.a, in.b}, {in.b, in.a}} {
		half, one := j.alone(v[0], doScalar, opMul), j.alone(v[1], doScalar, opAdd)
		if half == nil || one == nil {
			continue
		}
		x, list := half.a, []*instruction{half, one}
		// next follows the chain of values that one instruction reads.
		next := func(of value, do insKind, op opcode) *instruction {
			in := j.alone(of, do, op)
			list = append(list, in)
			return in
		}
		tanh := next(one.a, doUnary, opTanh)
		if tanh == nil {
			continue
		}
		inner := next(tanh.a, doScalar, opMul)
		if inner == nil {
			continue
		}
		sum := next(inner.a, doBinary, opAdd)
		if sum == nil || sum.a != x && sum.b != x {
			continue
		}
		cubic := next(other(sum, x), doScalar, opMul)
		if cubic == nil {
			continue
		}
		cube := next(cubic.a, doBinary, opMul)
		if cube == nil || cube.a != x && cube.b != x {
			continue
		}
		square := next(other(cube, x), doBinary, opMul)
		if square == nil || square.a != x || square.b != x {
			continue
		}
		in.do, in.a, in.more = doGelu, x, []value{cubic.b, inner.b, half.b, one.b}
		j.drop(list...)
		return true
	}
	return false
}

// other returns the operand that is not x.
func other(in *instruction, x value) value {
	if in.a == x {
		return in.b
	}
	return in.a
}

// executeJoined runs a joined instruction.
func (t *tape) executeJoined(r *registers, in *instruction, dst []float32, s *span) {
	f, n, vectors := t.vectors.fast, len(dst), len(dst)/16
	a := &r.operand(in.a, n)[0]
	full := func(v value) *float32 { return &r.operand(v, n)[0] }
	switch in.do {
	case doSilu:
		f.silu(&dst[0], a, vectors)
	case doGelu:
		number := func(i int) float32 { return r.scalars[in.more[i].id] }
		f.gelu(&dst[0], a, vectors, number(0), number(1), number(2), number(3))
	case doRotate:
		f.rotate(&dst[0], a, full(in.b), full(in.c), vectors)
	case doMulAdd:
		f.mulAdd(&dst[0], a, full(in.b), full(in.c), vectors)
	case doScale:
		var shift *float32
		if len(in.more) > 0 {
			shift = full(in.more[0])
		}
		f.scale[in.op](&dst[0], a, &r.operand(in.b, s.rows)[0], s.rows, vectors/s.rows, full(in.c), shift)
	case doExpSum:
		sums := r.own[inRow][in.more[0].id]
		f.expSum(&dst[0], a, &r.operand(in.b, s.rows)[0], s.rows, vectors/s.rows, &sums[0])
		r.now[inRow][in.more[0].id] = sums
	}
}

// reduce computes one number for each row of a, or returns false if it has no kernel for that.
func (f *fastKernels) reduce(op opcode, dst, a []float32, rows int) bool {
	vectors := len(a) / rows / 16
	if kernel := f.sums[op]; kernel != nil {
		kernel(&dst[0], &a[0], rows, vectors)
		return true
	}
	return op == opLargest && f.largest(&dst[0], &a[0], rows, vectors) == 0
}
