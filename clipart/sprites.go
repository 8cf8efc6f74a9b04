package clipart

import "image"

// levelSizes are the sides in pixels of the stored reductions of a drawing. They are a factor of
// about √2 apart, so that bilinear sampling of the next larger one neither blurs nor aliases
// visibly.
var levelSizes = [...]int{TileSize, 68, 48, 34, 24, 17, 12, 8}

// maskLevel is the reduction that occlusion is measured on.
const maskLevel = 4

// sprite is a decoded drawing, ready to be rendered.
type sprite struct {
	levels [len(levelSizes)]level
	opaque image.Rectangle // bounds of the texels with alpha 128 or more, of TileSize²
}

// level is a drawing at one size with a transparent border of one texel, which
// lets the sampler read its four neighbours without a bounds check.
type level struct {
	size   int      // side without the border
	stride int      // size + 2
	color  []uint32 // premultiplied R | G<<8 | B<<16 | A<<24
	tone   []uint32 // premultiplied tone | A<<24
}

// newSprite cuts the tile whose left edge is at x out of an atlas image.
func newSprite(strip *image.NRGBA, x int) *sprite {
	s := &sprite{}
	texels := strip.SubImage(image.Rect(x, 0, x+TileSize, TileSize)).(*image.NRGBA)
	var histogram [256]int
	eachTexel(texels, func(px, py int, p []uint8) {
		if p[3] >= 128 {
			histogram[luminance(p[0], p[1], p[2])]++
			s.opaque = s.opaque.Union(image.Rect(px, py, px+1, py+1))
		}
	})
	tones := toneTable(&histogram)
	base := newLevel(TileSize)
	eachTexel(texels, func(px, py int, p []uint8) {
		at, a := (py+1)*base.stride+px+1, uint32(p[3])
		base.color[at] = premultiply(p[0], a) | premultiply(p[1], a)<<8 | premultiply(p[2], a)<<16 | a<<24
		base.tone[at] = premultiply(tones[luminance(p[0], p[1], p[2])], a) | a<<24
	})
	s.levels[0] = base
	for i := 1; i < len(levelSizes); i++ {
		s.levels[i] = base.reduce(levelSizes[i])
	}
	return s
}

func eachTexel(m *image.NRGBA, visit func(x, y int, p []uint8)) {
	for y := range m.Rect.Dy() {
		row := m.Pix[y*m.Stride:]
		for x := range m.Rect.Dx() {
			visit(x, y, row[4*x:4*x+4])
		}
	}
}

func premultiply(v uint8, alpha uint32) uint32 { return (uint32(v)*alpha + 127) / 255 }

func newLevel(size int) level {
	n := (size + 2) * (size + 2)
	return level{size: size, stride: size + 2, color: make([]uint32, n), tone: make([]uint32, n)}
}

// reduce averages the level over the areas of a coarser grid.
func (l level) reduce(size int) level {
	r := newLevel(size)
	for y := range size {
		for x := range size {
			at := (y+1)*r.stride + x + 1
			r.color[at] = l.average(l.color, x, y, size)
			r.tone[at] = l.average(l.tone, x, y, size)
		}
	}
	return r
}

// average is the mean of the texels under cell (x, y) of a grid of size×size cells, each weighted
// by the area it shares with the cell. Lengths are in units of 1/size of a texel, so that all
// weights are integers.
func (l level) average(texels []uint32, x, y, size int) uint32 {
	var sums [4]uint64
	x0, x1, y0, y1 := x*l.size, (x+1)*l.size, y*l.size, (y+1)*l.size
	for ty := y0 / size; ty*size < y1; ty++ {
		height := min(y1, (ty+1)*size) - max(y0, ty*size)
		row := (ty+1)*l.stride + 1
		for tx := x0 / size; tx*size < x1; tx++ {
			weight := uint64(height * (min(x1, (tx+1)*size) - max(x0, tx*size)))
			t := texels[row+tx]
			for k := range sums {
				sums[k] += weight * uint64(t>>(8*k)&255)
			}
		}
	}
	area := uint64(l.size * l.size)
	var out uint32
	for k, sum := range sums {
		out |= uint32((sum+area/2)/area) << (8 * k)
	}
	return out
}

// levelFor returns the smallest level with at least side/256 texels per side, or the largest.
func (s *sprite) levelFor(side int) *level {
	best := &s.levels[0]
	for i := range s.levels {
		if s.levels[i].size*256 < side {
			break
		}
		best = &s.levels[i]
	}
	return best
}
