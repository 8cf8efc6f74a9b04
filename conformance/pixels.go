package conformance

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
)

// samePixels says where two images differ, wherever their origins are.
func samePixels(a, b image.Image) error {
	if a == nil || b == nil {
		if a == b {
			return nil
		}
		return fmt.Errorf("one image is nil")
	}
	p, q := a.Bounds(), b.Bounds()
	if p.Size() != q.Size() {
		return fmt.Errorf("sizes differ: %v and %v", p.Size(), q.Size())
	}
	for y := range p.Dy() {
		for x := range p.Dx() {
			c, d := a.At(p.Min.X+x, p.Min.Y+y), b.At(q.Min.X+x, q.Min.Y+y)
			if rgba(c) != rgba(d) {
				return fmt.Errorf("pixel (%d,%d) differs: %v and %v", x, y, c, d)
			}
		}
	}
	return nil
}

func rgba(c color.Color) [4]uint32 {
	r, g, b, a := c.RGBA()
	return [4]uint32{r, g, b, a}
}

// moved returns the pixels of img as part of a larger *image.NRGBA, away from its
// origin; false when there is no image or that form cannot hold it.
func moved(img image.Image) (image.Image, bool) {
	if img == nil {
		return nil, false
	}
	from := img.Bounds()
	frame := image.Rect(0, 0, from.Dx()+12, from.Dy()+12)
	large := image.NewNRGBA(frame)
	for y := range from.Dy() {
		for x := range from.Dx() {
			large.Set(x+7, y+5, img.At(from.Min.X+x, from.Min.Y+y))
		}
	}
	part := large.SubImage(image.Rect(7, 5, 7+from.Dx(), 5+from.Dy()))
	return part, samePixels(img, part) == nil
}

// fingerprint hashes the pixels of an image; 0 for none.
func fingerprint(img image.Image) uint64 {
	if img == nil {
		return 0
	}
	h := fnv.New64a()
	b := img.Bounds()
	var buf [16]byte
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			for i, v := range rgba(img.At(x, y)) {
				binary.LittleEndian.PutUint32(buf[4*i:], v)
			}
			h.Write(buf[:]) // never fails
		}
	}
	return h.Sum64()
}
