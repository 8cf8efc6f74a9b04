// Code generated from stripes512.go by go generate. DO NOT EDIT.

//go:build amd64 && goexperiment.simd

package cpu

import "simd/archsimd"

func stripes256() stripeKernels { return stripeKernels{stripeSums256, stripeSquares256} }

func stripeSums256(sums, x []float32) {
	n, i := len(sums), 0
	for ; i+4*lanes256 <= n; i += 4 * lanes256 {
		a, b, c, d := load256(x, i), load256(x, i+lanes256), load256(x, i+2*lanes256), load256(x, i+3*lanes256)
		for j := i + n; j < len(x); j += n {
			a, b = a.Add(load256(x, j)), b.Add(load256(x, j+lanes256))
			c, d = c.Add(load256(x, j+2*lanes256)), d.Add(load256(x, j+3*lanes256))
		}
		store256(a, sums, i)
		store256(b, sums, i+lanes256)
		store256(c, sums, i+2*lanes256)
		store256(d, sums, i+3*lanes256)
	}
	for ; i < n; i += lanes256 {
		a := load256(x, i)
		for j := i + n; j < len(x); j += n {
			a = a.Add(load256(x, j))
		}
		store256(a, sums, i)
	}
}

func stripeSquares256(sums, x, centres []float32) {
	n, i := len(sums), 0
	zero := archsimd.BroadcastFloat32x8(0)
	for ; i+4*lanes256 <= n; i += 4 * lanes256 {
		a, b, c, d := zero, zero, zero, zero
		p, q, r, s := load256(centres, i), load256(centres, i+lanes256), load256(centres, i+2*lanes256), load256(centres, i+3*lanes256)
		for j := i; j < len(x); j += n {
			e, f := load256(x, j).Sub(p), load256(x, j+lanes256).Sub(q)
			g, h := load256(x, j+2*lanes256).Sub(r), load256(x, j+3*lanes256).Sub(s)
			a, b, c, d = e.MulAdd(e, a), f.MulAdd(f, b), g.MulAdd(g, c), h.MulAdd(h, d)
		}
		store256(a, sums, i)
		store256(b, sums, i+lanes256)
		store256(c, sums, i+2*lanes256)
		store256(d, sums, i+3*lanes256)
	}
	for ; i < n; i += lanes256 {
		a, p := zero, load256(centres, i)
		for j := i; j < len(x); j += n {
			e := load256(x, j).Sub(p)
			a = e.MulAdd(e, a)
		}
		store256(a, sums, i)
	}
}
