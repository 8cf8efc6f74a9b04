package geneval

import "math"

// ArithmeticMean is the mean of probabilities, 0 for none.
func ArithmeticMean(p []float64) float64 {
	sum := 0.0
	for _, v := range p {
		sum += v
	}
	if len(p) == 0 {
		return 0
	}
	return sum / float64(len(p))
}

// GeometricMean is the geometric mean of probabilities, 0 for none and where one is 0.
func GeometricMean(p []float64) float64 {
	sum := 0.0
	for _, v := range p {
		sum += math.Log(v)
	}
	if len(p) == 0 {
		return 0
	}
	return math.Exp(sum / float64(len(p)))
}
