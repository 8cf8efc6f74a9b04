//go:build amd64 && goexperiment.simd

package bench

import "simd/archsimd"

// fuse runs n rounds of fused multiply-adds in registers and returns how many
// multiplications and additions that was: 0 on a processor without them. The
// sums go to sink, so that none is left out.
func fuse(n int, sink *[16]float32) (flop float64) {
	switch {
	case archsimd.X86.AVX512():
		fuse512(n, sink)
		return float64(n) * chains * 2 * 16
	case archsimd.X86.AVX2() && archsimd.X86.FMA():
		fuse256(n, (*[8]float32)(sink[:]))
		return float64(n) * chains * 2 * 8
	}
	return 0
}

// chains is the number of sums that do not wait for each other: more than a
// processor's latency × units.
const chains = 12

func fuse512(n int, sink *[16]float32) {
	x, y := archsimd.BroadcastFloat32x16(0.999), archsimd.BroadcastFloat32x16(0.001)
	a, b, c, d, e, f := x, x, x, x, x, x
	g, h, i, j, k, l := y, y, y, y, y, y
	for range n {
		a, b, c = a.MulAdd(x, y), b.MulAdd(x, y), c.MulAdd(x, y)
		d, e, f = d.MulAdd(x, y), e.MulAdd(x, y), f.MulAdd(x, y)
		g, h, i = g.MulAdd(x, y), h.MulAdd(x, y), i.MulAdd(x, y)
		j, k, l = j.MulAdd(x, y), k.MulAdd(x, y), l.MulAdd(x, y)
	}
	a.Add(b).Add(c).Add(d).Add(e).Add(f).Add(g).Add(h).Add(i).Add(j).Add(k).Add(l).Store(sink)
}

func fuse256(n int, sink *[8]float32) {
	x, y := archsimd.BroadcastFloat32x8(0.999), archsimd.BroadcastFloat32x8(0.001)
	a, b, c, d, e, f := x, x, x, x, x, x
	g, h, i, j, k, l := y, y, y, y, y, y
	for range n {
		a, b, c = a.MulAdd(x, y), b.MulAdd(x, y), c.MulAdd(x, y)
		d, e, f = d.MulAdd(x, y), e.MulAdd(x, y), f.MulAdd(x, y)
		g, h, i = g.MulAdd(x, y), h.MulAdd(x, y), i.MulAdd(x, y)
		j, k, l = j.MulAdd(x, y), k.MulAdd(x, y), l.MulAdd(x, y)
	}
	a.Add(b).Add(c).Add(d).Add(e).Add(f).Add(g).Add(h).Add(i).Add(j).Add(k).Add(l).Store(sink)
}
