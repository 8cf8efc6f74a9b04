package tuning

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
)

// The quintic X ← aX + (bA + cA²)X with A = XXᵀ moves every singular value toward 1. The
// coefficients and the number of iterations are those of Muon's reference implementation.
const (
	muonA, muonB, muonC = 3.4445, -4.7750, 2.0315
	muonIterations      = 5
	muonMomentum        = 0.95
	// muonScale gives an update twice the root mean square of AdamW's, so that both can share a
	// learning rate. arXiv 2502.16982 §2.2 has 0.2, which learned more slowly here.
	muonScale = 0.4
)

// inBlock matches the weights of numbered blocks: the hidden layers.
var inBlock = regexp.MustCompile(`\.\d+\.`)

// muon updates the matrices of hidden layers with their orthogonalized momentum (Nesterov's;
// Jordan et al. 2024, with the scale and the weight decay of arXiv 2502.16982) and all other
// weights with AdamW.
func muon(c Config) optimizer {
	adam := adamW(c)
	return func(s nn.Scope, params []parameter, rate *Node) map[string]*Node {
		var hidden, rest []parameter
		var momenta []*Node
		updates := map[string]*Node{}
		for _, p := range params {
			if !orthogonalized(p) {
				rest = append(rest, p)
				continue
			}
			name, m := state(s, "m", p)
			m = Add(MulScalar(m, muonMomentum), p.grad)
			updates[name] = m
			hidden, momenta = append(hidden, p), append(momenta, Add(p.grad, MulScalar(m, muonMomentum)))
		}
		for i, change := range orthogonal(momenta) {
			p := hidden[i]
			change = MulScalar(change, muonScale*math.Sqrt(float64(max(p.dims[0], p.dims[1]))))
			if c.WeightDecay > 0 {
				change = Add(change, MulScalar(p.value, c.WeightDecay))
			}
			updates[p.name] = Sub(p.value, Mul(rate, change))
		}
		maps.Copy(updates, adam(s, rest, rate))
		return updates
	}
}

// orthogonalized reports whether Muon updates a parameter: matrices of hidden layers that act
// on tokens, not modulations, tables or the first and last layers.
func orthogonalized(p parameter) bool {
	return len(p.dims) == 2 && inBlock.MatchString(p.name) && !strings.Contains(p.name, "norm") && !strings.Contains(p.name, "bias")
}

// orthogonal approximates UVᵀ for each x = USVᵀ [m, n] with the Newton–Schulz iteration, on all
// matrices of a shape at once.
func orthogonal(matrices []*Node) []*Node {
	groups, result := map[[2]int][]int{}, make([]*Node, len(matrices))
	for i, x := range matrices {
		d := x.Shape().Dimensions
		shape := [2]int{min(d[0], d[1]), max(d[0], d[1])}
		groups[shape] = append(groups[shape], i)
	}
	for _, shape := range slices.SortedFunc(maps.Keys(groups), func(a, b [2]int) int { return slices.Compare(a[:], b[:]) }) {
		var wide []*Node
		for _, i := range groups[shape] {
			wide = append(wide, transposedIf(matrices[i], matrices[i].Shape().Dim(0) > shape[0]))
		}
		for j, x := range Split(newtonSchulz(Stack(wide, 0)), 0, len(wide)) {
			i := groups[shape][j]
			result[i] = transposedIf(Reshape(x, shape[0], shape[1]), matrices[i].Shape().Dim(0) > shape[0])
		}
	}
	return result
}

func transposedIf(x *Node, turn bool) *Node {
	if turn {
		return Transpose(x, 0, 1)
	}
	return x
}

// newtonSchulz makes wide matrices [N, m, n] nearly orthogonal.
func newtonSchulz(x *Node) *Node {
	x = Div(x, AddScalar(Sqrt(ReduceAndKeep(Square(x), ReduceSum, 1, 2)), 1e-7))
	for range muonIterations {
		a := Einsum("bij,bkj->bik", x, x)
		b := Add(MulScalar(a, muonB), MulScalar(Einsum("bij,bjk->bik", a, a), muonC))
		x = Add(MulScalar(x, muonA), Einsum("bij,bjk->bik", b, x))
	}
	return x
}
