package clipart

import "testing"

// TestAxisStaysInside checks that every start of a span, in sub-pixel steps and both reading
// directions, stays inside the drawing's texels and their border.
func TestAxisStaysInside(t *testing.T) {
	for _, size := range levelSizes {
		for side := size*256 - 300; side <= size*256+300; side++ {
			for _, from := range []int{-777, -256, -128, 0, 1, 127, 128, 129, 255, 256, 1000 + side%256} {
				a := newAxis(from, side, size, 4*size)
				for _, a := range []axis{a, a.mirror(size)} {
					for i, u := 0, a.start; i < a.last-a.first; i, u = i+1, u+a.step {
						if first := u>>16 + 1; first < 0 || first+1 > size+1 {
							t.Fatalf("size %d, side %d, from %d: texel %d", size, side, from, first)
						}
					}
				}
			}
		}
	}
}
