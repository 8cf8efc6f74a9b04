package service_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/service"
)

// keyed starts a service with a key, and returns its address and the key's header.
func keyed(t *testing.T) (url, key string) {
	t.Helper()
	keys, err := service.OpenKeys(filepath.Join(t.TempDir(), "keys.txt"))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := keys.Add("ann", service.Limits{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return complete(t, keys), "Bearer " + secret
}

// complete starts a service whose model has every part.
func complete(t *testing.T, keys *service.Keys) (url string) {
	t.Helper()
	model := fakeModel()
	model.Open = func(context.Context, string) (*assemble.Engine, error) {
		return &assemble.Engine{
			Generator: reflectionflow.GeneratorFunc(painted), Verifier: reflectionflow.VerifierFunc(judged),
			Reflector: reflectionflow.ReflectorFunc(func(context.Context, reflectionflow.Observation) (reflectionflow.Reflection, error) {
				return reflectionflow.Reflection{Text: "more blue"}, nil
			}),
			Refiner: reflectionflow.RefinerFunc(func(_ context.Context, o reflectionflow.Observation) (reflectionflow.Refinement, error) {
				return reflectionflow.Refinement{Text: o.Prompt.Text + " again"}, nil
			}),
		}, nil
	}
	return serve(t, func(o *service.Options) { o.Keys, o.Models = keys, []service.Served{{Name: "paint", Model: model}} }).URL
}

// field is a part of a form: text, or a file with its name and type.
type field struct{ name, value, file, kind string }

// chunked sends a form as a stream of unknown length, as clients that read files do.
func chunked(t *testing.T, url, key string, fields []field) (int, string) {
	t.Helper()
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() {
		for _, f := range fields {
			head := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q", f.name)}}
			if f.file != "" {
				head = textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q; filename=%q", f.name, f.file)}, "Content-Type": {f.kind}}
			}
			part, err := form.CreatePart(head)
			if err == nil {
				_, err = io.WriteString(part, f.value)
			}
			if err != nil {
				writer.CloseWithError(err)
				return
			}
		}
		writer.CloseWithError(form.Close())
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	request.Header.Set("Authorization", key)
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(body)
}

// file is an image file of a format.
func file(t *testing.T, write func(io.Writer, image.Image) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, image.NewNRGBA(image.Rect(0, 0, 48, 32))); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestOpenWebUI sends what backend/open_webui/routers/images.py of Open WebUI 0.12.4 sends with
// the engine openai, and reads the reply as it does.
func TestOpenWebUI(t *testing.T) {
	server, key := keyed(t)
	base := server + "/v1"
	_, body := call(t, "POST", base+"/images/generations?api-version=2025-04-01-preview",
		`{"model":"gpt-image-1","prompt":"red","n":2,"size":"512x512","response_format":"b64_json","quality":"low"}`, // quality: IMAGES_OPENAI_API_PARAMS
		"Authorization", key, "Content-Type", "application/json", "X-OpenWebUI-User-Name", "Ann")
	got := decode[imageReply](t, body)
	if len(got.Data) != 2 {
		t.Fatalf("answer %.300s", body)
	}
	for _, d := range got.Data {
		data, err := base64.StdEncoding.DecodeString(d.B64)
		img, kind, wrong := image.Decode(bytes.NewReader(data))
		if err != nil || wrong != nil || kind != "png" || img.Bounds().Dx() != 512 || d.URL != "" {
			t.Errorf("an image is %s, errors %v %v", kind, err, wrong)
		}
	}
	// Models that match IMAGE_URL_RESPONSE_MODELS_REGEX_PATTERN get no response_format; an
	// address on the same origin is loaded with the key.
	_, body = call(t, "POST", base+"/images/generations", `{"model":"dall-e-2","prompt":"red","n":1,"size":"256x256"}`, "Authorization", key, "Content-Type", "application/json")
	link := decode[imageReply](t, body).Data[0].URL
	if status, png := call(t, "GET", link, "", "Authorization", key); status != http.StatusOK || !strings.HasPrefix(png, "\x89PNG") {
		t.Errorf("%s: status %d", link, status)
	}

	text := []field{
		{name: "model", value: "paint:noise"},
		{name: "prompt", value: "remove the cup"},
		{name: "n", value: "1"},
		{name: "size", value: "64x64"},
		{name: "background", value: "auto"},
		{name: "response_format", value: "b64_json"},
	}
	one := field{"image", file(t, func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }), "0f2b.jpg", "image/jpeg"}
	two := field{"image[]", file(t, png.Encode), "1c.png", "image/png"}
	for name, images := range map[string][]field{"one image": {one}, "a list": {two, {"image[]", one.value, "2d.jpg", "image/jpeg"}}} {
		status, body := chunked(t, base+"/images/edits", key, append(slices.Clip(text), images...))
		if data := decode[imageReply](t, body).Data; status != http.StatusOK || len(data) != 1 || data[0].B64 == "" {
			t.Errorf("%s: status %d: %.300s", name, status, body)
		}
	}
}

// TestOpenWebUIRouter drives Open WebUI's own image router, if the folder OPEN_WEBUI has its
// package, with the Python OPENAI_PYTHON, which needs fastapi, aiohttp, aiofiles, greenlet, sqlalchemy,
// python-multipart and pillow.
func TestOpenWebUIRouter(t *testing.T) {
	folder, python := os.Getenv("OPEN_WEBUI"), cmp.Or(os.Getenv("OPENAI_PYTHON"), "python3")
	if folder == "" {
		t.Skip("set OPEN_WEBUI to a folder with open_webui/routers/images.py, from PyPI's open-webui")
	}
	server, key := keyed(t)
	out, err := exec.CommandContext(t.Context(), python, "testdata/openwebui.py", folder, server, strings.TrimPrefix(key, "Bearer ")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "7 images") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestLibreChat sends what api/app/clients/tools/structured of LibreChat sends: the agents'
// tools image_gen_oai and image_edit_oai (OpenAIImageTools.js), and dalle (DALLE3.js).
func TestLibreChat(t *testing.T) {
	server, key := keyed(t)
	base := server + "/v1"
	_, body := call(t, "POST", base+"/images/generations",
		`{"model":"gpt-image-1","prompt":"red","n":1,"background":"auto","output_format":"webp","output_compression":100,"quality":"auto","size":"auto"}`, "Authorization", key, "Content-Type", "application/json")
	if data := decode[imageReply](t, body).Data; len(data) != 1 || !strings.HasPrefix(data[0].B64, base64.StdEncoding.EncodeToString([]byte("RIFF"))[:4]) {
		t.Errorf("image_gen_oai: %.300s", body)
	}
	status, body := chunked(t, base+"/images/edits", key, []field{
		{name: "model", value: "gpt-image-1"},
		{name: "prompt", value: "remove the cup"},
		{name: "quality", value: "auto"},
		{name: "size", value: "auto"},
		{"image[]", file(t, png.Encode), "a b.png", "image/png"},
		{"image[]", file(t, png.Encode), "c.png", "image/png"},
	})
	if data := decode[imageReply](t, body).Data; status != http.StatusOK || len(data) != 1 || data[0].B64 == "" {
		t.Errorf("image_edit_oai: status %d: %.300s", status, body)
	}
	_, body = call(t, "POST", base+"/images/generations", `{"model":"dall-e-3","quality":"standard","style":"vivid","size":"1024x1024","prompt":"red","n":1}`, "Authorization", key, "Content-Type", "application/json")
	link := decode[imageReply](t, body).Data[0].URL
	if status, png := call(t, "GET", link, ""); status != http.StatusOK || !strings.HasPrefix(png, "\x89PNG") { // it loads the address without a key
		t.Errorf("dalle: %s: status %d", link, status)
	}
}

// TestLinks checks what the address of an image in a reply opens without a key, and what not.
func TestLinks(t *testing.T) {
	server, key := keyed(t)
	_, body := call(t, "POST", server+"/v1/images/generations", `{"model":"paint:noise","prompt":"red","response_format":"url","quality":"medium","reflectionflow":{"seed":3}}`, "Authorization", key)
	link := decode[imageReply](t, body).Data[0].URL
	path, query, _ := strings.Cut(link, "?")
	job, given, _ := strings.Cut(path, "/images/")
	other := "3"
	if given == other {
		other = "2"
	}
	for name, c := range map[string]struct {
		url    string
		status int
	}{
		"as it was given":   {link, http.StatusOK},
		"another image":     {job + "/images/" + other + "?" + query, http.StatusUnauthorized},
		"the job":           {job + "?" + query, http.StatusUnauthorized},
		"the archive":       {job + "/archive?" + query, http.StatusUnauthorized},
		"another time":      {strings.Replace(link, "until=", "until=1", 1), http.StatusUnauthorized},
		"the past":          {path + "?format=png&until=1&signature=" + strings.Repeat("0", 64), http.StatusUnauthorized},
		"another job":       {server + "/api/v1/jobs/j00000000000000000000000/images/0?" + query, http.StatusUnauthorized},
		"without signature": {path + "?format=png", http.StatusUnauthorized},
	} {
		if status, body := call(t, "GET", c.url, ""); status != c.status {
			t.Errorf("%s: status %d: %.100q", name, status, body)
		}
	}
}
