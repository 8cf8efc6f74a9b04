package fleet_test

import (
	"context"
	"testing"
	"time"

	"reflectionflow"
)

// TestSketches: whoever asks for sketches sees what the worker's generator shows, before
// the image is finished.
func TestSketches(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	seen := make(chan reflectionflow.Sketch, 8)
	engine := &fake{called: func(ctx context.Context, _, _ string) error {
		select {
		case s := <-seen:
			seen <- s
		case <-time.After(30 * time.Second):
			t.Error("no sketch comes")
		}
		return nil
	}}
	work(t, connect(t, url), engine.engine("a"))
	f := open(t, connect(t, url))
	ctx := reflectionflow.WithSketches(t.Context(), 0, func(s reflectionflow.Sketch) { seen <- s })
	r := request(1)
	r.Reference = drawn(t, 2)
	if _, err := f.Generator(model()).Generate(ctx, []reflectionflow.Request{r}); err != nil {
		t.Fatal(err)
	}
	s := <-seen
	if s.Request.Seed != r.Seed || s.Request.Reference != r.Reference || s.Step != 1 || s.Image == nil || s.Image.Bounds().Dx() != 8 {
		t.Errorf("the sketch is %+v", s)
	}
}
