package photo

import (
	"math"

	"reflectionflow"
	"reflectionflow/vision/detection"
)

// counting is how well a detector counts: what was fitted about the boxes of a class, where there is one.
// The zero value takes boxes for independent and complete.
type counting struct {
	// A box stands for one object more with the probability sigmoid(shift + slope · logit(presence) +
	// nested · part of it that a stronger box covers).
	shift, slope, nested float64
	// The number of objects without a box has a Poisson distribution with the mean exp(missed + clear ·
	// mean logit of the presence of the boxes): where the boxes are clear, little is missed.
	missed, clear float64
	// crowd is added in the exponent times the mean part of a box that another one covers.
	crowd float64
}

// stands lists the probabilities that boxes, the most confident first, stand for one object more, and
// the mean number of objects without a box.
func (c counting) stands(objects []*object) (boxes []float64, missed float64) {
	if c == (counting{}) {
		for _, o := range objects {
			boxes = append(boxes, o.present)
		}
		return boxes, 0
	}
	all, clear, crowd := 0.0, 0.0, 0.0
	for i, o := range objects {
		z, part := logit(o.present), covered(o, objects[:i])
		p := 1 / (1 + math.Exp(-c.shift-c.slope*z-c.nested*part))
		boxes = append(boxes, p)
		all, clear, crowd = all+p, clear+p*z, crowd+p*max(part, covered(o, objects[i+1:]))
	}
	if all == 0 {
		return boxes, 0
	}
	return boxes, min(math.Exp(min(c.missed+c.clear*clear/all+c.crowd*crowd/all, mostMissed)), mostMissed)
}

// mostMissed bounds the mean number of objects without a box.
const mostMissed = 4.5

// covered is the largest part of the smaller one of a box and a stronger one that both share: 1 for a box
// inside another.
func covered(o *object, stronger []*object) (most float64) {
	for _, other := range stronger {
		if both := detection.Shared(o.box, other.box); both > 0 {
			most = max(most, both/max(min(detection.Area(o.box), detection.Area(other.box)), 1e-9))
		}
	}
	return most
}

// numbers are the probabilities that there are 0 to most objects of a color among the objects of a
// class, and, last, more. They sum to 1, so that all requirements on the number of the same objects agree.
func (k *rules) numbers(objects []*object, color string) []float64 {
	boxes, missed := k.counting.stands(objects)
	all, colored := 0.0, 0.0
	for i, o := range objects {
		all += boxes[i]
		boxes[i] *= o.colored(color)
		colored += boxes[i]
	}
	if all > 0 {
		missed *= colored / all // what was missed is like what was seen
	}
	at := join(distribution(boxes, k.most+1), poisson(missed, k.most+1))
	// Whether there is any at all is asked most, and has its own curve.
	is := k.some(objects, color, 1)
	some := 1 - at[0]
	if some < 1e-9 { // nothing was seen: if there is any, there is one
		at[1], some = 1e-9, 1e-9
	}
	at[0] = 1 - is
	for n := 1; n < len(at); n++ {
		at[n] *= is / some
	}
	return at
}

// some is the probability that there are n objects or more of a color: that they are there, times that what is there has
// the color.
func (k *rules) some(objects []*object, color string, n int) float64 {
	there, colored := atLeast(objects, "", n), 1.0
	if color != "" && there > 0 {
		colored = k.tinted.of(atLeast(objects, color, n) / there)
	}
	if n == 1 {
		return k.there.of(there) * colored
	}
	return sum(k.numbers(objects, "")[min(n, k.most+1):]) * colored
}

// atLeast is the probability that n or more detections are there and of a color.
func atLeast(objects []*object, color string, n int) float64 {
	return 1 - sum(distribution(have(objects, color), n)[:n])
}

// within is the probability that a number is as a requirement asks.
func within(r reflectionflow.Requirement, at []float64) float64 {
	switch r.Kind {
	case reflectionflow.Absent:
		return at[0]
	case reflectionflow.AtMost:
		return sum(at[:r.Count+1])
	case reflectionflow.Exactly:
		return at[r.Count]
	}
	return sum(at[max(r.Count, 1):])
}

// counts reports whether a requirement is that objects are there, any or a number of them.
func counts(r reflectionflow.Requirement) bool {
	switch r.Kind {
	case reflectionflow.Exactly, reflectionflow.AtMost:
		return r.Count > 0
	case reflectionflow.AtLeast:
		return true
	}
	return false
}

// together is the probability that there are as many objects of a noun's class as the prompt's nouns of
// narrower kinds ask for, each for others: a man and a woman are two persons.
func (s *scene) together(p reflectionflow.Prompt, noun string) float64 {
	class, _, _ := s.class(noun)
	asked := map[string]int{}
	for _, r := range p.Requirements {
		name, whole, known := s.class(r.Object)
		if known && !whole && name == class && (r.Kind == reflectionflow.AtLeast || r.Kind == reflectionflow.Exactly) {
			asked[r.Object] = max(asked[r.Object], r.Count)
		}
	}
	n := 0
	for _, count := range asked {
		n += count
	}
	if len(asked) < 2 {
		return 1
	}
	return within(reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Count: min(n, s.most+1)}, s.numbers(s.of(noun), ""))
}

// poisson is the Poisson distribution of 0 to n, n standing for n or more.
func poisson(mean float64, n int) []float64 {
	p := make([]float64, n+1)
	p[0], p[n] = math.Exp(-mean), 1
	for k := range n {
		if k > 0 {
			p[k] = p[k-1] * mean / float64(k)
		}
		p[n] -= p[k]
	}
	p[n] = max(p[n], 0)
	return p
}

// join is the distribution of the sum of two numbers of 0 to n, n standing for n or more.
func join(a, b []float64) []float64 {
	p := make([]float64, len(a))
	for i, x := range a {
		for k, y := range b {
			p[min(i+k, len(p)-1)] += x * y
		}
	}
	return p
}
