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
