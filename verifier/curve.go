package verifier

import (
	"fmt"
	"math"

	"reflectionflow"
)

// Methods of calibration.
const (
	// Platt fits p = 1/(1+exp(a·v+b)) with Platt's priors (Platt 1999). It has two
	// parameters, needs a few dozen examples, and is strictly monotonic.
	Platt = "platt"
	// Isotonic fits the best non-decreasing steps (pool adjacent violators) and
	// interpolates between them. It fits any monotonic shape and needs a few hundred
	// examples. Values beyond the outermost steps get equal probabilities.
	Isotonic = "isotonic"
)

// Curve maps a verifier's value to a probability in [0, 1]. It is non-decreasing.
type Curve struct {
	Method string       `json:"method"`           // Platt or Isotonic
	A      float64      `json:"a,omitempty"`      // Platt, at most 0
	B      float64      `json:"b,omitempty"`      // Platt
	Points [][2]float64 `json:"points,omitempty"` // Isotonic: value and probability, both rising
}

// Probability returns the probability of a value.
func (c Curve) Probability(value float64) float64 {
	if c.Method == Platt {
		return 1 / (1 + math.Exp(c.A*value+c.B))
	}
	last := len(c.Points) - 1
	switch {
	case value <= c.Points[0][0]:
		return c.Points[0][1]
	case value >= c.Points[last][0]:
		return c.Points[last][1]
	}
	i := 1
	for c.Points[i][0] < value {
		i++
	}
	from, to := c.Points[i-1], c.Points[i]
	return from[1] + (value-from[0])/(to[0]-from[0])*(to[1]-from[1])
}

// validate returns an error for a curve that no fit produces.
func (c Curve) validate() error {
	bad := func(what string) error {
		return fmt.Errorf("%w: the calibration's curve %s", reflectionflow.ErrInvalid, what)
	}
	switch c.Method {
	case Platt:
		if !(c.A <= 0) || math.IsInf(c.A, 0) || math.IsNaN(c.B) || math.IsInf(c.B, 0) {
			return bad("falls or is not finite")
		}
	case Isotonic:
		if len(c.Points) == 0 || len(c.Points) > maxExamples {
			return bad("has no points or too many")
		}
		for i, p := range c.Points {
			if math.IsNaN(p[0]) || math.IsInf(p[0], 0) || !(p[1] >= 0 && p[1] <= 1) || i > 0 && (!(p[0] > c.Points[i-1][0]) || p[1] < c.Points[i-1][1]) {
				return bad("falls or leaves the range from 0 to 1")
			}
		}
	default:
		return bad(fmt.Sprintf("is of method %q", c.Method))
	}
	return nil
}

// fitPlatt minimizes the log loss by Newton's method with backtracking (Lin, Lin and Weng
// 2007, "A note on Platt's probabilistic outputs", algorithm 1). If the fitted curve
// decreases, its slope is set to 0: such a verifier carries no information.
func fitPlatt(values []float64, right []bool) Curve {
	mean, deviation := moments(values)
	l := logLoss{x: make([]float64, len(values)), target: make([]float64, len(values))}
	positives := 0.0
	for _, r := range right {
		if r {
			positives++
		}
	}
	negatives := float64(len(values)) - positives
	for i, v := range values {
		l.x[i] = (v - mean) / deviation // converges at any scale
		// Platt's targets, which are not quite 0 and 1.
		l.target[i] = 1 / (negatives + 2)
		if right[i] {
			l.target[i] = (positives + 1) / (positives + 2)
		}
	}
	prior := math.Log((negatives + 1) / (positives + 1))
	a, b := l.minimize(0, prior)
	if a > 0 {
		a, b = 0, prior
	}
	return Curve{Method: Platt, A: a / deviation, B: b - a*mean/deviation}
}

// logLoss is the log loss of p = 1/(1+exp(a·x+b)) against targets.
type logLoss struct{ x, target []float64 }

func (l logLoss) at(a, b float64) float64 {
	sum := 0.0
	for i, x := range l.x {
		f := a*x + b
		// ln(1+e^f) - (1-t)·f, without overflow
		sum += math.Max(f, 0) + math.Log1p(math.Exp(-math.Abs(f))) - (1-l.target[i])*f
	}
	return sum
}

// minimize returns the minimum, starting at a, b.
func (l logLoss) minimize(a, b float64) (float64, float64) {
	best := l.at(a, b)
	for range 100 {
		const ridge = 1e-12 // keeps the Hessian invertible
		haa, hbb, hab, ga, gb := ridge, ridge, 0.0, 0.0, 0.0
		for i, x := range l.x {
			p := 1 / (1 + math.Exp(a*x+b))
			d1, d2 := l.target[i]-p, p*(1-p)
			haa, hbb, hab = haa+x*x*d2, hbb+d2, hab+x*d2
			ga, gb = ga+x*d1, gb+d1
		}
		if math.Abs(ga) < 1e-9 && math.Abs(gb) < 1e-9 {
			break
		}
		det := haa*hbb - hab*hab
		da, db := -(hbb*ga-hab*gb)/det, -(haa*gb-hab*ga)/det
		step := 1.0
		for step > 1e-10 && !(l.at(a+step*da, b+step*db) < best+1e-4*step*(ga*da+gb*db)) {
			step /= 2
		}
		if step <= 1e-10 {
			break
		}
		a, b = a+step*da, b+step*db
		best = l.at(a, b)
	}
	return a, b
}

// moments returns the mean and the standard deviation, 1 instead of 0.
func moments(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean) / float64(len(values))
	}
	if deviation = math.Sqrt(deviation); deviation == 0 {
		deviation = 1
	}
	return mean, deviation
}

// fitIsotonic pools adjacent violators. Each block becomes a point at its mean value.
func fitIsotonic(values []float64, right []bool) Curve {
	type block struct{ sum, right, n float64 }
	var blocks []block
	order := sortedBy(values)
	for start := 0; start < len(order); {
		var b block
		end := start
		for ; end < len(order) && values[order[end]] == values[order[start]]; end++ { // ties belong together
			b.sum, b.n = b.sum+values[order[end]], b.n+1
			if right[order[end]] {
				b.right++
			}
		}
		start = end
		for len(blocks) > 0 {
			before := blocks[len(blocks)-1]
			if before.right/before.n < b.right/b.n {
				break
			}
			b = block{before.sum + b.sum, before.right + b.right, before.n + b.n}
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	c := Curve{Method: Isotonic}
	for _, b := range blocks {
		c.Points = append(c.Points, [2]float64{b.sum / b.n, b.right / b.n})
	}
	return c
}
