package service

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/jpeg"
	"net/http"
	"time"

	"reflectionflow/internal/jobs"
)

// streamed is a reply of server-sent events to a request for images.
type streamed struct {
	*events
	server  *Server
	request *http.Request
	q       *imageRequest
	kind    string // of the events
}

// streamImages replies with server-sent events, for each image: previews while the first
// candidate is generated, then the best image so far whenever it changes, partial_images in
// all, then the last one. Of three or two places, one is kept for an image.
func (s *Server) streamImages(w http.ResponseWriter, r *http.Request, q *imageRequest, list []jobs.Job, kind string) error {
	out := streamed{newEvents(w), s, r, q, kind}
	for _, job := range list {
		if err := out.image(job.ID); err != nil {
			return out.fail(err)
		}
	}
	return nil
}

// image streams the image of a job.
func (o streamed) image(id string) error {
	sent, best, previews := 0, -1, max(1, o.q.PartialImages-1)
	var score float64
	var last jobs.Job
	partial := func(file []byte) error {
		sent++
		return o.send(o.kind+".partial_image", o.with(file, map[string]any{"partial_image_index": sent - 1}))
	}
	err := o.server.hub.listen(o.request.Context(), id, 0, listener{
		event: func(e frame) error {
			if e.Job != nil {
				last = *e.Job
			}
			if e.Kind != jobs.KindCandidate || e.Image == nil || sent == o.q.PartialImages || best >= 0 && e.Candidate.Score.Value <= score {
				return nil
			}
			best, score = e.Candidate.ID, e.Candidate.Score.Value
			file, err := o.server.imageFile(o.request.Context(), id, best, o.q.look())
			if err != nil {
				return err
			}
			return partial(file)
		},
		live: func(l liveFrame) error {
			if l.Kind != livePreview || best >= 0 || sent >= min(previews, o.q.PartialImages) {
				return nil
			}
			file, err := o.preview(l.Image)
			if err != nil {
				return err
			}
			return partial(file)
		},
		idle: o.alive,
	})
	if err != nil {
		return err
	}
	data, used, err := o.server.imageOf(o.request, o.q, last)
	if err != nil {
		return err
	}
	whole := o.with(nil, map[string]any{"usage": used, "reflectionflow": data.Search})
	whole["type"], whole["b64_json"] = o.kind+".completed", data.B64
	if data.URL != "" {
		whole["url"] = data.URL
	}
	return o.send(o.kind+".completed", whole)
}

// size is that of the images.
func (o streamed) size() image.Point { return o.q.look().size(o.q.generated) }

// preview returns a preview in the format and the size of the images, so that a client can
// show one over the other.
func (o streamed) preview(file []byte) ([]byte, error) {
	img, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = encoders[o.q.look().format](&out, scaled(img, o.size()))
	return out.Bytes(), err
}

// with is an event of an image as OpenAI's API has it, with fields of its own.
func (o streamed) with(file []byte, fields map[string]any) map[string]any {
	fields["type"], fields["b64_json"] = o.kind+".partial_image", base64.StdEncoding.EncodeToString(file)
	fields["created_at"], fields["size"], fields["quality"] = time.Now().Unix(), pixels(o.size()), o.q.Quality
	fields["output_format"], fields["background"] = o.q.look().format, "opaque"
	if o.q.within != (image.Point{}) {
		fields["generated_size"] = pixels(o.q.generated)
	}
	if o.q.notes != nil {
		fields["notes"] = o.q.notes
	}
	return fields
}
