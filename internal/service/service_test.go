package service_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

// painted generates images of one color, which the seed decides, 16 seeds a shade; those
// that correct one are blue.
func painted(ctx context.Context, r reflectionflow.Request) (image.Image, error) {
	if strings.Contains(r.Prompt, "slow") {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Minute):
			return nil, errors.New("nobody stopped the slow image")
		}
	}
	img := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
	shade := color.NRGBA{uint8(r.Seed), uint8(r.Seed >> 8), 0, 255}
	if r.Reference != nil {
		shade = color.NRGBA{0, 0, uint8(len(r.Reflection)), 255}
	}
	for i := range r.Width * r.Height {
		img.SetNRGBA(i%r.Width, i/r.Width, shade)
	}
	return img, nil
}

func judged(_ context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
	r, _, b, _ := p.Image.At(0, 0).RGBA()
	return reflectionflow.Score{Value: float64(r+b) / 65535}, nil
}

func fakeModel() assemble.Model {
	parts := &assemble.Engine{Generator: reflectionflow.GeneratorFunc(painted), Verifier: reflectionflow.VerifierFunc(judged)}
	return assemble.Model{
		Name: "paint", Width: 32, Height: 32, Steps: 2, Guidance: 1,
		Parse: assemble.Free(func(text string) (reflectionflow.Prompt, error) {
			if strings.Contains(text, "unknown") {
				return reflectionflow.Prompt{}, fmt.Errorf("%w: unknown object", reflectionflow.ErrInvalid)
			}
			return reflectionflow.Prompt{Text: text}, nil
		}),
		Check: func(context.Context) (string, error) { return strings.Repeat("ab", 32), nil },
		Open:  func(context.Context, string) (*assemble.Engine, error) { return parts, nil },
	}
}

// serve starts a service with the fake model for a test.
func serve(t *testing.T, change func(*service.Options)) *httptest.Server {
	t.Helper()
	_, server := start(t, change)
	return server
}

func start(t *testing.T, change func(*service.Options)) (*service.Server, *httptest.Server) {
	t.Helper()
	bus, err := jobs.Embedded(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	queue, err := jobs.Open(t.Context(), bus, jobs.Options{Server: "a", Report: func(err error) { t.Log(err) }, Limits: func(string) jobs.Limits { return jobs.Limits{Queued: 20} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queue.Close)
	o := service.Options{Queue: queue, Models: []service.Served{{Name: "paint", Model: fakeModel()}}, Parallel: 4, Version: "test", Hosts: []string{}, History: filepath.Join(t.TempDir(), "history.db")}
	if change != nil {
		change(&o)
	}
	s, err := service.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		if err := s.Work(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); working.Wait() })
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	return s, server
}

// call sends a request and returns status and body.
func call(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	data, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(data)
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %.300s", err, text)
	}
	return v
}

type imageReply struct {
	Data []struct {
		B64    string `json:"b64_json"`
		URL    string `json:"url"`
		Search struct {
			Job     string       `json:"job"`
			Outcome jobs.Outcome `json:"outcome"`
		} `json:"reflectionflow"`
	} `json:"data"`
	Error *struct {
		Message, Type string
		Param, Code   *string
	} `json:"error"`
}

func TestGenerations(t *testing.T) {
	server := serve(t, nil)
	url := server.URL + "/v1/images/generations"
	status, body := call(t, "POST", url, `{"model":"paint:noise","prompt":"red","n":2,"size":"64x48","quality":"low","style":"vivid","reflectionflow":{"seed":200,"details":true}}`)
	got := decode[imageReply](t, body)
	if status != http.StatusOK || len(got.Data) != 2 {
		t.Fatalf("status %d: %.300s", status, body)
	}
	for i, d := range got.Data {
		file, err := base64.StdEncoding.DecodeString(d.B64)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(file))
		if err != nil || img.Bounds() != image.Rect(0, 0, 64, 48) {
			t.Errorf("image %d is %v, error %v", i, img.Bounds(), err)
		}
		if d.Search.Outcome.Images != 1 || !jobs.ValidID(d.Search.Job) {
			t.Errorf("image %d: details %+v", i, d.Search)
		}
	}
	if got.Data[0].B64 == got.Data[1].B64 {
		t.Error("two images of a request are the same")
	}
	_, body = call(t, "POST", url, `{"model":"paint:noise","prompt":"red","response_format":"url","output_format":"webp","quality":"low"}`)
	link := decode[imageReply](t, body).Data[0].URL
	if status, file := call(t, "GET", link, ""); status != http.StatusOK || !strings.HasPrefix(file, "RIFF") {
		t.Errorf("%s: status %d, %.20q", link, status, file)
	}
}

func TestRefusals(t *testing.T) {
	server := serve(t, nil)
	for _, c := range []struct {
		name, path, body string
		status           int
		param, code      string
	}{
		{"no prompt", "/v1/images/generations", `{}`, 400, "", "invalid_value"},
		{"a prompt that cannot be read", "/v1/images/generations", `{"prompt":"unknown thing"}`, 400, "", ""},
		{"n", "/v1/images/generations", `{"prompt":"a","n":11}`, 400, "n", ""},
		{"quality", "/v1/images/generations", `{"prompt":"a","quality":"best"}`, 400, "quality", ""},
		{"format", "/v1/images/generations", `{"prompt":"a","output_format":"bmp"}`, 400, "output_format", ""},
		{"model", "/v1/images/generations", `{"prompt":"a","model":"dall-e-9"}`, 404, "", "model_not_found"},
		{"strategy", "/v1/images/generations", `{"prompt":"a","model":"paint:best"}`, 400, "", "invalid_value"},
		{"size", "/v1/images/generations", `{"prompt":"a","size":"100x100"}`, 400, "", "invalid_value"},
		{"budget", "/v1/images/generations", `{"prompt":"a","reflectionflow":{"budget":"many"}}`, 400, "", "invalid_value"},
		{"no JSON", "/v1/images/generations", `prompt`, 400, "", ""},
		{"large", "/v1/images/generations", `{"prompt":"` + strings.Repeat("a", 2<<20) + `"}`, 413, "", ""},
		{"native field", "/api/v1/jobs", `{"prompt":"a","colour":"red"}`, 400, "", ""},
		{"native priority", "/api/v1/jobs", `{"prompt":"a","priority":"high"}`, 400, "", "invalid_value"},
		{"no image", "/v1/images/edits", `{"prompt":"a"}`, 400, "images", ""},
		{"image address", "/v1/images/edits", `{"prompt":"a","images":[{"image_url":"http://127.0.0.1/x.png"}]}`, 400, "images", ""},
	} {
		status, body := call(t, "POST", server.URL+c.path, c.body, "Content-Type", "application/json")
		got := decode[imageReply](t, body).Error
		if status != c.status || got == nil {
			t.Errorf("%s: status %d, want %d: %.200s", c.name, status, c.status, body)
			continue
		}
		if c.param != "" && (got.Param == nil || *got.Param != c.param) || c.code != "" && (got.Code == nil || *got.Code != c.code) {
			t.Errorf("%s: %.300s", c.name, body)
		}
	}
	if status, _ := call(t, "GET", server.URL+"/api/v1/jobs/../../etc/passwd", ""); status != http.StatusNotFound {
		t.Errorf("a path outside: status %d", status)
	}
	if status, _ := call(t, "GET", server.URL+"/v1/models", "", "Host", "evil.example"); status != http.StatusMisdirectedRequest {
		t.Errorf("the name of another host: status %d", status)
	}
	if status, _ := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"a"}`, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("a page of another site: status %d", status)
	}
}

// edit is the form of an edit that has its image in a field.
func edit(t *testing.T, field string) (body, kind string) {
	t.Helper()
	return form(t, field, [][2]string{{"prompt", "remove the cup"}, {"n", "1"}, {"quality", "low"}, {"reflectionflow", `{"prompt":"a table","strategy":"noise"}`}})
}

func form(t *testing.T, field string, values [][2]string) (body, kind string) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile(field, "anonymous_file")
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(part, image.NewNRGBA(image.Rect(0, 0, 50, 20))); err != nil {
		t.Fatal(err)
	}
	for _, f := range values {
		if err := w.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return form.String(), w.FormDataContentType()
}

func TestEdits(t *testing.T) {
	server := serve(t, nil)
	for _, field := range []string{"image", "image[]"} {
		body, kind := edit(t, field)
		status, reply := call(t, "POST", server.URL+"/v1/images/edits", body, "Content-Type", kind)
		got := decode[imageReply](t, reply)
		if status != http.StatusOK || len(got.Data) != 1 {
			t.Fatalf("%s: status %d: %.300s", field, status, reply)
		}
		file, _ := base64.StdEncoding.DecodeString(got.Data[0].B64)
		img, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if c := color.NRGBAModel.Convert(img.At(0, 0)); c != (color.NRGBA{0, 0, uint8(len("remove the cup")), 255}) {
			t.Errorf("%s: the image is %v: it was not corrected by the reflection", field, c)
		}
	}
}

func TestStream(t *testing.T) {
	server := serve(t, nil)
	_, body := call(t, "POST", server.URL+"/v1/images/generations", `{"model":"paint:noise","prompt":"red","stream":true,"partial_images":3,"reflectionflow":{"budget":"6"}}`)
	var kinds []string
	for line := range strings.Lines(body) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			kinds = append(kinds, decode[struct{ Type string }](t, data).Type)
		}
	}
	if n := len(kinds); n < 2 || n > 4 || kinds[0] != "image_generation.partial_image" || kinds[n-1] != "image_generation.completed" {
		t.Errorf("events %v", kinds)
	}
}

// TestJobs follows a job from the native API to its archive.
func TestJobs(t *testing.T) {
	server := serve(t, nil)
	status, body := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"red","model":"paint","search":{"strategy":"noise","budget":"3","seed":1}}`, "Idempotency-Key", "one")
	job := decode[jobs.Job](t, body)
	if status != http.StatusAccepted || job.State != jobs.Queued {
		t.Fatalf("status %d: %s", status, body)
	}
	_, body = call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"red","model":"paint","search":{"strategy":"noise","budget":"3","seed":1}}`, "Idempotency-Key", "one")
	if again := decode[jobs.Job](t, body); again.ID != job.ID {
		t.Errorf("the same key made job %s and job %s", job.ID, again.ID)
	}
	url := server.URL + "/api/v1/jobs/" + job.ID
	_, stream := call(t, "GET", url+"/events", "")
	var ids, kinds []string
	for lines := bufio.NewScanner(strings.NewReader(stream)); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
		}
		if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok && kind != "progress" {
			kinds = append(kinds, kind)
		}
	}
	if got := strings.Join(kinds, " "); got != "submitted started prompt candidate candidate candidate done" {
		t.Fatalf("events %s", got)
	}
	_, rest := call(t, "GET", url+"/events", "", "Last-Event-ID", ids[4])
	if strings.Count(rest, "event: ") != 2 {
		t.Errorf("after event %s come %s", ids[4], rest)
	}
	if _, body := call(t, "GET", server.URL+"/api/v1/jobs?state=done&text=RED", ""); !strings.Contains(body, job.ID) {
		t.Errorf("the list has no job %s: %s", job.ID, body)
	}
	if status, _ := call(t, "GET", url+"/images/0?side=8&format=jpeg", ""); status != http.StatusOK {
		t.Errorf("a thumbnail: status %d", status)
	}
	_, file := call(t, "GET", url+"/archive", "")
	_, again := call(t, "GET", url+"/archive", "")
	archive, err := zip.NewReader(strings.NewReader(file), int64(len(file)))
	if err != nil || file != again {
		t.Fatalf("archive: %v; the same twice: %v", err, file == again)
	}
	var names []string
	for _, f := range archive.File {
		names = append(names, strings.TrimPrefix(f.Name, job.ID+"/"))
	}
	if got := strings.Join(names, " "); got != "best.png candidates.jsonl images/0000.png images/0001.png images/0002.png report.html result.json run.json" {
		t.Errorf("the archive holds %s", got)
	}
	if status, _ := call(t, "DELETE", url, ""); status != http.StatusNoContent {
		t.Errorf("delete: status %d", status)
	}
	if status, _ := call(t, "GET", url, ""); status != http.StatusNotFound {
		t.Errorf("after delete: status %d", status)
	}
}

func TestCancelOverHTTP(t *testing.T) {
	server := serve(t, nil)
	_, body := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"slow","search":{"strategy":"noise"}}`)
	url := server.URL + "/api/v1/jobs/" + decode[jobs.Job](t, body).ID
	if status, body := call(t, "POST", url+"/cancel", ""); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	_, stream := call(t, "GET", url+"/events", "")
	if !strings.Contains(stream, "event: cancelled") {
		t.Errorf("events %s", stream)
	}
}

func TestKeys(t *testing.T) {
	keys, err := service.OpenKeys(filepath.Join(t.TempDir(), "keys.txt"))
	if err != nil {
		t.Fatal(err)
	}
	ann, err := keys.Add("ann", service.Limits{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ben, err := keys.Add("ben", service.Limits{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, func(o *service.Options) { o.Keys = keys })
	for _, path := range []string{"/v1/models", "/metrics", "/api/v1/health"} {
		if status, _ := call(t, "GET", server.URL+path, ""); status != http.StatusUnauthorized {
			t.Errorf("%s without a key: status %d", path, status)
		}
		if status, _ := call(t, "GET", server.URL+path, "", "Authorization", "Bearer "+ann); status != http.StatusOK {
			t.Errorf("%s with a key: status %d", path, status)
		}
	}
	_, body := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"red","search":{"budget":"1","strategy":"noise"}}`, "Authorization", "Bearer "+ann)
	id := decode[jobs.Job](t, body).ID
	if status, _ := call(t, "GET", server.URL+"/api/v1/jobs/"+id, "", "Authorization", "Bearer "+ben); status != http.StatusNotFound {
		t.Errorf("the job of another owner: status %d", status)
	}
	for _, path := range []string{"/images/0", "/candidates", "/events", "/archive", "/reference"} {
		if status, _ := call(t, "GET", server.URL+"/api/v1/jobs/"+id+path, "", "Authorization", "Bearer "+ben); status != http.StatusNotFound {
			t.Errorf("%s of the job of another owner: status %d", path, status)
		}
	}
	if status, _ := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"red","correct":{"job":"`+id+`","reflection":"blue"}}`, "Authorization", "Bearer "+ben); status != http.StatusNotFound {
		t.Errorf("correcting an image of another owner: status %d", status)
	}
	if err := keys.Revoke("ben"); err != nil {
		t.Fatal(err)
	}
	if status, _ := call(t, "GET", server.URL+"/v1/models", "", "Authorization", "Bearer "+ben); status != http.StatusUnauthorized {
		t.Errorf("a revoked key: status %d", status)
	}
	if _, err := keys.Add("../x", service.Limits{}, time.Now()); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a bad name: error %v", err)
	}
}

func TestPage(t *testing.T) {
	server := serve(t, nil)
	reply, err := http.Get(server.URL + "/") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	page, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	if policy := reply.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("content security policy %q", policy)
	}
	for _, name := range []string{"app.js", "style.css", "icon.svg"} {
		if !strings.Contains(string(page), name) {
			t.Errorf("the page does not load %s", name)
		}
		if status, _ := call(t, "GET", server.URL+"/"+name, ""); status != http.StatusOK {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

func TestOriginOfAnotherSite(t *testing.T) {
	server := serve(t, nil)
	if status, _ := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"a"}`, "Origin", "http://evil.example"); status != http.StatusForbidden {
		t.Errorf("status %d", status)
	}
	if status, _ := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"a","search":{"strategy":"noise","budget":"1"}}`, "Origin", server.URL); status != http.StatusAccepted {
		t.Errorf("the server's own page: status %d", status)
	}
}
