package fleet

import (
	"bytes"
	"context"
	"image/jpeg"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"reflectionflow"
)

// Sketches are sent to the caller of a task by core NATS: they are not stored, and may be
// lost or come too late.

// Bounds of sketches.
const (
	sketchBytes   = 64 << 10               // of a sketch's file; larger ones are not sent, or not shown
	sketchPause   = 100 * time.Millisecond // the least between two of a task
	sketchQuality = 80                     // of JPEG
)

// The headers of a message with a sketch.
const (
	sketchTask = "Task"
	sketchStep = "Step"
)

// sketching returns the context for a task whose caller asks for sketches.
func (w *worker) sketching(ctx context.Context, t task) context.Context {
	if t.Sketches <= 0 {
		return ctx
	}
	every := max(time.Duration(t.Sketches)*time.Millisecond, sketchPause)
	return reflectionflow.WithSketches(ctx, every, func(s reflectionflow.Sketch) {
		var file bytes.Buffer
		if !w.bus.Conn.IsConnected() || jpeg.Encode(&file, s.Image, &jpeg.Options{Quality: sketchQuality}) != nil || file.Len() > sketchBytes {
			return
		}
		msg := nats.NewMsg(t.To)
		msg.Header.Set(sketchTask, t.ID)
		msg.Header.Set(sketchStep, strconv.Itoa(s.Step))
		msg.Data = file.Bytes()
		_ = w.bus.Conn.PublishMsg(msg) // one that is lost is followed by others
	})
}

// glimpse is a message with a sketch.
type glimpse struct {
	step int
	file []byte
}

// readGlimpse reads a message, if it has a sketch.
func readGlimpse(m *nats.Msg) (task string, g glimpse, ok bool) {
	if task = m.Header.Get(sketchTask); task == "" {
		return "", g, false
	}
	step, err := strconv.Atoi(m.Header.Get(sketchStep))
	if err != nil || len(m.Data) > sketchBytes {
		step = 0 // it is not shown
	}
	return task, glimpse{step, m.Data}, true
}

// show shows a sketch of a request, unless it is damaged.
func (g glimpse) show(r reflectionflow.Request, show func(reflectionflow.Sketch)) {
	size, err := jpeg.DecodeConfig(bytes.NewReader(g.file))
	if err != nil || g.step < 1 || g.step >= r.Steps || max(size.Width, size.Height) > reflectionflow.MaxSketchSide {
		return
	}
	if img, err := jpeg.Decode(bytes.NewReader(g.file)); err == nil {
		show(reflectionflow.Sketch{Request: r, Step: g.step, Image: img})
	}
}
