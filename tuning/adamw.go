package tuning

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
)

const adamEpsilon = 1e-8

// adamW is Adam with decoupled weight decay (arXiv 1711.05101, algorithm 2).
func adamW(c Config) optimizer {
	return func(s nn.Scope, params []parameter, rate *Node) map[string]*Node {
		updates := map[string]*Node{}
		stepName, step := scalar(s, "step", 0)
		step = OnePlus(step)
		updates[stepName] = step
		correction1 := OneMinus(Pow(Const(s.Graph(), float32(c.Beta1)), step))
		correction2 := OneMinus(Pow(Const(s.Graph(), float32(c.Beta2)), step))
		for _, p := range params {
			mName, m := state(s, "m", p)
			vName, v := state(s, "v", p)
			m = Add(MulScalar(m, c.Beta1), MulScalar(p.grad, 1-c.Beta1))
			v = Add(MulScalar(v, c.Beta2), MulScalar(Square(p.grad), 1-c.Beta2))
			change := Div(Div(m, correction1), AddScalar(Sqrt(Div(v, correction2)), adamEpsilon))
			if p.decay && c.WeightDecay > 0 {
				change = Add(change, MulScalar(p.value, c.WeightDecay))
			}
			updates[mName], updates[vName] = m, v
			updates[p.name] = Sub(p.value, Mul(rate, change))
		}
		return updates
	}
}
