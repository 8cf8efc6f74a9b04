package service_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

// sizedReply is a reply to a request for images, and an event of a stream.
type sizedReply struct {
	Type string
	Data []struct {
		B64 string `json:"b64_json"`
		URL string
	}
	B64       string `json:"b64_json"`
	Size      string
	Generated string `json:"generated_size"`
}

// bounds are those of an image file.
func bounds(t *testing.T, file []byte) string {
	t.Helper()
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%dx%d", config.Width, config.Height)
}

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	file, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSizes asks a model of two sizes for others, as clients do that have OpenAI's built in.
func TestSizes(t *testing.T) {
	model := fakeModel()
	model.CheckSize = func(width, height int) error {
		if size := fmt.Sprintf("%dx%d", width, height); size != "32x32" && size != "48x16" {
			return fmt.Errorf("%w: size %s: not of this model", reflectionflow.ErrInvalid, size)
		}
		return nil
	}
	url := serve(t, func(o *service.Options) { o.Models = []service.Served{{Name: "paint", Model: model}} }).URL
	for asked, want := range map[string][2]string{ // size of the images, and in which they are generated
		"1024x1024": {"1024x1024", "32x32"}, "1024x512": {"1024x341", "48x16"}, "1024x1536": {"1024x1024", "32x32"}, "4096x16": {"16x16", "32x32"},
		"auto": {"32x32", ""}, "": {"32x32", ""}, "48x16": {"48x16", ""}, "16": {"16x16", "32x32"},
	} {
		_, body := call(t, "POST", url+"/v1/images/generations", fmt.Sprintf(`{"prompt":"red","model":"noise","quality":"low","size":%q}`, asked))
		got := decode[sizedReply](t, body)
		if len(got.Data) != 1 || got.Size != want[0] || got.Generated != want[1] || bounds(t, unbase64(t, got.Data[0].B64)) != want[0] {
			t.Errorf("%q: %.300s", asked, body)
		}
		_, body = call(t, "POST", url+"/v1/images/generations", fmt.Sprintf(`{"prompt":"red","model":"noise","quality":"low","size":%q,"response_format":"url"}`, asked))
		if _, file := call(t, "GET", decode[sizedReply](t, body).Data[0].URL, ""); bounds(t, []byte(file)) != want[0] {
			t.Errorf("%q: the address gives %s", asked, bounds(t, []byte(file)))
		}
	}
	_, stream := call(t, "POST", url+"/v1/images/generations", `{"prompt":"red","model":"noise","size":"512x512","stream":true,"partial_images":2}`)
	events := 0
	for line := range strings.Lines(stream) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			events++
			if e := decode[sizedReply](t, data); e.Size != "512x512" || e.Generated != "32x32" || bounds(t, unbase64(t, e.B64)) != "512x512" {
				t.Errorf("an event has %s", data)
			}
		}
	}
	if events < 2 {
		t.Errorf("the stream is %.300s", stream)
	}
	for name, c := range map[string][2]string{ // these are strict
		"impossible":     {"/v1/images/generations", `{"prompt":"red","size":"1000x1000"}`},
		"too large":      {"/v1/images/generations", `{"prompt":"red","size":"8192x8192"}`},
		"reflectionflow": {"/v1/images/generations", `{"prompt":"red","reflectionflow":{"size":"512x512"}}`},
		"native":         {"/api/v1/jobs", `{"prompt":"red","search":{"size":"512x512"}}`},
	} {
		if status, body := call(t, "POST", url+c[0], c[1]); status != http.StatusBadRequest || !strings.Contains(body, "size") {
			t.Errorf("%s: status %d: %s", name, status, body)
		}
	}
}

// TestProportions corrects images without saying a size: the search has their proportions.
func TestProportions(t *testing.T) {
	url := serve(t, nil).URL
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 600, 300))); err != nil {
		t.Fatal(err)
	}
	status, body := chunked(t, url+"/v1/images/edits", "", []field{{name: "prompt", value: "more blue"}, {name: "quality", value: "low"}, {name: "model", value: "noise"}, {"image", file.String(), "a.png", "image/png"}})
	if got := decode[sizedReply](t, body); status != http.StatusOK || got.Size != "48x16" || bounds(t, unbase64(t, got.Data[0].B64)) != "48x16" {
		t.Errorf("an edit: status %d: %.200s", status, body)
	}
	status, body = call(t, "POST", url+"/api/v1/jobs", `{"prompt":"blue","check":true,"correct":{"reflection":"more","image":"`+base64.StdEncoding.EncodeToString(file.Bytes())+`"}}`)
	if status != http.StatusOK || !strings.Contains(body, `"image_width":48,"image_height":16`) {
		t.Errorf("a job: status %d: %s", status, body)
	}
	id := finish(t, url, `{"prompt":"blue","search":{"strategy":"noise","budget":"1","size":"64x48"}}`)
	child := finish(t, url, `{"prompt":"blue","search":{"strategy":"noise","budget":"1"},"correct":{"job":"`+id+`","candidate":0,"reflection":"more"}}`)
	_, body = call(t, "GET", url+"/api/v1/jobs/"+child, "")
	if job := decode[jobs.Job](t, body); !strings.Contains(string(job.Settings), `"64x48"`) {
		t.Errorf("the correction of a candidate has the settings %s", job.Settings)
	}
	for query, want := range map[string]string{"side=32": "32x24", "size=128x128": "128x96", "size=32x32&format=jpeg": "32x24"} {
		if _, file := call(t, "GET", url+"/api/v1/jobs/"+id+"/images/0?"+query, ""); bounds(t, []byte(file)) != want {
			t.Errorf("%s gives %s", query, bounds(t, []byte(file)))
		}
	}
	for _, query := range []string{"side=0", "side=1025", "size=0x1", "size=9999x9999", "size=x", "format=bmp"} {
		if status, _ := call(t, "GET", url+"/api/v1/jobs/"+id+"/images/0?"+query, ""); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", query, status)
		}
	}
}

// TestNoAblations checks that nobody is offered a strategy that measures a part of another.
func TestNoAblations(t *testing.T) {
	url := serve(t, nil).URL
	for _, path := range []string{"/v1/models", "/api/v1/models"} {
		if _, body := call(t, "GET", url+path, ""); strings.Contains(body, "-no-") || !strings.Contains(body, "adaptive") {
			t.Errorf("%s lists %s", path, body)
		}
	}
	if status, _ := call(t, "POST", url+"/api/v1/jobs", `{"prompt":"red","check":true,"search":{"strategy":"adaptive-no-stop"}}`); status != http.StatusOK {
		t.Errorf("a request may name one: status %d", status)
	}
}
