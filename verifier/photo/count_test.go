package photo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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
// and at most agrees with them. Where objects do not overlap nine of ten of these are right; of small ones that holds for the
// cut-outs that were embedded first, and for all of them four of five.
func TestNumbersOnComposites(t *testing.T) {
	measureNumbers(t, "first", 6, 0.9)
	measureNumbers(t, "embedded", 6, 0.8)
}

// The measurement of numbers in models/coco/README.md, on stamps that nothing was fitted on:
// go test ./verifier/photo -run TestMeasureNumbers -v -stamps DIR
func TestMeasureNumbers(t *testing.T) { measureNumbers(t, "measure", 40, 0.9) }

// measureNumbers wants at least the share small of the met numbers of small things to be right.
func measureNumbers(t *testing.T, set string, n int, small float64) {
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
	for group, least := range map[string]float64{"exactly": 0.85, "apart": 0.9, "small": small} {
		if m := groups[group]; float64(m.metRight) < least*float64(m.met) || 3*m.metRight < m.truth {
			t.Errorf("%s, %s: %d of %d met exact numbers are right, of %d that hold", set, group, m.metRight, m.met, m.truth)
		}
	}
}

// fitManners are those of the composites that counting is fitted on: most overlap, which is hardest.
var fitManners = []string{"apart", "overlapping", "overlapping", "overlapping", "small"}

// fitCounting fits counting, by coordinate search for the largest likelihood of the numbers of crowds, in which the three
// manners weigh the same, and prints how right numbers are from which confidence on.
func fitCounting(t *testing.T, all []shown) {
	t.Helper()
	all = slices.DeleteFunc(slices.Clone(all), func(s shown) bool { return s.n == 0 })
	weight := map[string]float64{"apart": 3, "overlapping": 1, "small": 3, amongOthers: 3}
	var objects [][]*object
	for _, s := range all {
		scene := s.scene()
		objects = append(objects, scene.of(s.class))
	}
	loss := func(x [6]float64) float64 {
		sum, weights := 0.0, 0.0
		coco.counting = counting{shift: x[0], slope: x[1], nested: x[2], missed: x[3], clear: x[4], crowd: x[5]}
		for i, s := range all {
			if len(objects[i]) == 0 {
				continue
			}
			at, w := coco.numbers(objects[i], ""), weight[s.manner]
			sum, weights = sum-w*math.Log(max(at[min(s.n, len(at)-1)]/(1-at[0]), 1e-4)), weights+w
		}
		return sum / weights
	}
	x := [6]float64{3, 1.2, -4, -1, -0.7, 0}
	for step := 0.5; step > 0.02; {
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
	t.Logf("shift: %.2f, slope: %.2f, nested: %.2f, missed: %.2f, clear: %.2f, crowd: %.2f; loss %.3f of %d images", x[0], x[1], x[2], x[3], x[4], x[5], loss(x), len(all))
	for _, least := range []float64{0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9} {
		line := ""
		for _, manner := range append(slices.Clone(manners), amongOthers) {
			met, right, in := 0, 0, 0
			for i, s := range all {
				if s.manner != manner {
					continue
				}
				in++
				at := coco.numbers(objects[i], "")
				for n := 1; n <= maxCount; n++ {
					if at[n] >= least {
						met++
						if n == s.n {
							right++
						}
					}
				}
			}
			line += fmt.Sprintf(" | %s: %s, recall %.0f", manner, rate(right, met), 100*float64(right)/float64(max(in, 1)))
		}
		t.Logf("from %.2f on%s", least, line)
	}
}
