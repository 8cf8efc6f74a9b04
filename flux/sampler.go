package flux

import (
	"context"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// Denoise takes x from noise, at sigmas[0], to the image, at the last sigma, by Euler
// steps of rectified flow (arXiv 2209.03003): step moves x from noise level sigma to
// next, see [EulerStep]. T is the caller's representation of the latents. When ctx
// ends, Denoise returns its error before the next step.
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

// RescaleGuidance reduces the excess contrast that guidance well above 1 gives an image
// (arXiv 2305.08891, section 3.4). The velocities cond and guided [B, N, C] lead from x
// at sigma [B] to two clean images. RescaleGuidance scales the guided one towards the
// standard deviation of the other, over all tokens and channels, and returns the
// velocity to it, [B, N, C]. phi, in [0, 1], is how far it scales: 0 changes nothing.
func RescaleGuidance(x, cond, guided, sigma *Node, phi float64) *Node {
	if phi == 0 {
		return guided
	}
	sigma = InsertAxes(sigma, -1, -1)
	clean := Sub(x, Mul(sigma, guided))
	ratio := Div(deviation(Sub(x, Mul(sigma, cond))), deviation(clean))
	return Div(Sub(x, Mul(clean, AddScalar(MulScalar(ratio, phi), 1-phi))), sigma)
}

// deviation returns the standard deviation of every image of [B, N, C], as [B, 1, 1].
func deviation(x *Node) *Node {
	centred := Sub(x, ReduceAndKeep(x, ReduceMean, 1, 2))
	return Sqrt(ReduceAndKeep(Square(centred), ReduceMean, 1, 2))
}
