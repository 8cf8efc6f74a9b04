//go:build amd64 && goexperiment.simd

package cpu

import "simd/archsimd"

const lanes512 = 16

func neg512(dst, a []float32) {
	sign := archsimd.BroadcastInt32x16(-1 << 31)
	for i := 0; i < len(dst); i += lanes512 {
		store512(load512(a, i).AsInt32x16().Xor(sign).AsFloat32x16(), dst, i)
	}
}

func abs512(dst, a []float32) {
	mask := archsimd.BroadcastInt32x16(1<<31 - 1)
	for i := 0; i < len(dst); i += lanes512 {
		store512(load512(a, i).AsInt32x16().And(mask).AsFloat32x16(), dst, i)
	}
}

func sqrt512(dst, a []float32) {
	for i := 0; i < len(dst); i += lanes512 {
		store512(load512(a, i).Sqrt(), dst, i)
	}
}

func rsqrt512(dst, a []float32) {
	one := archsimd.BroadcastFloat32x16(1)
	for i := 0; i < len(dst); i += lanes512 {
		store512(one.Div(load512(a, i).Sqrt()), dst, i)
	}
}

// expOf512 returns e^x as 2^n·e^r with n = round(x/ln 2) and a polynomial for e^r. The polynomial is an interpolation
// of (e^r-1-r)/r² at Chebyshev nodes of |r| ≤ ln(2)/2; its own error is below 0.1 ulp. The sum with roundNumber leaves n
// in the low bits.
func expOf512(x archsimd.Float32x16) archsimd.Float32x16 {
	// The operands are in this order so that NaN stays NaN.
	x = archsimd.BroadcastFloat32x16(expHigh).Min(x)
	x = archsimd.BroadcastFloat32x16(expLow).Max(x)
	round := archsimd.BroadcastFloat32x16(roundNumber)
	t := x.MulAdd(archsimd.BroadcastFloat32x16(log2E), round)
	n := t.AsInt32x16().Sub(round.AsInt32x16())
	f := t.Sub(round)
	r := f.MulAdd(archsimd.BroadcastFloat32x16(-ln2High), x)
	r = f.MulAdd(archsimd.BroadcastFloat32x16(-ln2Low), r)
	p := archsimd.BroadcastFloat32x16(exp4)
	p = p.MulAdd(r, archsimd.BroadcastFloat32x16(exp3))
	p = p.MulAdd(r, archsimd.BroadcastFloat32x16(exp2))
	p = p.MulAdd(r, archsimd.BroadcastFloat32x16(exp1))
	p = p.MulAdd(r, archsimd.BroadcastFloat32x16(exp0))
	one := archsimd.BroadcastFloat32x16(1)
	p = p.Mul(r).MulAdd(r, r).Add(one)
	// 2^n in two factors: n may be beyond the exponents of normal numbers at both ends.
	bias := archsimd.BroadcastInt32x16(127)
	half := n.ShiftAllRight(1)
	p = p.Mul(half.Add(bias).ShiftAllLeft(23).AsFloat32x16())
	return p.Mul(n.Sub(half).Add(bias).ShiftAllLeft(23).AsFloat32x16())
}

func exp512(dst, a []float32) {
	for i := 0; i < len(dst); i += lanes512 {
		store512(expOf512(load512(a, i)), dst, i)
	}
}

// logistic512 computes 1/(1+e) for x ≥ 0 and e/(1+e) for x < 0, with e = e^-|x|.
func logistic512(dst, a []float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	sign := archsimd.BroadcastInt32x16(-1 << 31)
	for i := 0; i < len(dst); i += lanes512 {
		x := load512(a, i)
		e := expOf512(x.AsInt32x16().Or(sign).AsFloat32x16())
		store512(e.Merge(one, x.Less(zero)).Div(e.Add(one)), dst, i)
	}
}

// tanh512 computes an odd polynomial below tanhSmall, an interpolation of (tanh(x)/x-1)/x² at Chebyshev nodes, and
// 1-2/(e^2|x|+1) above.
func tanh512(dst, a []float32) {
	one, two := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(2)
	small := archsimd.BroadcastFloat32x16(tanhSmall)
	sign, mask := archsimd.BroadcastInt32x16(-1<<31), archsimd.BroadcastInt32x16(1<<31-1)
	for i := 0; i < len(dst); i += lanes512 {
		x := load512(a, i)
		abs := x.AsInt32x16().And(mask).AsFloat32x16()
		big := one.Sub(two.Div(expOf512(abs.Add(abs)).Add(one)))
		big = big.AsInt32x16().Or(x.AsInt32x16().And(sign)).AsFloat32x16()
		z := x.Mul(x)
		p := archsimd.BroadcastFloat32x16(tanh4)
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(tanh3))
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(tanh2))
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(tanh1))
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(tanh0))
		p = p.Mul(z).MulAdd(x, x)
		store512(p.Merge(big, abs.Less(small)), dst, i)
	}
}

// erf512 computes x+x·p(x²) below erfSmall, p being an interpolation of erf(x)/x-1 at Chebyshev nodes, and 1-e^(-t-t·q(t))
// above, with t = |x| and q an interpolation of -ln(1-erf(t))/t-1. From erfLarge on the result is ±1.
func erf512(dst, a []float32) {
	one, small, large := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(erfSmall), archsimd.BroadcastFloat32x16(erfLarge)
	sign, mask := archsimd.BroadcastInt32x16(-1<<31), archsimd.BroadcastInt32x16(1<<31-1)
	for i := 0; i < len(dst); i += lanes512 {
		x := load512(a, i)
		t := large.Min(x.AsInt32x16().And(mask).AsFloat32x16())
		q := archsimd.BroadcastFloat32x16(erfc6)
		q = q.MulAdd(t, archsimd.BroadcastFloat32x16(erfc5))
		q = q.MulAdd(t, archsimd.BroadcastFloat32x16(erfc4))
		q = q.MulAdd(t, archsimd.BroadcastFloat32x16(erfc3))
		q = q.MulAdd(t, archsimd.BroadcastFloat32x16(erfc2))
		q = q.MulAdd(t, archsimd.BroadcastFloat32x16(erfc1))
		q = q.MulAdd(t, archsimd.BroadcastFloat32x16(erfc0))
		q = q.MulAdd(t, t)
		big := one.Sub(expOf512(q.AsInt32x16().Xor(sign).AsFloat32x16()))
		big = big.AsInt32x16().Or(x.AsInt32x16().And(sign)).AsFloat32x16()
		z := x.Mul(x)
		p := archsimd.BroadcastFloat32x16(erf6)
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(erf5))
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(erf4))
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(erf3))
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(erf2))
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(erf1))
		p = p.MulAdd(z, archsimd.BroadcastFloat32x16(erf0))
		p = p.MulAdd(x, x)
		store512(p.Merge(big, t.Less(small)), dst, i)
	}
}

// log512 computes k·ln 2 + ln(1+f) with x = 2^k·(1+f), √½ ≤ 1+f < √2, and ln(1+f) = f-f²/2+f³·p(f), p being an interpolation
// at Chebyshev nodes.
func log512(dst, a []float32) {
	one, zero := archsimd.BroadcastFloat32x16(1), archsimd.BroadcastFloat32x16(0)
	normal, scale, digits := archsimd.BroadcastFloat32x16(smallestNormal), archsimd.BroadcastFloat32x16(1<<23), archsimd.BroadcastFloat32x16(23)
	root, fraction := archsimd.BroadcastFloat32x16(rootHalf).AsInt32x16(), archsimd.BroadcastInt32x16(1<<23-1)
	infinite := archsimd.BroadcastInt32x16(0x7f800000).AsFloat32x16()
	none := archsimd.BroadcastInt32x16(0x7fc00000).AsFloat32x16()
	below := archsimd.BroadcastInt32x16(0x7f800000 - 1<<31).AsFloat32x16()
	for i := 0; i < len(dst); i += lanes512 {
		x := load512(a, i)
		tiny := x.Less(normal)
		bits := x.Mul(scale).Merge(x, tiny).AsInt32x16().Sub(root)
		k := bits.ShiftAllRight(23).ConvertToFloat32()
		k = k.Sub(digits).Merge(k, tiny)
		f := bits.And(fraction).Add(root).AsFloat32x16().Sub(one)
		p := archsimd.BroadcastFloat32x16(log8)
		p = p.MulAdd(f, archsimd.BroadcastFloat32x16(log7))
		p = p.MulAdd(f, archsimd.BroadcastFloat32x16(log6))
		p = p.MulAdd(f, archsimd.BroadcastFloat32x16(log5))
		p = p.MulAdd(f, archsimd.BroadcastFloat32x16(log4))
		p = p.MulAdd(f, archsimd.BroadcastFloat32x16(log3))
		p = p.MulAdd(f, archsimd.BroadcastFloat32x16(log2))
		p = p.MulAdd(f, archsimd.BroadcastFloat32x16(log1))
		p = p.MulAdd(f, archsimd.BroadcastFloat32x16(log0))
		z := f.Mul(f)
		r := k.MulAdd(archsimd.BroadcastFloat32x16(ln2Low), z.Mul(f).Mul(p))
		r = z.MulAdd(archsimd.BroadcastFloat32x16(-0.5), r).Add(f)
		r = k.MulAdd(archsimd.BroadcastFloat32x16(ln2High), r)
		r = none.Merge(r, x.Less(zero))
		r = below.Merge(r, x.Equal(zero))
		r = x.Merge(r, x.Equal(infinite))
		store512(x.Merge(r, x.NotEqual(x)), dst, i)
	}
}

func where512(dst, c, a, b []float32) {
	zero := archsimd.BroadcastFloat32x16(0)
	for i := 0; i < len(dst); i += lanes512 {
		store512(load512(a, i).Merge(load512(b, i), load512(c, i).NotEqual(zero)), dst, i)
	}
}

// sum512 adds the elements of a, whose length is a multiple of the lanes: every lane in order over four accumulators,
// then the lanes in order.
func sum512(a []float32) float32 {
	var s0, s1, s2, s3 archsimd.Float32x16
	i := 0
	for ; i+4*lanes512 <= len(a); i += 4 * lanes512 {
		s0 = s0.Add(load512(a, i))
		s1 = s1.Add(load512(a, i+lanes512))
		s2 = s2.Add(load512(a, i+2*lanes512))
		s3 = s3.Add(load512(a, i+3*lanes512))
	}
	for ; i < len(a); i += lanes512 {
		s0 = s0.Add(load512(a, i))
	}
	var lanes [16]float32
	s0.Add(s1).Add(s2.Add(s3)).Store(&lanes)
	var sum float32
	for _, v := range lanes {
		sum += v
	}
	return sum
}

// largest512 returns the largest element of a, or NaN if there is one; the length of a is a positive multiple of the
// lanes.
func largest512(a []float32) float32 {
	m := load512(a, 0)
	for i := lanes512; i < len(a); i += lanes512 {
		x := load512(a, i)
		m = m.Merge(m.Max(x), m.NotEqual(m))
	}
	var lanes [16]float32
	m.Store(&lanes)
	largest := lanes[0]
	for _, v := range lanes[1:] {
		largest = max(largest, v)
	}
	return largest
}

// smallest512 returns the smallest element of a, or NaN if there is one; the length of a is a positive multiple of the
// lanes.
func smallest512(a []float32) float32 {
	m := load512(a, 0)
	for i := lanes512; i < len(a); i += lanes512 {
		x := load512(a, i)
		m = m.Merge(m.Min(x), m.NotEqual(m))
	}
	var lanes [16]float32
	m.Store(&lanes)
	smallest := lanes[0]
	for _, v := range lanes[1:] {
		smallest = min(smallest, v)
	}
	return smallest
}
