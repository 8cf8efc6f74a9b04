package composite

import "math/rand/v2"

// Arrange returns cut-outs side by side at random places and sizes, in which they hardly hide one
// another, the ones further back first. Colors are those of the cut-outs.
func Arrange(rng *rand.Rand, cutOuts []CutOut) []Item {
	height := 0.62
	for range max(len(cutOuts)-1, 0) {
		height *= 0.84
	}
	for try := 0; ; try++ {
		if try > 0 && try%20 == 0 {
			height *= 0.94
		}
		if items, ok := arrange(rng, cutOuts, height); ok {
			return items
		}
	}
}

func arrange(rng *rand.Rand, cutOuts []CutOut, height float64) ([]Item, bool) {
	var items []Item
	var boxes [][4]float64
	for _, c := range cutOuts {
		h := height * (0.75 + 0.35*rng.Float64())
		size := c.Image.Bounds().Size()
		w := h * float64(size.X) / float64(size.Y)
		if w > 0.85 {
			h, w = h*0.85/w, 0.85
		}
		fits := false
		for range 20 {
			item := Item{CutOut: c, Center: [2]float64{w/2 + rng.Float64()*(1-w), h/2 + 0.05 + rng.Float64()*(0.93-h)}, Height: h, Mirror: rng.IntN(2) == 0}
			if c.Cut {
				item.Center[1] = 1 - h/2
			}
			box := [4]float64{item.Center[0] - w/2, item.Center[1] - h/2, item.Center[0] + w/2, item.Center[1] + h/2}
			if fits = apart(box, boxes); fits {
				items, boxes = append(items, item), append(boxes, box)
				break
			}
		}
		if !fits {
			return nil, false
		}
	}
	return items, true
}

// apart reports whether a box overlaps none of the others by more than a twentieth of the smaller one.
func apart(a [4]float64, others [][4]float64) bool {
	for _, b := range others {
		w, h := min(a[2], b[2])-max(a[0], b[0]), min(a[3], b[3])-max(a[1], b[1])
		if w > 0 && h > 0 && w*h > 0.05*min((a[2]-a[0])*(a[3]-a[1]), (b[2]-b[0])*(b[3]-b[1])) {
			return false
		}
	}
	return true
}
