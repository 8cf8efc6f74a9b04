package flux

import (
	"context"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// Denoise follows the velocity from noise, at sigmas[0], to the picture, at the
// last sigma (rectified flow, arXiv 2209.03003, by Euler steps). step moves x from
// one noise level to the next (see [EulerStep]); x is whatever it works on. ctx is
// asked before each step.
func Denoise[T any](ctx context.Context, x T, sigmas []float64, step func(x T, sigma, next float64) (T, error)) (T, error) {
	for i, next := range sigmas[1:] {
		err := ctx.Err()
		if err == nil {
			x, err = step(x, sigmas[i], next)
		}
		if err != nil {
			return x, err
		}
	}
	return x, nil
}

// EulerStep is x + (next − sigma)·velocity, for x and velocity [B, N, C], sigma
// and next [B].
func EulerStep(x, velocity, sigma, next *Node) *Node {
	return Add(x, Mul(InsertAxes(Sub(next, sigma), -1, -1), velocity))
}

// Guide is classifier-free guidance (arXiv 2207.12598): uncond + scale·(cond −
// uncond), for velocities [B, N, C] and scale [B].
func Guide(cond, uncond, scale *Node) *Node {
	return Add(uncond, Mul(InsertAxes(scale, -1, -1), Sub(cond, uncond)))
}

// RescaleGuidance brings the contrast of a guided picture back towards that of the
// unguided one (arXiv 2305.08891, section 3.4): guidance well above 1 spreads the
// colours of a picture beyond what training ever showed. The clean pictures that the
// velocities cond and guided [B, N, C] lead to from x at sigma [B] are compared by
// their standard deviations over all tokens and channels. phi, from 0 to 1, is how far
// the guided one is scaled to the other's; 0 changes nothing. It returns a velocity.
func RescaleGuidance(x, cond, guided, sigma *Node, phi float64) *Node {
	if phi == 0 {
		return guided
	}
	sigma = InsertAxes(sigma, -1, -1)
	clean := Sub(x, Mul(sigma, guided))
	ratio := Div(deviation(Sub(x, Mul(sigma, cond))), deviation(clean))
	return Div(Sub(x, Mul(clean, AddScalar(MulScalar(ratio, phi), 1-phi))), sigma)
}

// deviation is the standard deviation of every picture of [B, N, C], as [B, 1, 1].
func deviation(x *Node) *Node {
	centred := Sub(x, ReduceAndKeep(x, ReduceMean, 1, 2))
	return Sqrt(ReduceAndKeep(Square(centred), ReduceMean, 1, 2))
}
