package ssdlite

import "math"

// anchor is a reference box: its center and sides as fractions of the image's sides.
type anchor struct{ y, x, height, width float64 }

// anchors lists the reference boxes in the order of the network's outputs: by feature map, row,
// column and shape. The sizes are those of the SSD anchor generator of TensorFlow's object
// detection API: scales from 0.2 to 0.95, and three smaller boxes on the first map.
func anchors() []anchor {
	var all []anchor
	for k, m := range maps {
		scale, next := 0.2+0.15*float64(k), 0.2+0.15*float64(k+1)
		if k == len(maps)-1 {
			next = 1
		}
		shapes := [][2]float64{ // scale, width ÷ height
			{scale, 1},
			{scale, 2},
			{scale, 0.5},
			{scale, 3},
			{scale, 0.3333},
			{math.Sqrt(scale * next), 1},
		}
		if k == 0 {
			shapes = [][2]float64{{0.1, 1}, {scale, 2}, {scale, 0.5}}
		}
		for row := range m.grid {
			for column := range m.grid {
				for _, s := range shapes {
					root := math.Sqrt(s[1])
					all = append(all, anchor{
						y: (float64(row) + 0.5) / float64(m.grid), x: (float64(column) + 0.5) / float64(m.grid),
						height: s[0] / root, width: s[0] * root,
					})
				}
			}
		}
	}
	return all
}

// decode returns the box x0, y0, x1, y1 that the codes ty, tx, th, tw describe relative to the
// anchor. It may reach beyond the image.
func (a anchor) decode(code []float32) [4]float64 {
	y := 0.1*float64(code[0])*a.height + a.y
	x := 0.1*float64(code[1])*a.width + a.x
	h := math.Exp(0.2*float64(code[2])) * a.height
	w := math.Exp(0.2*float64(code[3])) * a.width
	return [4]float64{x - w/2, y - h/2, x + w/2, y + h/2}
}
