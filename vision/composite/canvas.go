package composite

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
)

// canvas is an image in the making.
type canvas struct {
	width, height int
	pixels        [][3]float64 // row by row, 0 to 255
	owner         []int        // the item that is seen at each pixel, -1 for none
}

func newCanvas(width, height int) *canvas {
	c := &canvas{width: width, height: height, pixels: make([][3]float64, width*height), owner: make([]int, width*height)}
	for i := range c.owner {
		c.owner[i] = -1
	}
	return c
}

// walls are colors of walls and floors.
var walls = [][3]float64{{214, 206, 190}, {188, 196, 190}, {176, 186, 198}, {204, 190, 178}, {226, 222, 214}, {150, 158, 150}, {168, 150, 132}, {134, 142, 156}}

// room paints a wall above a floor, lit from a side, with soft stains.
func (c *canvas) room(rng *rand.Rand) {
	wall, floor := walls[rng.IntN(len(walls))], walls[rng.IntN(len(walls))]
	edge := (0.5 + 0.2*rng.Float64()) * float64(c.height)
	slope := 0.5 * (rng.Float64() - 0.5)
	stains := stains(rng)
	for y := range c.height {
		for x := range c.width {
			u, v := float64(x)/float64(c.width), float64(y)/float64(c.height)
			// The border between wall and floor is blurred over a few pixels.
			down := 1 / (1 + math.Exp((edge-float64(y))/1.5))
			light := 0.95 + slope*(u-0.5) + 0.12*(0.5-v) + stains(u, v)
			for k := range 3 {
				c.pixels[y*c.width+x][k] = light * ((1-down)*wall[k] + down*0.82*floor[k])
			}
		}
	}
}

// grounds are colors of meadows, fields and sand.
var grounds = [][3]float64{{104, 128, 66}, {128, 138, 84}, {150, 138, 94}, {172, 156, 118}, {92, 112, 70}, {138, 126, 88}}

// skies are colors of skies, high up.
var skies = [][3]float64{{120, 160, 210}, {150, 180, 215}, {176, 186, 198}, {140, 165, 190}}

// field paints a meadow, a field or sand under the sky. The ground is rough, and coarser in front.
func (c *canvas) field(rng *rand.Rand) {
	ground, sky := grounds[rng.IntN(len(grounds))], skies[rng.IntN(len(skies))]
	horizon := 0.3 + 0.2*rng.Float64()
	clouds := stains(rng)
	hills := [2]float64{0.5 + 1.5*rng.Float64(), 2 * math.Pi * rng.Float64()}
	seed := rng.Uint64()
	for y := range c.height {
		for x := range c.width {
			u, v := float64(x)/float64(c.width), float64(y)/float64(c.height)
			edge := horizon + 0.012*math.Sin(2*math.Pi*hills[0]*u+hills[1])
			at := &c.pixels[y*c.width+x]
			if v < edge {
				haze := (v / edge) * (v / edge)
				for k := range 3 {
					at[k] = (1 + 2*clouds(u, v)) * ((1-haze)*sky[k] + haze*225)
				}
				continue
			}
			near := (v - edge) / (1 - edge)
			scale := 90 / (0.15 + near) // of the roughness: fine far away
			rough := 0.5*noise(seed, u*scale, v*1.6*scale) + 0.35*noise(seed+1, u*scale*2.3, v*2.6*scale) + 0.6*noise(seed+2, 7*u, 16*v)
			light := 1 + (0.12+0.2*near)*rough + 2*clouds(u, v)
			for k := range 3 {
				at[k] = (0.25*(1-near)*185 + (1-0.25*(1-near))*ground[k]) * light
			}
		}
	}
}

// noise is a smooth random number from -1 to 1 at a point, of the scale of 1.
func noise(seed uint64, x, y float64) float64 {
	i, j := math.Floor(x), math.Floor(y)
	corner := func(i, j float64) float64 {
		h := seed ^ uint64(int64(i))*0x9e3779b97f4a7c15 ^ uint64(int64(j))*0xc2b2ae3d27d4eb4f
		h = (h ^ h>>29) * 0xbf58476d1ce4e5b9
		return float64((h^h>>32)&0xffff)/32768 - 1
	}
	u, v := x-i, y-j
	u, v = u*u*(3-2*u), v*v*(3-2*v)
	return (1-v)*((1-u)*corner(i, j)+u*corner(i+1, j)) + v*((1-u)*corner(i, j+1)+u*corner(i+1, j+1))
}

// stains is a smooth unevenness of about ±0.04.
func stains(rng *rand.Rand) func(u, v float64) float64 {
	var waves [5][4]float64
	for i := range waves {
		waves[i] = [4]float64{8 * (rng.Float64() - 0.5), 8 * (rng.Float64() - 0.5), 2 * math.Pi * rng.Float64(), 0.015 * rng.Float64()}
	}
	return func(u, v float64) (sum float64) {
		for _, w := range waves {
			sum += w[3] * math.Sin(2*math.Pi*(w[0]*u+w[1]*v)+w[2])
		}
		return sum
	}
}

// shadow darkens the ground below an item.
func (c *canvas) shadow(p placement) {
	cx, cy := p.x+p.w/2, p.y+0.97*p.h
	rx, ry := 0.5*p.w, max(0.08*p.h, 2)
	for y := max(int(cy-3*ry), 0); y < min(int(cy+3*ry), c.height); y++ {
		for x := max(int(cx-1.6*rx), 0); x < min(int(cx+1.6*rx), c.width); x++ {
			dx, dy := (float64(x)-cx)/rx, (float64(y)-cy)/ry
			dark := 1 - 0.35*math.Exp(-(dx*dx+dy*dy))
			for k := range 3 {
				c.pixels[y*c.width+x][k] *= dark
			}
		}
	}
}

// paste puts an item over what is there.
func (c *canvas) paste(p placement, number int) {
	tint, tinted := tints[p.item.Color]
	brightness := 0.0
	if tinted {
		brightness = p.item.CutOut.brightness()
	}
	for i := range p.colors {
		x, y := p.bounds.Min.X+i%p.bounds.Dx(), p.bounds.Min.Y+i/p.bounds.Dx()
		rgb, alpha := p.colors[i], p.opacity[i]
		if tinted {
			rgb = tint.apply(rgb, brightness)
		}
		at := y*c.width + x
		for k := range 3 {
			c.pixels[at][k] = alpha*rgb[k] + (1-alpha)*c.pixels[at][k]
		}
		if alpha >= 0.5 {
			c.owner[at] = number
		}
	}
}

// visible counts the pixels at which each item is seen.
func (c *canvas) visible(items int) []int {
	count := make([]int, items)
	for _, i := range c.owner {
		if i >= 0 {
			count[i]++
		}
	}
	return count
}

// image returns the pixels with grain, as of a camera.
func (c *canvas) image(rng *rand.Rand) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, c.width, c.height))
	for i, p := range c.pixels {
		grain := 2.5 * rng.NormFloat64()
		value := func(v float64) uint8 { return uint8(min(max(v+grain+0.5, 0), 255)) }
		img.SetNRGBA(i%c.width, i/c.width, color.NRGBA{R: value(p[0]), G: value(p[1]), B: value(p[2]), A: 255})
	}
	return img
}
