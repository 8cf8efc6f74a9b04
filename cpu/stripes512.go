//go:build amd64 && goexperiment.simd

package cpu

import "simd/archsimd"

//go:generate go test -run TestVectors256 -update

func stripes512() stripeKernels { return stripeKernels{stripeSums512, stripeSquares512} }

func stripeSums512(sums, x []float32) {
	n, i := len(sums), 0
	for ; i+4*lanes512 <= n; i += 4 * lanes512 {
		a, b, c, d := load512(x, i), load512(x, i+lanes512), load512(x, i+2*lanes512), load512(x, i+3*lanes512)
		for j := i + n; j < len(x); j += n {
			a, b = a.Add(load512(x, j)), b.Add(load512(x, j+lanes512))
			c, d = c.Add(load512(x, j+2*lanes512)), d.Add(load512(x, j+3*lanes512))
		}
		store512(a, sums, i)
		store512(b, sums, i+lanes512)
		store512(c, sums, i+2*lanes512)
		store512(d, sums, i+3*lanes512)
	}
	for ; i < n; i += lanes512 {
		a := load512(x, i)
		for j := i + n; j < len(x); j += n {
			a = a.Add(load512(x, j))
		}
		store512(a, sums, i)
	}
}

func stripeSquares512(sums, x, centres []float32) {
	n, i := len(sums), 0
	zero := archsimd.BroadcastFloat32x16(0)
	for ; i+4*lanes512 <= n; i += 4 * lanes512 {
		a, b, c, d := zero, zero, zero, zero
		p, q, r, s := load512(centres, i), load512(centres, i+lanes512), load512(centres, i+2*lanes512), load512(centres, i+3*lanes512)
		for j := i; j < len(x); j += n {
			e, f := load512(x, j).Sub(p), load512(x, j+lanes512).Sub(q)
			g, h := load512(x, j+2*lanes512).Sub(r), load512(x, j+3*lanes512).Sub(s)
			a, b, c, d = e.MulAdd(e, a), f.MulAdd(f, b), g.MulAdd(g, c), h.MulAdd(h, d)
		}
		store512(a, sums, i)
		store512(b, sums, i+lanes512)
		store512(c, sums, i+2*lanes512)
		store512(d, sums, i+3*lanes512)
	}
	for ; i < n; i += lanes512 {
		a, p := zero, load512(centres, i)
		for j := i; j < len(x); j += n {
			e := load512(x, j).Sub(p)
			a = e.MulAdd(e, a)
		}
		store512(a, sums, i)
	}
}
