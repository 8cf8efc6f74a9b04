package photo

import (
	"cmp"
	"flag"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"reflectionflow"
	"reflectionflow/vision/detection"
	"reflectionflow/vision/ssdlite"
)

var fit = flag.Bool("fit", false, "fit the curves, on the stamps of the set fit, and print them")

// example is a probability and whether what it is about holds.
type example struct {
	p    float64
	want bool
}

// TestFit fits the curves of curve.go, one after the other: each on the outputs of those before it.
// go test ./verifier/photo -run TestFit -v -fit -stamps DIR
func TestFit(t *testing.T) {
	if !*fit {
		t.Skip("needs -fit")
	}
	list := cutOuts(t, "fit")
	photos := photographs(t, list, 250, 1)
	var images []image.Image
	for _, p := range photos {
		images = append(images, p.img)
	}
	network, err := ssdlite.Open(t.Context(), ssdlite.Options{Threshold: faint, Overlap: overlap})
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	found, err := network.Detect(t.Context(), images)
	if err != nil {
		t.Fatal(err)
	}
	var examples []example
	truth, missed := 0, 0
	for i, p := range photos {
		for k := range found[i] {
			found[i][k].Class = geneval(found[i][k].Class)
		}
		right := match(found[i], p.truth)
		truth += len(p.truth)
		missed += len(p.truth)
		for k, o := range found[i] {
			examples = append(examples, example{o.Confidence, right[k] >= 0})
			if right[k] >= 0 {
				missed--
			}
		}
	}
	t.Logf("%d of %d objects have no detection", missed, truth)
	presence = report(t, "presence", examples)

	var tones []toned
	rng := rand.New(rand.NewPCG(2, 2))
	groups := map[string][]example{}
	coco.there, coco.tintedCount, coco.related, coco.placed = curve{0, 1}, curve{0, 1}, nil, curve{0, 1}
	for i, p := range photos {
		right := match(found[i], p.truth)
		s := sceneOf(p.img, found[i])
		for k, o := range found[i] {
			if right[k] < 0 || p.truth[right[k]].Color == "" {
				continue
			}
			seen := &object{class: o.Class, box: o.Box, img: p.img}
			for _, c := range []string{p.truth[right[k]].Color, colors[rng.IntN(len(colors))], colors[rng.IntN(len(colors))]} {
				own, near := shares(seen.named(), c)
				tones = append(tones, toned{own, near, c == p.truth[right[k]].Color})
			}
		}
		for _, q := range questions(p, classesOf(list), rng) {
			if raw, _, known := s.judge(q.r); known {
				groups[q.group] = append(groups[q.group], example{raw, q.want})
			}
		}
	}
	shade = fitTone(tones)
	t.Logf("shade      tone{%.2f, %.2f, %.2f}  %d examples", shade.shift, shade.own, shade.near, len(tones))
	for i, p := range photos { // again, with the colors' curve
		s := sceneOf(p.img, found[i])
		for _, q := range questions(p, classesOf(list), rng) {
			if raw, _, known := s.judge(q.r); known && q.group == "color" {
				groups["tinted"] = append(groups["tinted"], example{raw, q.want})
			}
		}
	}
	for _, g := range []string{"object", "tinted", "relation", "place"} {
		report(t, g, groups[g])
	}
}

var colors = []string{"black", "blue", "brown", "gray", "green", "orange", "pink", "purple", "red", "white", "yellow"}

// sceneOf is the scene of raw detections.
func sceneOf(img image.Image, found []reflectionflow.Object) *scene {
	calibrated := slices.Clone(found)
	for i := range calibrated {
		calibrated[i].Confidence = presence.of(calibrated[i].Confidence)
	}
	return newScene(&coco, img, calibrated)
}

// match returns, for each detection, the true object that it is, -1 for none.
func match(found, truth []reflectionflow.Object) []int {
	list, taken := make([]int, len(found)), make([]bool, len(truth))
	order := make([]int, len(found))
	for i := range order {
		order[i], list[i] = i, -1
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(found[b].Confidence, found[a].Confidence) })
	for _, i := range order {
		best := 0.5
		for k, o := range truth {
			if v := detection.Overlap(found[i].Box, o.Box); !taken[k] && o.Class == found[i].Class && v >= best {
				best, list[i] = v, k
			}
		}
		if list[i] >= 0 {
			taken[list[i]] = true
		}
	}
	return list
}

// report fits a curve and prints it, with how good it is.
func report(t *testing.T, name string, examples []example) curve {
	t.Helper()
	c := fitCurve(examples)
	right, n := 0, 0
	for _, e := range examples {
		if (c.of(e.p) >= 0.5) == e.want {
			right++
		}
		if e.want {
			n++
		}
	}
	t.Logf("%-10s curve{%.2f, %.2f}  %d examples, %d true, %.1f%% right at a half", name, c.shift, c.slope, len(examples), n, 100*float64(right)/float64(max(len(examples), 1)))
	return c
}

// fitCurve is a logistic regression on the logit, by Newton's method with halved steps, with a little
// ridge toward {0, 1}.
func fitCurve(examples []example) curve {
	loss := func(c curve) float64 {
		sum := (c.shift*c.shift + (c.slope-1)*(c.slope-1)) / 2
		for _, e := range examples {
			z := c.shift + c.slope*logit(e.p)
			if e.want {
				z = -z
			}
			sum += max(z, 0) + math.Log1p(math.Exp(-math.Abs(z)))
		}
		return sum
	}
	c := curve{0, 1}
	for range 30 {
		g, h := [2]float64{-c.shift, 1 - c.slope}, [3]float64{1, 0, 1}
		for _, e := range examples {
			x, p, y := logit(e.p), c.of(e.p), 0.0
			if e.want {
				y = 1
			}
			g[0], g[1] = g[0]+y-p, g[1]+(y-p)*x
			h[0], h[1], h[2] = h[0]+p*(1-p), h[1]+p*(1-p)*x, h[2]+p*(1-p)*x*x
		}
		det := h[0]*h[2] - h[1]*h[1]
		shift, slope := (h[2]*g[0]-h[1]*g[1])/det, (h[0]*g[1]-h[1]*g[0])/det
		next := curve{c.shift + shift, c.slope + slope}
		for step := 1.0; step > 1e-3 && loss(next) > loss(c); step /= 2 {
			next = curve{c.shift + step/2*shift, c.slope + step/2*slope}
		}
		c = next
	}
	return c
}

// toned is what was measured of a color, and whether it is the object's.
type toned struct {
	own, near float64
	want      bool
}

// fitTone is a logistic regression on two shares, by gradient descent.
func fitTone(examples []toned) tone {
	t := tone{}
	for range 20000 {
		var g tone
		for _, e := range examples {
			y := -t.of(e.own, e.near)
			if e.want {
				y++
			}
			g.shift, g.own, g.near = g.shift+y, g.own+y*e.own, g.near+y*e.near
		}
		step := 2 / float64(len(examples))
		t.shift, t.own, t.near = t.shift+step*g.shift, t.own+step*g.own, t.near+step*g.near
	}
	return t
}

func TestFitCurve(t *testing.T) {
	want := curve{-0.5, 1.4}
	rng := rand.New(rand.NewPCG(1, 1))
	var examples []example
	for range 20000 {
		p := rng.Float64()
		examples = append(examples, example{p, rng.Float64() < want.of(p)})
	}
	if got := fitCurve(examples); math.Abs(got.shift-want.shift) > 0.1 || math.Abs(got.slope-want.slope) > 0.1 {
		t.Errorf("got %v, want %v", got, want)
	}
}
