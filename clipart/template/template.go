package template

import (
	"cmp"
	"context"
	"image"
	"runtime"
	"slices"
	"sync"

	"reflectionflow"
	"reflectionflow/clipart"
)

// The least likeness and opacity of an object that is listed.
const (
	MinLikeness = 0.55
	MinOpacity  = 0.35
)

// minSide is the least side of an image in pixels that is looked at: the drawings of smaller
// ones have no cells.
const minSide = 16

// Detector finds the drawings of package clipart in images. It is safe for concurrent use.
type Detector struct{}

// New returns the detector.
func New() Detector { return Detector{} }

// Detect lists the objects of images, most alike first, with the likeness as confidence. The
// color is the one that the drawing fits best in, or, where that is the drawing's own colors,
// the color that most of the drawing has, if any. An image with a side below 16 pixels has no
// objects.
func (Detector) Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found, failed := make([][]reflectionflow.Object, len(images)), make([]error, len(images))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(images)) {
		workers.Go(func() {
			for i := range next {
				found[i], failed[i] = detect(ctx, images[i])
			}
		})
	}
	for i := range images {
		next <- i
	}
	close(next)
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// detect takes the most alike place first, erases what it found there, and goes on.
func detect(ctx context.Context, img image.Image) ([]reflectionflow.Object, error) {
	drawings, err := coarse()
	if err != nil {
		return nil, err
	}
	if b := img.Bounds(); min(b.Dx(), b.Dy()) < minSide {
		return nil, nil
	}
	d := newDifference(img)
	places := search(ctx, d, drawings)
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(b.best().likeness, a.best().likeness) })
	var objects []reflectionflow.Object
	seen := newWindow(grid)
	for _, p := range places {
		if len(objects) == clipart.MaxObjects || ctx.Err() != nil {
			break
		}
		if slices.ContainsFunc(objects, func(o reflectionflow.Object) bool { return overlap(o.Box, p.box(d, p.best())) > maxOverlap }) {
			continue
		}
		if len(objects) > 0 && p.erased(d, seen) {
			continue
		}
		m, at, err := p.refine(d)
		if err != nil {
			return nil, err
		}
		if m.likeness < MinLikeness || m.opacity < MinOpacity {
			continue
		}
		objects = append(objects, reflectionflow.Object{Class: m.drawing.class, Color: m.look.named, Box: at.box(d, m), Confidence: min(1, m.likeness)})
		d.erase(at, m.drawing)
	}
	return objects, ctx.Err()
}

// maxOverlap is the largest share of the smaller of two objects' boxes that both cover.
const maxOverlap = 0.4

func overlap(a, b [4]float64) float64 {
	area := func(x0, y0, x1, y1 float64) float64 { return max(0, x1-x0) * max(0, y1-y0) }
	both := area(max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
	least := min(area(a[0], a[1], a[2], a[3]), area(b[0], b[1], b[2], b[3]))
	if least == 0 {
		return 0
	}
	return both / least
}
