package reflectionflow

import (
	"context"
	"image"
	"time"
)

// Sketch is a small and rough preview of an image that is being generated, for people
// who wait. Nothing else depends on it.
type Sketch struct {
	Request Request
	Step    int // denoising steps taken, of Request.Steps
	// Image shows the whole image. It is smaller than the request's size.
	Image image.Image
}

// MaxSketchSide bounds the sides of a sketch, in pixels.
const MaxSketchSide = 256

// sketches is the value of a context that asks for sketches.
type sketches struct {
	every time.Duration
	show  func(Sketch)
}

type sketchesKey struct{}

// WithSketches returns a context in which a [Generator] may call show with sketches of
// the images that it generates, at most one of each image per interval, and none of a
// finished image. A generator may ignore it. It calls show from any goroutine, also
// concurrently, and waits for it; not after its call has returned. The images of a call
// are the same with sketches and without. A decorator passes them on with its context.
func WithSketches(ctx context.Context, every time.Duration, show func(Sketch)) context.Context {
	return context.WithValue(ctx, sketchesKey{}, sketches{every, show})
}

// Sketches returns what [WithSketches] has set; show is nil where no one asks for
// sketches.
func Sketches(ctx context.Context) (every time.Duration, show func(Sketch)) {
	s, _ := ctx.Value(sketchesKey{}).(sketches)
	return s.every, s.show
}
