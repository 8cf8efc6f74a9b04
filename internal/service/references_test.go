package service_test

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

// An edit by a model that takes several images starts from all of them, up to its number, and each of its images has the
// further ones; a model that takes one starts from the first.
func TestEditsOfSeveralImages(t *testing.T) {
	for most, want := range map[int][]int{0: {32}, 2: {32, 20}, 10: {32, 20, 2048}} {
		var mu sync.Mutex
		var widths [][]int
		server := serve(t, func(o *service.Options) {
			m := fakeModel()
			m.References = most
			m.Open = func(context.Context, string) (*assemble.Engine, error) {
				return &assemble.Engine{Verifier: reflectionflow.VerifierFunc(judged), Generator: reflectionflow.GeneratorFunc(func(ctx context.Context, r reflectionflow.Request) (image.Image, error) {
					var list []int
					for _, img := range r.References() {
						list = append(list, img.Bounds().Dx())
					}
					mu.Lock()
					widths = append(widths, list)
					mu.Unlock()
					return painted(ctx, r)
				})}, nil
			}
			o.Models[0].Model = m
		})
		sized := func(w, h int) string {
			return file(t, func(out io.Writer, _ image.Image) error {
				return png.Encode(out, image.NewGray(image.Rect(0, 0, w, h)))
			})
		}
		parts := []field{{name: "prompt", value: "the clock of the second one"}, {name: "model", value: "paint:noise"}, {name: "quality", value: "low"}, {name: "size", value: "32x32"}, {name: "reflectionflow", value: `{"details":true}`}}
		for _, f := range []string{sized(64, 64), sized(20, 30), sized(3000, 30)} {
			parts = append(parts, field{"image[]", f, "a.png", "image/png"})
		}
		status, body := chunked(t, server.URL+"/v1/images/edits", "", parts)
		if status != http.StatusOK {
			t.Fatalf("status %d: %.300s", status, body)
		}
		sameNotes(t, server.URL, body, most)
		status, body = chunked(t, server.URL+"/v1/images/edits", "", append(slices.Clip(parts), field{name: "stream", value: "true"}, field{name: "partial_images", value: "1"}))
		if status != http.StatusOK {
			t.Fatalf("status %d: %.300s", status, body)
		}
		streamedNotes(t, body, most)
		_, body = call(t, "GET", server.URL+"/api/v1/jobs", "")
		_, body = call(t, "POST", server.URL+"/api/v1/jobs/"+decode[listReply](t, body).Jobs[0].ID+"/rerun", "") // with the same images
		call(t, "GET", server.URL+"/api/v1/jobs/"+decode[jobs.Job](t, body).ID+"/events", "")
		for _, got := range widths {
			if !slices.Equal(got, want) {
				t.Errorf("an image of a model that takes %d has references of the widths %v, want %v", most, got, want)
			}
		}
		if len(widths) != 3 {
			t.Errorf("%d images were generated, want 3", len(widths))
		}
	}
}

// notesOn are the notes on an edit of three images by a model that takes a number of them.
func notesOn(most int) []string {
	if most >= 3 {
		return nil
	}
	return []string{fmt.Sprintf("3 images were sent, and the model takes %d: the others are not used", max(1, most))}
}

// streamedNotes checks that each event of an edit of three images has its notes, and that one completes it.
func streamedNotes(t *testing.T, body string, most int) {
	t.Helper()
	last := ""
	for line := range strings.Lines(body) {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		event := decode[struct {
			Type  string   `json:"type"`
			Notes []string `json:"notes"`
		}](t, data)
		if last = event.Type; !slices.Equal(event.Notes, notesOn(most)) {
			t.Errorf("a model that takes %d: notes of the event %s are %q, want %q", most, event.Type, event.Notes, notesOn(most))
		}
	}
	if last != "image_edit.completed" {
		t.Errorf("the stream ends with %q: %.300s", last, body)
	}
}

// sameNotes checks what an edit of three images says of those that its model does not take: in the reply, and where the
// job is kept.
func sameNotes(t *testing.T, server, body string, most int) {
	t.Helper()
	reply := decode[struct {
		Notes []string `json:"notes"`
		Data  []struct {
			Search struct {
				Job   string   `json:"job"`
				Notes []string `json:"notes"`
			} `json:"reflectionflow"`
		} `json:"data"`
	}](t, body)
	if len(reply.Data) != 1 {
		t.Fatalf("reply %.300s", body)
	}
	want := notesOn(most)
	_, job := call(t, "GET", server+"/api/v1/jobs/"+reply.Data[0].Search.Job, "")
	kept := decode[struct {
		Extra struct {
			Notes []string `json:"notes"`
		} `json:"extra"`
	}](t, job).Extra.Notes
	for where, got := range map[string][]string{"reply": reply.Notes, "details": reply.Data[0].Search.Notes, "job": kept} {
		if !slices.Equal(got, want) {
			t.Errorf("a model that takes %d: notes of the %s are %q, want %q", most, where, got, want)
		}
	}
}
