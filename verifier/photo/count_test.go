package photo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/vision/composite"
)

// manners are the ways in which the objects of [crowds] stand.
var manners = []string{"apart", "overlapping", "small"}

// crowd is a composite of one to most objects of a class, all of one cut-out, and sometimes another thing.
type crowd struct {
	photograph
	class, manner string
	n             int // as many of the class are seen
}

// crowds renders n composites of each manner and number up to most. The sides have 256, 320 or 512 pixels.
func crowds(list []composite.CutOut, manners []string, n, most int, seed uint64) (all []crowd) {
	rng := rand.New(rand.NewPCG(seed, 3))
	for i := range n * len(manners) * most {
		c := crowd{manner: manners[i%len(manners)]}
		cut := list[rng.IntN(len(list))]
		c.class = cut.Class
		var chosen []composite.CutOut
		for range 1 + i/len(manners)%most {
			chosen = append(chosen, cut)
		}
		if rng.IntN(3) == 0 {
			chosen = append(chosen, list[rng.IntN(len(list))])
		}
		items := composite.Arrange(rng, chosen)
		for k := range items {
			item := &items[k]
			switch c.manner {
			case "small":
				item.Height *= 0.55
			case "overlapping":
				item.Center = [2]float64{0.5 + 0.7*(item.Center[0]-0.5), 0.55 + 0.7*(item.Center[1]-0.55)}
				item.Height *= 1.1
			}
		}
		side := []int{256, 320, 512}[rng.IntN(3)]
		c.img, c.truth = composite.Scene{Items: items, Seed: seed<<20 + uint64(i)}.Render(side, side)
		for _, o := range c.truth {
			if o.Class == c.class {
				c.n++
			}
		}
		all = append(all, c)
	}
	return all
}

// The numbers of one class are one distribution: of all exact numbers asked of an image at most one is met,
// at least nine of ten of these are right where objects do not overlap, and at most agrees with them.
func TestNumbersOnComposites(t *testing.T) { measureNumbers(t, "embedded", 6) }

// The measurement of numbers in models/coco/README.md, on stamps that nothing was fitted on:
// go test ./verifier/photo -run TestMeasureNumbers -v -stamps DIR
func TestMeasureNumbers(t *testing.T) { measureNumbers(t, "measure", 40) }

func measureNumbers(t *testing.T, set string, n int) {
	t.Helper()
	v := verifier(t)
	const most = 4
	groups := map[string]*tally{}
	for _, g := range append([]string{"exactly", "at least", "at most"}, manners...) {
		groups[g] = &tally{}
	}
	for _, c := range crowds(cutOuts(t, set), manners, n, most, 21) {
		prompt := reflectionflow.Prompt{Text: "any"}
		for asked := 1; asked <= most; asked++ {
			for _, kind := range []reflectionflow.Kind{reflectionflow.Exactly, reflectionflow.AtLeast, reflectionflow.AtMost} {
				prompt.Requirements = append(prompt.Requirements, reflectionflow.Requirement{Kind: kind, Object: c.class, Count: asked})
			}
		}
		scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt, Image: c.img}})
		if err != nil {
			t.Fatal(err)
		}
		met, sum, below := 0, 0.0, 0.0
		for i, f := range scores[0].Requirements {
			asked := f.Requirement.Count
			switch f.Requirement.Kind {
			case reflectionflow.Exactly:
				groups["exactly"].add(f, c.n == asked)
				groups[c.manner].add(f, c.n == asked)
				if f.Verdict == reflectionflow.Met {
					met++
				}
				sum += f.Confidence
			case reflectionflow.AtLeast:
				groups["at least"].add(f, c.n >= asked)
			case reflectionflow.AtMost:
				groups["at most"].add(f, c.n <= asked)
				if f.Confidence < below || f.Confidence < scores[0].Requirements[i-2].Confidence-1e-9 {
					t.Errorf("%s: %s has less than what it includes", scores[0].Detail, f.Requirement)
				}
				below = f.Confidence
			}
		}
		if met > 1 || sum > 1+1e-9 {
			t.Errorf("%d %s: %d exact numbers are met, the probabilities sum to %.2f; %s", c.n, c.class, met, sum, scores[0].Detail)
		}
	}
	var b strings.Builder
	for _, g := range append([]string{"exactly", "at least", "at most"}, manners...) {
		m := groups[g]
		b.WriteString("| " + g + " | " + strings.Join(m.columns(), " | ") + " |\n")
	}
	t.Logf("set %s\n%s", set, &b)
	// Of overlapping objects two may have one clear box in every look, which nothing can tell from one object.
	for group, least := range map[string]float64{"exactly": 0.85, "apart": 0.9, "small": 0.9} {
		if m := groups[group]; float64(m.metRight) < least*float64(m.met) || 3*m.metRight < m.truth {
			t.Errorf("%s: %d of %d met exact numbers are right, of %d that hold", group, m.metRight, m.met, m.truth)
		}
	}
}

// fitManners are those of the composites that counting is fitted on: most overlap, which is hardest.
var fitManners = []string{"apart", "overlapping", "overlapping", "overlapping", "small"}

// counted is a composite and how a verifier sees it.
type counted struct {
	crowd
	scene *scene
}

func look(t *testing.T, v *Verifier, all []crowd) (seen []counted) {
	t.Helper()
	for _, c := range all {
		p := reflectionflow.PromptedImage{Image: c.img, Prompt: reflectionflow.Prompt{Text: "any", Requirements: []reflectionflow.Requirement{
			{Kind: reflectionflow.Exactly, Object: c.class, Count: 1},
		}}}
		list := []reflectionflow.PromptedImage{p}
		found, err := v.finder.Find(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		s := newScene(v.rules, c.img, found[0])
		if err := v.lookAgain(t.Context(), list, []*scene{s}); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, counted{c, s})
	}
	return seen
}

// TestFitNumbers fits counting, by coordinate search for the largest likelihood of the numbers, and prints how
// right numbers are from which confidence on, on another draw of the composites.
// go test ./verifier/photo -run TestFitNumbers -v -fit -stamps DIR
func TestFitNumbers(t *testing.T) {
	if !*fit {
		t.Skip("needs -fit")
	}
	v := verifier(t)
	rules := coco
	v.rules = &rules
	var seen []counted
	for _, c := range look(t, v, crowds(cutOuts(t, "fit"), fitManners, 28, maxCount, 77)) {
		if c.n > 0 && len(c.scene.of(c.class)) > 0 {
			seen = append(seen, c)
		}
	}
	loss := func(x [5]float64) (sum float64) {
		rules.counting = counting{shift: x[0], slope: x[1], nested: x[2], missed: x[3], clear: x[4]}
		for _, c := range seen {
			at := c.scene.numbers(c.class, "")
			sum -= math.Log(max(at[min(c.n, len(at)-1)]/(1-at[0]), 1e-4))
		}
		return sum / float64(len(seen))
	}
	x := [5]float64{3, 1.2, -4, -1, -0.7}
	for step := 0.5; step > 0.01; {
		better := false
		for k := range x {
			for _, sign := range []float64{-1, 1} {
				next := x
				next[k] += sign * step
				if loss(next) < loss(x) {
					x, better = next, true
				}
			}
		}
		if !better {
			step /= 2
		}
	}
	t.Logf("shift: %.2f, slope: %.2f, nested: %.2f, missed: %.2f, clear: %.2f; loss %.3f of %d images", x[0], x[1], x[2], x[3], x[4], loss(x), len(seen))
	other := look(t, v, crowds(cutOuts(t, "fit"), manners, 40, 4, 78))
	for _, least := range []float64{0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95} {
		line := ""
		for _, manner := range manners {
			met, right, all := 0, 0, 0
			for _, c := range other {
				if c.manner != manner {
					continue
				}
				all++
				at := c.scene.numbers(c.class, "")
				for n := 1; n <= maxCount; n++ {
					if at[n] >= least {
						met++
						if n == c.n {
							right++
						}
					}
				}
			}
			line += fmt.Sprintf(" | %s: %s, recall %.0f", manner, rate(right, met), 100*float64(right)/float64(max(all, 1)))
		}
		t.Logf("from %.2f on%s", least, line)
	}
}
