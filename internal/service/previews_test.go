package service_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

// sketched is painted, with a green sketch of each image, and waits between them until it
// may go on.
func sketched(shown chan<- reflectionflow.Request, goOn <-chan struct{}) reflectionflow.GeneratorFunc {
	return func(ctx context.Context, r reflectionflow.Request) (image.Image, error) {
		if _, show := reflectionflow.Sketches(ctx); show != nil {
			green := image.NewNRGBA(image.Rect(0, 0, 4, 4))
			for i := range 16 {
				green.SetNRGBA(i%4, i/4, color.NRGBA{0, 255, 0, 255})
			}
			show(reflectionflow.Sketch{Request: r, Step: 1, Image: green})
		}
		shown <- r
		select {
		case <-goOn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return painted(ctx, r)
	}
}

// sketching serves a model whose images wait until the returned channel has a value.
func sketching(t *testing.T) (url string, goOn chan<- struct{}) {
	t.Helper()
	shown, more := make(chan reflectionflow.Request, 100), make(chan struct{})
	model := fakeModel()
	parts := &assemble.Engine{Generator: sketched(shown, more), Verifier: reflectionflow.VerifierFunc(judged)}
	model.Open = func(context.Context, string) (*assemble.Engine, error) { return parts, nil }
	server := serve(t, func(o *service.Options) { o.Models = []service.Served{{Name: "paint", Model: model}} })
	return server.URL, more
}

// sse reads server-sent events until a function returns false.
func sse(t *testing.T, url, method, body string, receive func(id, name, data string) bool) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d", url, reply.StatusCode)
	}
	lines := bufio.NewScanner(reply.Body)
	lines.Buffer(nil, 8<<20)
	var id, name string
	for lines.Scan() {
		text := lines.Text()
		if v, ok := strings.CutPrefix(text, "id: "); ok {
			id = v
		}
		if v, ok := strings.CutPrefix(text, "event: "); ok {
			name = v
		}
		if v, ok := strings.CutPrefix(text, "data: "); ok {
			if !receive(id, name, v) {
				return
			}
			id, name = "", ""
		}
	}
}

// TestPreviews follows a job: progress and preview of each candidate come before it.
func TestPreviews(t *testing.T) {
	url, goOn := sketching(t)
	_, body := call(t, "POST", url+"/api/v1/jobs", `{"prompt":"red","search":{"strategy":"noise","budget":"2"}}`)
	id := decode[jobs.Job](t, body).ID
	var got []string
	sse(t, url+"/api/v1/jobs/"+id+"/events", "GET", "", func(_, name, data string) bool {
		type message struct {
			ID    int
			Stage string
			Image []byte
		}
		switch name {
		case "preview":
			m := decode[message](t, data)
			img, err := jpeg.Decode(bytes.NewReader(m.Image))
			if err != nil || img.Bounds().Dx() != 4 {
				t.Errorf("the preview of candidate %d: %v", m.ID, err)
			}
			goOn <- struct{}{}
			got = append(got, "preview "+string(rune('0'+m.ID)))
		case "progress":
			if m := decode[message](t, data); m.Stage == "planned" {
				got = append(got, "planned "+string(rune('0'+m.ID)))
			}
		default:
			got = append(got, name)
		}
		return true
	})
	text := strings.Join(got, ", ")
	for _, pair := range [][2]string{{"planned 0", "preview 0"}, {"preview 0", "candidate"}, {"planned 1", "preview 1"}, {"preview 1", "done"}} {
		if a, b := strings.Index(text, pair[0]), strings.LastIndex(text, pair[1]); a < 0 || b < a {
			t.Errorf("%s is not before %s: %s", pair[0], pair[1], text)
		}
	}
}

// TestStreamPreviews asks for partial images: the first is a preview, the next the best so
// far.
func TestStreamPreviews(t *testing.T) {
	url, goOn := sketching(t)
	var greens []bool
	sse(t, url+"/v1/images/generations", "POST", `{"model":"paint:noise","prompt":"red","size":"48x32","stream":true,"partial_images":2,"reflectionflow":{"budget":"1","seed":3}}`, func(_, name, data string) bool {
		file, err := base64.StdEncoding.DecodeString(decode[struct {
			B64 string `json:"b64_json"`
		}](t, data).B64)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(file))
		if err != nil || img.Bounds() != image.Rect(0, 0, 48, 32) {
			t.Fatalf("%s: %v", name, err)
		}
		_, green, _, _ := img.At(10, 10).RGBA()
		greens = append(greens, green > 0xf000)
		if len(greens) == 1 {
			goOn <- struct{}{}
		}
		return true
	})
	if len(greens) != 3 || !greens[0] || greens[1] || greens[2] {
		t.Errorf("green, so previews, are %v", greens)
	}
}

// TestLastEventID checks clients that come back with numbers that are no good.
func TestLastEventID(t *testing.T) {
	server := serve(t, nil)
	_, body := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"red","search":{"strategy":"noise","budget":"1"}}`)
	url := server.URL + "/api/v1/jobs/" + decode[jobs.Job](t, body).ID + "/events"
	last := ""
	sse(t, url, "GET", "", func(id, _, _ string) bool {
		if id != "" {
			last = id
		}
		return true
	})
	for _, c := range []struct {
		id     string
		status int
	}{{"0", http.StatusOK}, {last, http.StatusNoContent}, {"999999", http.StatusBadRequest}, {"-1", http.StatusBadRequest}, {"18446744073709551615", http.StatusBadRequest}, {"x", http.StatusBadRequest}} {
		if status, text := call(t, "GET", url, "", "Last-Event-ID", c.id); status != c.status {
			t.Errorf("Last-Event-ID %s: status %d, want %d: %.200s", c.id, status, c.status, text)
		}
	}
}
