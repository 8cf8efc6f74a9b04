package clipart

// canvas is the image that is being rendered: height·width·3 bytes.
type canvas struct {
	rgb           []uint8
	width, height int
}

// axis walks the texels under a row or column of pixels: texel position in
// 16.16 fixed point, relative to the center of the first texel.
type axis struct {
	first, last int // pixels, last excluded
	start, step int // position under first, and its increase per pixel
}

// newAxis covers the pixels from 0 to limit whose texel position is within one texel of the
// drawing's size texels.
func newAxis(from, side, size, limit int) axis {
	a := axis{first: max(0, from>>8-1), last: min(limit, (from+side)>>8+2), step: (size << 24) / side}
	position := func(pixel int) int { return (pixel*256+128-from)*(size<<16)/side - 1<<15 }
	// A pixel exactly one texel before the first is transparent, and when mirrored would read
	// outside the border.
	for a.first < a.last && position(a.first) <= -1<<16 {
		a.first++
	}
	a.start = position(a.first)
	for a.first < a.last && a.start+(a.last-1-a.first)*a.step >= size<<16 {
		a.last--
	}
	return a
}

// mirror reverses the direction of reading.
func (a axis) mirror(size int) axis {
	a.start, a.step = (size-1)<<16-a.start, -a.step
	return a
}

// draw blends a drawing over the canvas, tinted with a color or, with -1, in its own colors.
func (c *canvas) draw(s *sprite, at span, flip bool, color int) {
	l := s.levelFor(at.side)
	xs, ys := newAxis(at.left, at.side, l.size, c.width), newAxis(at.top, at.side, l.size, c.height)
	if flip {
		xs = xs.mirror(l.size)
	}
	texels := l.color
	if color >= 0 {
		texels = l.tone
	}
	v := ys.start
	for y := ys.first; y < ys.last; y++ {
		upper := texels[(v>>16+1)*l.stride:][:l.stride]
		lower := texels[(v>>16+2)*l.stride:][:l.stride]
		row := c.rgb[3*(y*c.width+xs.first) : 3*(y*c.width+xs.last)]
		if color >= 0 {
			blendTinted(row, upper, lower, xs, v, &ramps[color])
		} else {
			blend(row, upper, lower, xs, v)
		}
		v += ys.step
	}
}

const (
	laneMask = 0x00FF00FF00FF00FF
	laneHalf = 0x0080008000800080
)

// spread moves the four bytes of a texel into four lanes of 16 bits.
func spread(texel uint32) uint64 {
	v := uint64(texel)
	v = (v | v<<16) & 0x0000FFFF0000FFFF
	return (v | v<<8) & laneMask
}

// sample is the bilinear mean of four texels, with weights in 1/256.
func sample(upper, lower []uint32, u int, fy uint64) uint64 {
	i := u>>16 + 1
	a, b, c, d := upper[i], upper[i+1], lower[i], lower[i+1]
	if a|b|c|d < 1<<24 {
		return 0 // all four are transparent
	}
	fx := uint64(u >> 8 & 255)
	top := (spread(a)*(256-fx) + spread(b)*fx + laneHalf) >> 8 & laneMask
	bottom := (spread(c)*(256-fx) + spread(d)*fx + laneHalf) >> 8 & laneMask
	return (top*(256-fy) + bottom*fy + laneHalf) >> 8 & laneMask
}

// scale multiplies every lane by factor/255, rounded.
func scale(lanes, factor uint64) uint64 {
	v := lanes*factor + laneHalf
	return (v + v>>8&laneMask) >> 8 & laneMask
}

func blend(row []uint8, upper, lower []uint32, xs axis, v int) {
	fy, u := uint64(v>>8&255), xs.start
	for ; len(row) >= 3; row = row[3:] {
		s := sample(upper, lower, u, fy)
		u += xs.step
		if alpha := s >> 48; alpha > 0 {
			over(row, s, alpha)
		}
	}
}

func blendTinted(row []uint8, upper, lower []uint32, xs axis, v int, ramp *[256]uint64) { //nolint:revive // the inner loop; a struct would be copied a row
	fy, u := uint64(v>>8&255), xs.start
	for ; len(row) >= 3; row = row[3:] {
		s := sample(upper, lower, u, fy)
		u += xs.step
		if alpha := s >> 48; alpha > 0 {
			tone := min(255, ((s&255)*255+alpha/2)/alpha)
			over(row, scale(ramp[tone], alpha), alpha)
		}
	}
}

// over blends a premultiplied color over a pixel. Lanes are clamped because rounding may carry a
// sum one above 255.
func over(pixel []uint8, lanes, alpha uint64) {
	under := uint64(pixel[0]) | uint64(pixel[1])<<16 | uint64(pixel[2])<<32
	sum := lanes + scale(under, 255-alpha)
	pixel[0] = uint8(min(255, sum&0xFFFF))
	pixel[1] = uint8(min(255, sum>>16&0xFFFF))
	pixel[2] = uint8(min(255, sum>>32&0xFFFF))
}
