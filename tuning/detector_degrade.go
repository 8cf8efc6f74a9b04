package tuning

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
)

// Degrade sets the probability of each kind of degradation of training images, in [0, 1].
// They prepare a network for artifacts of a generator. None of them changes the class or the
// color that a person would name.
type Degrade struct {
	Jitter  float64 `yaml:"jitter"`  // brightness, contrast, a slight color cast
	Warp    float64 `yaml:"warp"`    // bent outlines
	Blur    float64 `yaml:"blur"`    // as after scaling down and up
	Noise   float64 `yaml:"noise"`   // normal noise
	Occlude float64 `yaml:"occlude"` // small patches of one color
	JPEG    float64 `yaml:"jpeg"`    // JPEG artifacts
}

// apply degrades an image [size, size, 3].
func (d Degrade) apply(pixels []uint8, size int, rng *rand.Rand) error {
	for _, kind := range []struct {
		probability float64
		degrade     func([]uint8, int, *rand.Rand)
	}{{d.Warp, warp}, {d.Occlude, occlude}, {d.Jitter, jitter}, {d.Blur, blur}, {d.Noise, grain}} {
		if rng.Float64() < kind.probability {
			kind.degrade(pixels, size, rng)
		}
	}
	if rng.Float64() < d.JPEG {
		return compress(pixels, size, 25+rng.IntN(60))
	}
	return nil
}

// jitter changes brightness, contrast and each channel's gain by up to about a sixth. It
// raises the darkest and lowers the lightest values and clips nothing: clipping would remove
// the lines inside black and white objects.
func jitter(pixels []uint8, _ int, rng *rand.Rand) {
	low, high := 36*rng.Float64(), 255-36*rng.Float64()
	var table [3][256]uint8
	for c := range table {
		dark, light := low+8*rng.Float64(), high-8*rng.Float64()
		for v := range 256 {
			table[c][v] = toByte(dark + (light-dark)*float64(v)/255)
		}
	}
	for i, v := range pixels {
		pixels[i] = table[i%3][v]
	}
}

// grain adds normal noise with a standard deviation of up to 14 of 255.
func grain(pixels []uint8, _ int, rng *rand.Rand) {
	strength := 14 * rng.Float64()
	for i, v := range pixels {
		pixels[i] = toByte(float64(v) + strength*rng.NormFloat64())
	}
}

// warpWaves is the number of sine waves that displace rows and columns.
const warpWaves = 3

// warp displaces every pixel by a few waves, by up to about 2% of the side.
func warp(pixels []uint8, size int, rng *rand.Rand) {
	type wave struct{ x, y, phase, strength float64 }
	var waves [2][warpWaves]wave
	for axis := range waves {
		for i := range waves[axis] {
			waves[axis][i] = wave{
				x: 14 * (2*rng.Float64() - 1), y: 14 * (2*rng.Float64() - 1), phase: 2 * math.Pi * rng.Float64(),
				strength: 0.009 * rng.Float64() * float64(size),
			}
		}
	}
	offset := func(axis int, x, y float64) (sum float64) {
		for _, w := range waves[axis] {
			sum += w.strength * math.Sin(w.x*x+w.y*y+w.phase)
		}
		return sum
	}
	original := append([]uint8(nil), pixels...)
	for row := range size {
		for column := range size {
			x, y := float64(column)/float64(size), float64(row)/float64(size)
			sample(pixels[(row*size+column)*3:], original, size, float64(column)+offset(0, x, y), float64(row)+offset(1, x, y))
		}
	}
}

// sample writes the bilinear color of an image at (x, y) to dst[:3].
func sample(dst, pixels []uint8, size int, x, y float64) {
	last := float64(size - 1)
	x, y = min(max(x, 0), last), min(max(y, 0), last)
	column, row := min(int(x), size-2), min(int(y), size-2)
	fx, fy := x-float64(column), y-float64(row)
	at := (row*size + column) * 3
	for c := range 3 {
		top := float64(pixels[at+c])*(1-fx) + float64(pixels[at+3+c])*fx
		bottom := float64(pixels[at+3*size+c])*(1-fx) + float64(pixels[at+3*size+3+c])*fx
		dst[c] = toByte(top*(1-fy) + bottom*fy)
	}
}

// blur mixes every pixel with its neighbors once or twice.
func blur(pixels []uint8, size int, rng *rand.Rand) {
	side := 0.3 * rng.Float64() // weight of each neighbor
	for range 1 + rng.IntN(2) {
		smooth(pixels, size, 3, 3*size, side)
		smooth(pixels, size, 3*size, 3, side)
	}
}

// smooth filters along one axis. Neighbors are step bytes apart, lines line bytes.
func smooth(pixels []uint8, size, step, line int, side float64) {
	for l := range size {
		for c := range 3 {
			at := l*line + c
			before := float64(pixels[at])
			for i := range size {
				here := float64(pixels[at])
				after := here
				if i+1 < size {
					after = float64(pixels[at+step])
				}
				pixels[at] = toByte(side*before + (1-2*side)*here + side*after)
				before = here
				at += step
			}
		}
	}
}

// occlude puts one or two small patches of a random color over the image.
func occlude(pixels []uint8, size int, rng *rand.Rand) {
	for range 1 + rng.IntN(2) {
		side := max(2, int(float64(size)*(0.02+0.06*rng.Float64())))
		color := [3]uint8{uint8(rng.IntN(256)), uint8(rng.IntN(256)), uint8(rng.IntN(256))}
		x, y := rng.IntN(size-side), rng.IntN(size-side)
		for row := y; row < y+side; row++ {
			for column := x; column < x+side; column++ {
				copy(pixels[(row*size+column)*3:], color[:])
			}
		}
	}
}

// compress encodes the image as JPEG and decodes it.
func compress(pixels []uint8, size, quality int) error {
	img := split(pixels, size, size)[0].(*image.NRGBA)
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: quality}); err != nil {
		return fmt.Errorf("compress an image: %w", err)
	}
	decoded, err := jpeg.Decode(&file)
	if err != nil {
		return fmt.Errorf("compress an image: %w", err)
	}
	for i := range size * size {
		r, g, b, _ := decoded.At(i%size, i/size).RGBA()
		pixels[3*i], pixels[3*i+1], pixels[3*i+2] = uint8(r>>8), uint8(g>>8), uint8(b>>8)
	}
	return nil
}

func toByte(v float64) uint8 { return uint8(min(max(v+0.5, 0), 255)) }
