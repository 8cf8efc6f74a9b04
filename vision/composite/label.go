package composite

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"reflectionflow"
)

// Labeled is a composite with a prompt, of which it is known what the image meets.
type Labeled struct {
	Prompt reflectionflow.Prompt
	Image  image.Image // nil for a side of 0
	Met    []bool      // one per requirement
}

// embedded are the cut-outs, read once.
var embedded = sync.OnceValue(CutOuts)

// named are the colors of cups that [Label] asks about: those that are told apart at a
// glance.
var named = []string{"blue", "green", "yellow", "purple"}

// Label makes a square composite of one to three objects, and a prompt that asks for their
// presence, number, color and order from left to right, about half of it wrongly. It is a
// function of the seed; with a side of 0 there is no image.
func Label(seed uint64, side int) Labeled {
	rng := rand.New(rand.NewPCG(seed, 0x6c6162656c))
	all := embedded()
	var chosen []CutOut
	for range 1 + rng.IntN(3) {
		chosen = append(chosen, all[rng.IntN(len(all))])
	}
	items := Arrange(rng, chosen)
	counts := map[string]int{}
	var classes []string
	for i := range items {
		c := items[i].CutOut.Class
		if c == "cup" {
			items[i].Color = named[rng.IntN(len(named))]
		}
		if counts[c]++; counts[c] == 1 {
			classes = append(classes, c)
		}
	}
	slices.Sort(classes)
	l := Labeled{}
	ask := func(r reflectionflow.Requirement, met bool) {
		l.Prompt.Requirements, l.Met = append(l.Prompt.Requirements, r), append(l.Met, met)
	}
	some := classes[rng.IntN(len(classes))]
	other := all[rng.IntN(len(all))].Class
	if rng.IntN(2) == 0 {
		other = some
	}
	ask(reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: other, Count: 1}, counts[other] > 0)
	n := max(1, counts[some]+rng.IntN(3)-1)
	ask(reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: some, Count: n}, counts[some] == n)
	if counts["cup"] == 1 {
		i := slices.IndexFunc(items, func(i Item) bool { return i.CutOut.Class == "cup" })
		color := items[i].Color
		if rng.IntN(2) == 0 {
			color = named[rng.IntN(len(named))]
		}
		ask(reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "cup", Color: color, Count: 1}, color == items[i].Color)
	}
	if len(items) == 2 && len(classes) == 2 && math.Abs(items[0].Center[0]-items[1].Center[0]) > 0.15 {
		a, b := items[0], items[1]
		if rng.IntN(2) == 0 {
			a, b = b, a
		}
		ask(reflectionflow.Requirement{Kind: reflectionflow.Position, Object: a.CutOut.Class, Relation: reflectionflow.LeftOf, Target: b.CutOut.Class}, a.Center[0] < b.Center[0])
	}
	var words []string
	for _, r := range l.Prompt.Requirements {
		words = append(words, r.String())
	}
	l.Prompt.Text = strings.Join(words, ", ")
	if side > 0 {
		l.Image, _ = Scene{Items: items, Seed: seed}.Render(side, side)
	}
	return l
}
