package tuning

import (
	"maps"
	"math"
	"regexp"
	"strings"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux/nn"
)

// The quintic X ← aX + (bA + cA²)X with A = XXᵀ moves every singular value towards
// 1; coefficients and iterations are of the reference implementation of Muon.
const (
	muonA, muonB, muonC = 3.4445, -4.7750, 2.0315
	muonIterations      = 5
	muonMomentum        = 0.95
	// muonScale makes an update's root mean square twice that of AdamW's (arXiv 2502.16982 §2.2 has 0.2,
	// which learnt more slowly here), so that both can share one learning rate.
	muonScale = 0.4
)

// inBlock matches weights of numbered blocks: the hidden layers.
var inBlock = regexp.MustCompile(`\.\d+\.`)

// muon updates the matrices of hidden layers by their orthogonalised momentum
// (Nesterov's; Jordan et al. 2024, with the scale and the weight decay of
// arXiv 2502.16982) and everything else by AdamW.
func muon(c Config) optimizer {
	adam := adamW(c)
	return func(s nn.Scope, params []parameter, rate *Node) map[string]*Node {
		var rest []parameter
		updates := map[string]*Node{}
		for _, p := range params {
			if !orthogonalised(p) {
				rest = append(rest, p)
				continue
			}
			mName, m := state(s, "m", p)
			m = Add(MulScalar(m, muonMomentum), p.grad)
			updates[mName] = m
			scale := muonScale * math.Sqrt(float64(max(p.dims[0], p.dims[1])))
			change := MulScalar(orthogonal(Add(p.grad, MulScalar(m, muonMomentum))), scale)
			if c.WeightDecay > 0 {
				change = Add(change, MulScalar(p.value, c.WeightDecay))
			}
			updates[p.name] = Sub(p.value, Mul(rate, change))
		}
		maps.Copy(updates, adam(s, rest, rate))
		return updates
	}
}

// orthogonalised says whether Muon updates a parameter: matrices of hidden layers
// that act on tokens, not modulations, tables and the layers at either end.
func orthogonalised(p parameter) bool {
	return len(p.dims) == 2 && inBlock.MatchString(p.name) && !strings.Contains(p.name, "norm") && !strings.Contains(p.name, "bias")
}

// orthogonal is near UVᵀ for x = USVᵀ [m, n]: Newton and Schulz's iteration.
func orthogonal(x *Node) *Node {
	wide := x.Shape().Dim(0) <= x.Shape().Dim(1)
	if !wide {
		x = Transpose(x, 0, 1)
	}
	x = Div(x, AddScalar(Sqrt(ReduceAllSum(Square(x))), 1e-7))
	for range muonIterations {
		a := Einsum("ij,kj->ik", x, x)
		b := Add(MulScalar(a, muonB), MulScalar(Einsum("ij,jk->ik", a, a), muonC))
		x = Add(MulScalar(x, muonA), Einsum("ij,jk->ik", b, x))
	}
	if !wide {
		x = Transpose(x, 0, 1)
	}
	return x
}
