package clipart

import "testing"

// TestTintCovers checks that a person would name a tinted object's color: no
// other color's body is the nearest one to more of the object's opaque area.
func TestTintCovers(t *testing.T) {
	var nearest [len(colorNames)][256]int
	for c := range ramps {
		for tone, lanes := range ramps[c] {
			nearest[c][tone] = nearestBody([3]uint8{uint8(lanes), uint8(lanes >> 16), uint8(lanes >> 32)})
		}
	}
	index := classes().index
	for _, s := range Sources() {
		list, err := sprites(index[s.Class])
		if err != nil {
			t.Fatal(err)
		}
		var votes [len(colorNames)][len(colorNames)]int
		for _, texel := range list[s.Drawing].levels[0].tone {
			if texel>>24 == 255 {
				for c := range nearest {
					votes[c][nearest[c][texel&255]]++
				}
			}
		}
		for c, name := range colorNames {
			for other, n := range votes[c] {
				if other != c && n > votes[c][c] {
					t.Errorf("%s %s %d: %d texels look %s, %d %s", name, s.Class, s.Drawing, n, colorNames[other], votes[c][c], name)
				}
			}
		}
	}
}

// nearestBody is the color whose body is nearest to a pixel.
func nearestBody(p [3]uint8) int {
	best, bestDistance := 0, 1<<30
	for c, stops := range rampStops {
		distance := 0
		for k := range 3 {
			d := int(p[k]) - int(stops[1][k])
			distance += d * d
		}
		if distance < bestDistance {
			best, bestDistance = c, distance
		}
	}
	return best
}

// TestWhiteStandsOut checks that the body of a white object and every other
// tint is visible on every background.
func TestWhiteStandsOut(t *testing.T) {
	for i, b := range Backgrounds() {
		for c, name := range Colors() {
			body := rampStops[c][1]
			d := max(abs(int(b.R)-int(body[0])), abs(int(b.G)-int(body[1])), abs(int(b.B)-int(body[2])))
			if d < 30 {
				t.Errorf("%s on background %d differs by %d only", name, i, d)
			}
		}
	}
}

func abs(v int) int { return max(v, -v) }
