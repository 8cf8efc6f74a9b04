package service_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/service"
)

func TestImagesPerHour(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.txt")
	keys, err := service.OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	ann, err := keys.Add("ann", service.Limits{Running: 2, ImagesPerHour: 2}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, func(o *service.Options) { o.Keys = keys }).URL
	key := "Bearer " + ann
	finish(t, url, `{"prompt":"red","search":{"strategy":"noise","budget":"2"}}`, "Authorization", key)
	call(t, "GET", url+"/api/v1/jobs", "", "Authorization", key) // until all is indexed
	request, err := http.NewRequestWithContext(t.Context(), "POST", url+"/api/v1/jobs", strings.NewReader(`{"prompt":"red"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", key)
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	after, err := strconv.Atoi(reply.Header.Get("Retry-After"))
	if reply.StatusCode != http.StatusTooManyRequests || err != nil || after < 3000 || after > 3660 {
		t.Errorf("status %d, Retry-After %q", reply.StatusCode, reply.Header.Get("Retry-After"))
	}

	// A limit that is edited counts at once.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := errors.Join(os.WriteFile(path, []byte(strings.Replace(string(text), "images-per-hour=2", "images-per-hour=200", 1)), 0o600), os.Chtimes(path, later, later)); err != nil {
		t.Fatal(err)
	}
	finish(t, url, `{"prompt":"red","search":{"strategy":"noise","budget":"1"}}`, "Authorization", key)
}

func TestKeysFile(t *testing.T) {
	line := "ann " + strings.Repeat("ab", 32) + " 2026-11-30"
	for text, ok := range map[string]bool{
		line: true, "# a comment\n\n" + line + " queued=1 running=2 images-per-hour=3": true,
		line + " speed=3": false, line + " queued=-1": false, line + " queued": false, "ann": false, "rf-abc": false,
	} {
		path := filepath.Join(t.TempDir(), "keys.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := service.OpenKeys(path)
		if ok != (err == nil) || !ok && !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%q: error %v", text, err)
		}
		if want := (service.Limits{Queued: 1, Running: 2, ImagesPerHour: 3}); strings.Contains(text, "running") && (keys.Limits("ann") != want || want.String() != "images-per-hour=3 queued=1 running=2") {
			t.Errorf("limits %+v", keys.Limits("ann"))
		}
	}
}

// TestDamagedKeys checks that a damaged line brings no revoked key back, and hides no other.
func TestDamagedKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.txt")
	keys, err := service.OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]string{}
	for _, name := range []string{"ann", "ben"} {
		if made[name], err = keys.Add(name, service.Limits{}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "ann ") {
			left = append(left, line)
		}
	}
	text := strings.Repeat("x", 70<<10) + "\n" + strings.Join(left, "")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := keys.Owner(made["ann"]); ok {
		t.Error("a key that is no longer in the file is served")
	}
	if name, ok := keys.Owner(made["ben"]); !ok || name != "ben" {
		t.Error("a key after a damaged line is not served")
	}
	if keys.Problem() == nil {
		t.Error("nothing is said of a damaged file")
	}
	if _, err := keys.Add("carol", service.Limits{}, time.Now()); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a damaged file was written again: error %v", err)
	}
}
