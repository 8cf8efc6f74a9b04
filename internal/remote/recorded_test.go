package remote_test

import (
	"encoding/json"
	"image"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"reflectionflow/internal/endpoint"
)

// TestRecorded: the route that stable-diffusion.cpp's server has for OpenAI's clients,
// from what the real one has answered (tools/compat/record.py).
func TestRecorded(t *testing.T) {
	for name, generated := range map[string]bool{"openai-generations": true, "openai-no-prompt": false} {
		data, err := os.ReadFile("../testserver/testdata/recorded/stable-diffusion.cpp/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var x struct {
			Status int
			Came   json.RawMessage
		}
		if err := json.Unmarshal(data, &x); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(x.Status)
			w.Write(x.Came)
		}))
		defer server.Close()
		out, err := open(t, "openai+"+server.URL+"/v1").Generate(t.Context(), requests()[:1])
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case generated && (out[0].Err != nil || out[0].Image.Bounds() != image.Rect(0, 0, 64, 64) || !out[0].Unseeded):
			t.Errorf("%s: %+v", name, out[0])
		case !generated:
			wantKind(t, name, out[0].Err, endpoint.Status)
		}
	}
}
