package service_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"reflectionflow/internal/service"
	"reflectionflow/internal/testserver"
)

// TestTypedRefusals checks that what no route serves is refused as everything else is.
func TestTypedRefusals(t *testing.T) {
	server := serve(t, nil)
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/nothing", "", http.StatusNotFound, "there is no"},
		{"GET", "/v1/images/generations", "", http.StatusMethodNotAllowed, "use POST"},
		{"PATCH", "/api/v1/jobs/j0", "{}", http.StatusMethodNotAllowed, "use GET or DELETE"},
		{"POST", "/api/v2/jobs", "{}", http.StatusNotFound, "there is no"},
		{"POST", "/api/v1/jobs", `{"prompt":"red"} and more`, http.StatusBadRequest, "no valid request"},
		{"POST", "/api/v1/jobs", `{"prompt":"red"}{"prompt":"blue"}`, http.StatusBadRequest, "something follows"},
		{"POST", "/api/v1/jobs", strings.Repeat("[", 100_000), http.StatusBadRequest, "no valid request"},
		{"POST", "/api/v1/jobs", `{"prompt":"red","search":{"any_size":true,"size":"4096x4096"}}`, http.StatusBadRequest, "any_size allows"},
	} {
		status, body := call(t, c.method, server.URL+c.path, c.body)
		if got := decode[imageReply](t, body).Error; status != c.status || got == nil || !strings.Contains(got.Message, c.says) {
			t.Errorf("%s %s: status %d: %s", c.method, c.path, status, body)
		}
	}
	if status, body := call(t, "GET", server.URL+"/v1/models", "", "Host", "evil.example"); status != http.StatusMisdirectedRequest || decode[imageReply](t, body).Error == nil {
		t.Errorf("another host: status %d: %s", status, body)
	}
}

// TestUploads holds as many uploads open as the server takes: the next is refused, small
// requests are served, and when the clients vanish others are taken again.
func TestUploads(t *testing.T) {
	url := serve(t, nil).URL
	ctx, vanish := context.WithCancel(t.Context())
	defer vanish()
	upload := func(ctx context.Context, body io.Reader) (int, http.Header) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/images/edits", body)
		if err != nil {
			t.Error(err)
			return 0, nil
		}
		request.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		reply, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, nil
		}
		defer reply.Body.Close()
		return reply.StatusCode, reply.Header
	}
	refused := make(chan http.Header, 100)
	for range 17 {
		go func() { // its body never ends
			body, writer := io.Pipe()
			go func() { _, _ = io.WriteString(writer, "--b\r\n") }()
			if status, header := upload(ctx, body); status == http.StatusTooManyRequests {
				refused <- header
			}
		}()
	}
	if header := <-refused; header.Get("Retry-After") != "5" {
		t.Errorf("Retry-After %q", header.Get("Retry-After"))
	}
	finish(t, url, `{"prompt":"red","search":{"strategy":"noise","budget":"1"}}`)
	vanish()
	testserver.Wait(t, "room for an upload", func() bool {
		status, _ := upload(t.Context(), io.MultiReader(strings.NewReader("--b--\r\n")))
		return status == http.StatusBadRequest // it has no image
	})
}

// TestVanishingClients leaves in the middle of submissions: the server stays healthy, and
// cancels what nobody waits for.
func TestVanishingClients(t *testing.T) {
	url := serve(t, func(o *service.Options) { o.Parallel = 1 }).URL
	for i := range 30 {
		ctx, vanish := context.WithTimeout(t.Context(), time.Duration(i)*200*time.Microsecond)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/images/generations", strings.NewReader(`{"prompt":"slow","model":"noise"}`))
		if err != nil {
			t.Fatal(err)
		}
		if reply, err := http.DefaultClient.Do(request); err == nil {
			_ = reply.Body.Close()
		}
		vanish()
	}
	if status, body := call(t, "GET", url+"/readyz", ""); status != http.StatusOK {
		t.Errorf("status %d: %s", status, body)
	}
	finish(t, url, `{"prompt":"red","search":{"strategy":"noise","budget":"1"}}`) // when the others are gone
}

// TestImageBombs sends files of many pixels at once: they are decoded a few at a time.
func TestImageBombs(t *testing.T) {
	url := serve(t, nil).URL
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 4096, 4096))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		width, height uint32
		says          string
	}{"many pixels": {4097, 4096, "at most"}, "more than an int": {1 << 30, 1 << 30, ""}, "none": {0, 0, ""}} {
		bomb := bytes.Clone(file.Bytes())
		binary.BigEndian.PutUint32(bomb[16:], c.width)
		binary.BigEndian.PutUint32(bomb[20:], c.height)
		binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
		status, body := chunked(t, url+"/v1/images/edits", "", []field{{name: "prompt", value: "x"}, {"image", string(bomb), "a.png", "image/png"}})
		if got := decode[imageReply](t, body).Error; status != http.StatusBadRequest || got == nil || !strings.Contains(got.Message, c.says) {
			t.Errorf("%s: status %d: %s", name, status, body)
		}
	}
	status, body := chunked(t, url+"/v1/images/edits", "", []field{{name: "prompt", value: "x"}, {name: "model", value: "noise"}, {name: "quality", value: "low"}, {"image", file.String(), "a.png", "image/png"}})
	if status != http.StatusOK {
		t.Errorf("an image of %d bytes and as many pixels as allowed: status %d: %.200s", file.Len(), status, body)
	}
	if status, body := call(t, "POST", url+"/v1/images/generations", fmt.Sprintf(`{"prompt":%q}`, strings.Repeat("a", 4097))); status != http.StatusBadRequest || !strings.Contains(body, "4097 bytes") {
		t.Errorf("a long prompt: status %d: %s", status, body)
	}
}
