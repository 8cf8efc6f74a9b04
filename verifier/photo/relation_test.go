package photo

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/vision/composite"
)

// arranged are the relations that [arrangements] are about.
var arranged = []reflectionflow.Relation{reflectionflow.On, reflectionflow.Under, reflectionflow.Inside, reflectionflow.NextTo, reflectionflow.Between}

// arrangement is a composite of two or three things of different classes, and questions on their relations.
type arrangement struct {
	manner string
	img    *image.NRGBA
	asked  []question
}

// manner places things: a, b and perhaps c, as boxes; relations says what holds then, in pairs of things.
type manner struct {
	name  string
	place func(rng *rand.Rand, size [3][2]float64) [][4]float64
	// holds and not are relations that hold and that do not, by the numbers of subject and target.
	holds, not []held
}

type held struct {
	relation        reflectionflow.Relation
	subject, target int
}

// standing is a box by the middle of its lower edge.
func standing(x, ground float64, size [2]float64) [4]float64 {
	return [4]float64{x - size[0]/2, ground - size[1], x + size[0]/2, ground}
}

func uniform(rng *rand.Rand, low, high float64) float64 { return low + (high-low)*rng.Float64() }

// arrangementManners are the arrangements; sizes are parts of the image's sides. What holds follows from the
// arrangement and not from a formula of the verifier. What people could see either way is not asked.
func arrangementManners() []manner {
	const a, b, c = 0, 1, 2
	on, under, inside, next, between := reflectionflow.On, reflectionflow.Under, reflectionflow.Inside, reflectionflow.NextTo, reflectionflow.Between
	return []manner{
		{
			name: "stacked", // a stands on b, its lower edge in the upper quarter of b
			place: func(rng *rand.Rand, s [3][2]float64) [][4]float64 {
				base := standing(uniform(rng, 0.35, 0.65), 0.95, s[b])
				x := uniform(rng, base[0]+0.25*s[b][0], base[2]-0.25*s[b][0])
				return [][4]float64{standing(x, base[1]+uniform(rng, 0, 0.25)*s[b][1], s[a]), base}
			},
			holds: []held{{on, a, b}, {under, b, a}},
			not:   []held{{on, b, a}, {under, a, b}, {inside, a, b}, {inside, b, a}, {next, a, b}},
		},
		{
			name: "over", // a hangs above b, with a gap of a third of the lower height and more
			place: func(rng *rand.Rand, s [3][2]float64) [][4]float64 {
				base := standing(uniform(rng, 0.35, 0.65), 0.97, s[b])
				x := uniform(rng, base[0]+0.25*s[b][0], base[2]-0.25*s[b][0])
				return [][4]float64{standing(x, base[1]-uniform(rng, 0.35, 0.6)*min(s[a][1], s[b][1]), s[a]), base}
			},
			holds: []held{{under, b, a}},
			not:   []held{{on, a, b}, {on, b, a}, {under, a, b}, {inside, a, b}, {next, a, b}, {next, b, a}},
		},
		{
			name: "beside", // on one ground, less than a third of the narrower width apart
			place: func(rng *rand.Rand, s [3][2]float64) [][4]float64 {
				gap := uniform(rng, 0, 0.33) * min(s[a][0], s[b][0])
				middle := 0.5 + (s[a][0]-s[b][0])/2
				ground := uniform(rng, 0.8, 0.95)
				return [][4]float64{standing(middle-gap/2-s[a][0]/2, ground, s[a]), standing(middle+gap/2+s[b][0]/2, ground+uniform(rng, -0.03, 0.03), s[b])}
			},
			holds: []held{{next, a, b}, {next, b, a}},
			not:   []held{{on, a, b}, {under, a, b}, {inside, a, b}, {on, b, a}},
		},
		{
			name: "far", // at two sides, more than the wider width apart
			place: func(rng *rand.Rand, s [3][2]float64) [][4]float64 {
				for i := range 2 { // smaller things, or there is no room
					s[i] = [2]float64{0.75 * s[i][0], 0.75 * s[i][1]}
				}
				return [][4]float64{standing(s[a][0]/2+0.02, uniform(rng, 0.8, 0.95), s[a]), standing(0.98-s[b][0]/2, uniform(rng, 0.8, 0.95), s[b])}
			},
			not: []held{{next, a, b}, {next, b, a}, {on, a, b}, {under, a, b}, {inside, b, a}},
		},
		{
			name: "within", // a in the middle of b, which is much larger
			place: func(rng *rand.Rand, s [3][2]float64) [][4]float64 {
				k := 0.85 / max(s[b][0], s[b][1])
				s[b] = [2]float64{k * s[b][0], k * s[b][1]}
				k = 0.5 * min(s[b][0]/s[a][0], s[b][1]/s[a][1])
				s[a] = [2]float64{k * s[a][0], k * s[a][1]}
				base := standing(0.5, 0.5+s[b][1]/2, s[b])
				return [][4]float64{standing(0.5+uniform(rng, -0.1, 0.1)*s[b][0], 0.5+s[a][1]/2+uniform(rng, -0.1, 0.1)*s[b][1], s[a]), base}
			},
			holds: []held{{inside, a, b}},
			not:   []held{{inside, b, a}, {on, b, a}, {under, b, a}},
		},
		{
			name: "crossing", // a hides a side of b
			place: func(rng *rand.Rand, s [3][2]float64) [][4]float64 {
				ground := uniform(rng, 0.8, 0.95)
				base := standing(0.6, ground-0.04, s[b])
				return [][4]float64{standing(base[0]-uniform(rng, 0, 0.2)*s[a][0], ground, s[a]), base}
			},
			not: []held{{inside, a, b}, {inside, b, a}, {on, a, b}, {on, b, a}, {under, a, b}, {under, b, a}},
		},
		{
			name: "row", // b, a and c from left to right
			place: func(rng *rand.Rand, s [3][2]float64) [][4]float64 {
				k := min(0.92/(s[a][0]+s[b][0]+s[c][0]), 1)
				for i := range s {
					s[i] = [2]float64{k * s[i][0], k * s[i][1]}
				}
				gap := (1 - s[a][0] - s[b][0] - s[c][0]) / 4
				ground := uniform(rng, 0.8, 0.95)
				x := gap + s[b][0]/2
				left := standing(x, ground, s[b])
				x += s[b][0]/2 + gap + s[a][0]/2
				middle := standing(x, ground+uniform(rng, -0.04, 0.04), s[a])
				x += s[a][0]/2 + gap + s[c][0]/2
				return [][4]float64{middle, left, standing(x, ground, s[c])}
			},
			holds: []held{{between, a, b}},
			not:   []held{{between, b, a}, {between, c, b}, {on, a, b}, {inside, a, c}, {next, b, c}},
		},
	}
}

// arrangements renders n composites of each manner, and asks about the things that are seen.
func arrangements(t testing.TB, list []composite.CutOut, n int, seed uint64) (all []arrangement) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	for i := range n {
		for k, m := range arrangementManners() {
			things, size := different(rng, list), [3][2]float64{}
			for j, thing := range things {
				bounds := thing.Image.Bounds().Size()
				side, ratio := uniform(rng, 0.3, 0.38), math.Sqrt(float64(bounds.X)/float64(bounds.Y))
				side *= min(1, 0.45/(side*max(ratio, 1/ratio)))
				size[j] = [2]float64{side * ratio, side / ratio}
			}
			var items []composite.Item
			boxes := m.place(rng, size)
			for j := range boxes {
				b := boxes[j]
				items = append(items, composite.Item{CutOut: things[j], Center: [2]float64{(b[0] + b[2]) / 2, (b[1] + b[3]) / 2}, Height: b[3] - b[1], Mirror: rng.IntN(2) == 0})
			}
			slices.Reverse(items) // a is in front
			img, seen := composite.Scene{Items: items, Seed: seed<<20 + uint64(7*i+k)}.Render(320, 320)
			if len(seen) < len(items) {
				continue
			}
			all = append(all, arrangement{m.name, img, asked(m, things)})
			keepImage(t, img)
		}
	}
	return all
}

// different chooses three cut-outs of different classes.
func different(rng *rand.Rand, list []composite.CutOut) (things [3]composite.CutOut) {
	for j := range things {
		for {
			things[j] = list[rng.IntN(len(list))]
			if !slices.ContainsFunc(things[:j], func(c composite.CutOut) bool { return c.Class == things[j].Class }) {
				break
			}
		}
	}
	return things
}

func asked(m manner, things [3]composite.CutOut) (list []question) {
	add := func(all []held, want bool) {
		for _, h := range all {
			r := reflectionflow.Requirement{Kind: reflectionflow.Position, Relation: h.relation, Object: things[h.subject].Class, Target: things[h.target].Class}
			if h.relation == reflectionflow.Between {
				r.Second = things[3-h.subject-h.target].Class
			}
			list = append(list, question{string(h.relation), r, want})
		}
	}
	add(m.holds, true)
	add(m.not, false)
	return list
}

// measureRelations judges the questions of arrangements.
func measureRelations(t *testing.T, set string, n int, seed uint64) map[string]*tally {
	t.Helper()
	v := verifier(t)
	tallies := map[string]*tally{}
	for _, r := range arranged {
		tallies[string(r)] = &tally{}
	}
	all := arrangements(t, cutOuts(t, set), n, seed)
	for _, a := range all {
		prompt := reflectionflow.Prompt{Text: "any"}
		for _, q := range a.asked {
			prompt.Requirements = append(prompt.Requirements, q.r)
		}
		scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt, Image: a.img}})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range scores[0].Requirements {
			tallies[a.asked[i].group].add(f, a.asked[i].want)
		}
	}
	var b strings.Builder
	b.WriteString("| kind | questions | precision of met | recall of met | precision of not met | unsure | Brier |\n")
	for _, r := range arranged {
		b.WriteString("| " + string(r) + " | " + strings.Join(tallies[string(r)].columns(), " | ") + " |\n")
	}
	t.Logf("%d composites of the set %s\n%s", len(all), set, &b)
	return tallies
}

// The measurement of on, under and so on in models/coco/README.md, on stamps that nothing was fitted on:
// go test ./verifier/photo -run TestMeasureRelations -v -stamps DIR
func TestMeasureRelations(t *testing.T) { measureRelations(t, "measure", 80, 31) }

// On composites of the embedded cut-outs, which nothing was fitted on either, relations that are met hold: nine of ten
// for those that were embedded first, four of five for all of them, of which more are taken for other things.
func TestRelationsOnComposites(t *testing.T) {
	for set, least := range map[string]int{"first": 9, "embedded": 8} {
		met, right, truth := 0, 0, 0
		for _, m := range measureRelations(t, set, 8, 31) {
			met, right, truth = met+m.met, right+m.metRight, truth+m.truth
		}
		if 10*right < least*met || 4*right < truth {
			t.Errorf("%s: %d of %d met hold, of %d", set, right, met, truth)
		}
	}
}
