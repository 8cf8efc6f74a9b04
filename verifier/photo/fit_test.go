package photo

import (
	"context"
	"flag"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/photocases"
	"reflectionflow/vision/colorname"
	"reflectionflow/vision/composite"
	"reflectionflow/vision/detection"
)

var fit = flag.Bool("fit", false, "fit the curves, on the stamps of the set fit, and print them")

// example is a probability and whether what it is about holds.
type example struct {
	p    float64
	want bool
}

// shown is what the network sees in an image, and what is in it. The image is not kept.
type shown struct {
	things []*thing
	colors map[[4]float64]*colorname.Weights
	side   int
	truth  []reflectionflow.Object
	asked  []question // of an arrangement
	// Of a crowd: how its objects stand, their class and their number.
	manner, class string
	n             int
}

// scene is what is seen by the fitted numbers up to now.
func (s shown) scene() *scene {
	made := newScene(&coco, image.NewGray(image.Rect(0, 0, s.side, s.side)), nil)
	for _, o := range objectsOf(s.things) {
		made.objects = append(made.objects, &object{class: o.Class, box: o.Box, present: o.Confidence, colors: s.colors[o.Box]})
	}
	return made
}

// fitting are the images that everything is fitted on: searches, random photographs, arrangements and crowds of the
// cut-outs.
func fitting(t *testing.T, rng *rand.Rand) (all []shown) {
	t.Helper()
	list := cutOuts(t, "fit")
	detector, err := OpenDetector(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer detector.Close()
	add := func(img image.Image, p reflectionflow.Prompt, s shown) {
		things, err := detector.things(context.Background(), []image.Image{img}, []reflectionflow.Prompt{p})
		if err != nil {
			t.Fatal(err)
		}
		s.things, s.colors, s.side = things[0], map[[4]float64]*colorname.Weights{}, img.Bounds().Dx()
		for _, x := range s.things {
			w := colorname.Object(img, x.box)
			s.colors[clipped(x.box)] = &w
		}
		all = append(all, s)
	}
	for i, c := range photocases.Cases(11, 20, list) {
		for n, shot := range append(c.Wrong, c.Right) {
			img, truth := shot.Render(uint64(100*i+n), list)
			asked := append(questions(photograph{truth: truth}, classesIn(c.Right), rng), askSeated(c.Right, shot)...)
			add(img, promptOf(asked), shown{truth: truth, asked: asked})
			for _, class := range classesIn(c.Right) {
				if n := countOf(truth, class); n > 0 {
					counted := all[len(all)-1]
					counted.truth, counted.asked, counted.manner, counted.class, counted.n = nil, nil, amongOthers, class, n
					all = append(all, counted)
				}
			}
		}
	}
	for _, p := range photographs(t, list, 120, 1) {
		asked := questions(p, someOf(p, list), rng)
		add(p.img, promptOf(asked), shown{truth: p.truth, asked: asked})
	}
	for _, a := range arrangements(t, list, 30, 1) {
		add(a.img, promptOf(a.asked), shown{asked: a.asked})
	}
	for _, c := range crowds(list, fitManners, 12, maxCount, 77) {
		prompt := reflectionflow.Prompt{Requirements: []reflectionflow.Requirement{{Kind: reflectionflow.Exactly, Object: c.class, Count: 1}}}
		add(c.img, prompt, shown{truth: c.truth, manner: c.manner, class: c.class, n: c.n})
	}
	return all
}

// askSeated asks whether the things stand on what they should stand on, where the case is about that.
func askSeated(right, shot photocases.Shot) []question {
	if right.On.N == 0 {
		return nil
	}
	g := right.Groups[0]
	n := 0
	for _, other := range shot.Groups {
		if other.Class == g.Class {
			n += other.N
		}
	}
	on := reflectionflow.Requirement{Kind: reflectionflow.Position, Object: g.Class, Relation: reflectionflow.On, Target: right.On.Class, Count: g.N}
	return []question{{string(reflectionflow.On), on, shot.On.Class == right.On.Class && n >= g.N}}
}

// promptOf is a prompt that asks for all of the questions.
func promptOf(asked []question) (p reflectionflow.Prompt) {
	for _, q := range asked {
		p.Requirements = append(p.Requirements, q.r)
	}
	return p
}

// amongOthers is the manner of things of a class in the images of searches.
const amongOthers = "among others"

func countOf(truth []reflectionflow.Object, class string) (n int) {
	for _, o := range truth {
		if o.Class == class {
			n++
		}
	}
	return n
}

// classesIn are the classes that a shot shows: those that its prompt asks for.
func classesIn(s photocases.Shot) (names []string) {
	for _, g := range append(slices.Clone(s.Groups), s.On) {
		if g.N > 0 && !slices.Contains(names, g.Class) {
			names = append(names, g.Class)
		}
	}
	return names
}

// someOf are the classes of cut-outs but for those that a photograph shows beside the first one: what it shows is not all
// asked for.
func someOf(p photograph, list []composite.CutOut) []string {
	return slices.DeleteFunc(classesOf(list), func(class string) bool {
		return class != p.truth[0].Class && slices.ContainsFunc(p.truth, func(o reflectionflow.Object) bool { return o.Class == class })
	})
}

// TestFit fits sure and the rules of curve.go, one after the other: each on the outputs of those before it. Colors are
// not fitted.
// go test ./verifier/photo -run TestFit$ -v -fit -stamps DIR -timeout 1h
func TestFit(t *testing.T) {
	if !*fit {
		t.Skip("needs -fit")
	}
	all := fitting(t, rand.New(rand.NewPCG(2, 2)))
	var seen []seenAs
	missed, truth := 0, 0
	for _, s := range all {
		if s.truth == nil {
			continue
		}
		is, none := namesOf(s.things, s.truth)
		missed, truth = missed+none, truth+len(s.truth)
		for k, thing := range s.things {
			seen = append(seen, seenAs{thing, is[k]})
		}
	}
	t.Logf("%d images; %d of %d objects are no thing", len(all), missed, truth)
	sure, wanted = fitSureness(t, seen)
	coco.there, coco.placed, coco.related = curve{0, 1}, curve{0, 1}, nil
	coco.there = report(t, "object", asExamples(all)["object"])
	groups := asExamples(all)
	for _, g := range []string{"relation", "place"} {
		report(t, g, groups[g])
	}
	for _, r := range arranged {
		report(t, string(r), groups[string(r)])
	}
	report(t, "color", groups["color"])
	fitCounting(t, all)
}

// asExamples are the probabilities of all questions, by their groups.
func asExamples(all []shown) map[string][]example {
	groups := map[string][]example{}
	for _, s := range all {
		scene := s.scene()
		for _, q := range s.asked {
			if raw, _, known := scene.judge(q.r); known {
				groups[q.group] = append(groups[q.group], example{raw, q.want})
			}
		}
	}
	return groups
}

// seenAs is a thing and the class that it is of; empty for none.
type seenAs struct {
	*thing
	class string
}

// namesOf are the classes of things, as the network spells them: empty for what is no object, or is one that a clearer
// thing stands for. missed are the objects that no thing stands for.
func namesOf(things []*thing, truth []reflectionflow.Object) (names []string, missed int) {
	names = make([]string, len(things))
	taken := make([]int, len(things)) // 1 + number of the object
	for k, o := range truth {
		best, at := 0.0, -1
		for i, t := range things {
			if v := detection.Overlap(t.box, o.Box); v >= 0.5 && taken[i] == 0 && t.clear+v > best {
				best, at = t.clear+v, i
			}
		}
		if at < 0 {
			missed++
			continue
		}
		taken[at], names[at] = k+1, o.Class
	}
	return names, missed
}

// fitSureness is the sureness with the largest likelihood: s as if nothing were asked for, and then w of what is.
func fitSureness(t *testing.T, seen []seenAs) (s, w sureness) {
	t.Helper()
	loss := func(s, w sureness, asked bool) (sum float64) {
		for _, x := range seen {
			thing := *x.thing
			if !asked {
				thing.asked = func(string) bool { return false }
			}
			for class, p := range thing.classes(s, w) {
				if asked && !thing.asked(class) {
					continue
				}
				if geneval(class) != x.class {
					p = 1 - p
				}
				sum -= math.Log(max(p, 1e-4))
			}
		}
		return sum / float64(max(len(seen), 1))
	}
	s = fitOne(func(s sureness) float64 { return loss(s, s, false) })
	s.asked = s.rival
	w = fitOne(func(w sureness) float64 { w.rival = s.rival; return loss(s, w, true) })
	w.rival = s.rival // few of these things are not what is asked for and clearly something else, so the loss says nothing
	right, named := 0, 0
	for _, x := range seen {
		best, class := 0.0, ""
		for c, v := range x.classes(s, w) {
			if v > best {
				best, class = v, c
			}
		}
		if x.class != "" {
			named++
			if geneval(class) == x.class {
				right++
			}
		}
	}
	t.Logf("sure %.2f, wanted %.2f: %d things; %d of %d objects have the right class first", s, w, len(seen), right, named)
	return s, w
}

// fitOne is the sureness with the least loss, by coordinate search, with a little ridge.
func fitOne(loss func(sureness) float64) sureness {
	start := [4]float64{0, 1, 0.2, 0.2}
	of := func(x [4]float64) sureness { return sureness{x[0], x[1], x[2], x[3]} }
	all := func(x [4]float64) float64 {
		sum := loss(of(x))
		for k, v := range x {
			sum += (v - start[k]) * (v - start[k]) / 2000
		}
		return sum
	}
	at := start
	for step := 0.5; step > 0.02; {
		next, best := at, all(at)
		for k := range at {
			for _, by := range []float64{step, -step} {
				try := at
				if try[k] += by / float64(min(k, 1)+1); k >= 2 {
					try[k] = max(try[k], 0) // a clearer rival speaks against a class
				}
				if v := all(try); v < best-1e-5 {
					next, best = try, v
				}
			}
		}
		if next == at {
			step /= 2
		}
		at = next
	}
	return of(at)
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
	for _, least := range []float64{0.4, 0.5, 0.6, 0.75} {
		met, holds := 0, 0
		for _, e := range examples {
			if c.of(e.p) >= least {
				met++
				if e.want {
					holds++
				}
			}
		}
		t.Logf("           from %.2f on: %s, recall %s", least, rate(holds, met), rate(holds, n))
	}
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
