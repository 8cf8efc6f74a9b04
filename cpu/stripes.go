package cpu

// stripeKernels reduce an array that consists of stripes of len(sums) elements, a multiple of 16, stripe by stripe in
// every lane.
type stripeKernels struct {
	sums    func(sums, x []float32)          // sums[i] = Σ x[i + s·len(sums)]
	squares func(sums, x, centres []float32) // sums[i] = Σ (x[i + s·len(sums)] - centres[i])²
}

func stripesPlain() stripeKernels {
	return stripeKernels{
		sums: func(sums, x []float32) {
			copy(sums, x)
			for x = x[len(sums):]; len(x) > 0; x = x[len(sums):] {
				for i, v := range x[:len(sums)] {
					sums[i] += v
				}
			}
		},
		squares: func(sums, x, centres []float32) {
			clear(sums)
			for centres = centres[:len(sums)]; len(x) > 0; x = x[len(sums):] {
				for i, v := range x[:len(sums)] {
					d := v - centres[i]
					sums[i] += d * d
				}
			}
		},
	}
}
