//go:build amd64 && goexperiment.simd

package bench

import "simd/archsimd"

//go:generate go test reflectionflow/cpu -run TestVectors256 -update

// fuse512 replaces every v[i] by 0.5·v[i] + 0.5, n times. The chains are independent, so that one does not wait for
// another; they start from memory, since the compiler merges chains that it knows to be equal.
func fuse512(n int, v *[chains][16]float32) {
	x := archsimd.BroadcastFloat32x16(0.5)
	a, b, c := archsimd.LoadFloat32x16(&v[0]), archsimd.LoadFloat32x16(&v[1]), archsimd.LoadFloat32x16(&v[2])
	d, e, f := archsimd.LoadFloat32x16(&v[3]), archsimd.LoadFloat32x16(&v[4]), archsimd.LoadFloat32x16(&v[5])
	g, h, i := archsimd.LoadFloat32x16(&v[6]), archsimd.LoadFloat32x16(&v[7]), archsimd.LoadFloat32x16(&v[8])
	j, k, l := archsimd.LoadFloat32x16(&v[9]), archsimd.LoadFloat32x16(&v[10]), archsimd.LoadFloat32x16(&v[11])
	for range n {
		a, b, c = a.MulAdd(x, x), b.MulAdd(x, x), c.MulAdd(x, x)
		d, e, f = d.MulAdd(x, x), e.MulAdd(x, x), f.MulAdd(x, x)
		g, h, i = g.MulAdd(x, x), h.MulAdd(x, x), i.MulAdd(x, x)
		j, k, l = j.MulAdd(x, x), k.MulAdd(x, x), l.MulAdd(x, x)
	}
	a.Store(&v[0])
	b.Store(&v[1])
	c.Store(&v[2])
	d.Store(&v[3])
	e.Store(&v[4])
	f.Store(&v[5])
	g.Store(&v[6])
	h.Store(&v[7])
	i.Store(&v[8])
	j.Store(&v[9])
	k.Store(&v[10])
	l.Store(&v[11])
}
