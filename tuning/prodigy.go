package tuning

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
)

// prodigyStart is Prodigy's initial estimate d₀ of the distance to the solution.
const prodigyStart = 1e-6

// prodigy is Prodigy (arXiv 2306.06101, the Adam version) with bias correction and safeguarded
// warm-up. It estimates its own step size d, so that rate stays near 1.
func prodigy(c Config) optimizer {
	beta3 := math.Sqrt(c.Beta2)
	return func(s nn.Scope, params []parameter, rate *Node) map[string]*Node {
		updates := map[string]*Node{}
		stepName, step := scalar(s, "step", 0)
		dName, d := scalar(s, "d", prodigyStart)
		numName, numerator := scalar(s, "d_numerator", 0)
		step = OnePlus(step)
		one := ScalarOne(s.Graph(), d.DType())
		correction := Div(Sqrt(Sub(one, Pow(MulScalar(one, c.Beta2), step))), Sub(one, Pow(MulScalar(one, c.Beta1), step)))
		dRate := Mul(Mul(d, rate), correction)
		relative := DivScalar(d, prodigyStart)

		numerator = MulScalar(numerator, beta3)
		denominator := ScalarZero(s.Graph(), d.DType())
		for _, p := range params {
			startName := statePrefix + "p0/" + p.name
			start := s.Weight(startName, nil, p.dims...) // stored by [Run] before the first step
			sName, sum := state(s, "s", p)
			numerator = Add(numerator, Mul(Mul(relative, dRate), ReduceAllSum(Mul(p.grad, Sub(start, p.value)))))
			sum = Add(MulScalar(sum, beta3), Mul(Mul(relative, d), p.grad))
			denominator = Add(denominator, ReduceAllSum(Abs(sum)))
			updates[sName] = sum
		}
		estimate := Div(numerator, MaxScalar(denominator, 1e-30))
		next := Max(d, estimate) // without a bound on growth, d is the largest estimate so far
		for _, p := range params {
			mName, m := state(s, "m", p)
			vName, v := state(s, "v", p)
			m = Add(MulScalar(m, c.Beta1), Mul(MulScalar(d, 1-c.Beta1), p.grad))
			v = Add(MulScalar(v, c.Beta2), Mul(MulScalar(Square(d), 1-c.Beta2), Square(p.grad)))
			value := p.value
			if p.decay && c.WeightDecay > 0 {
				value = Sub(value, Mul(MulScalar(dRate, c.WeightDecay), value))
			}
			updates[mName], updates[vName] = m, v
			updates[p.name] = Sub(value, Mul(dRate, Div(m, Add(Sqrt(v), MulScalar(next, adamEpsilon)))))
		}
		updates[stepName], updates[dName], updates[numName] = step, next, numerator
		return updates
	}
}
