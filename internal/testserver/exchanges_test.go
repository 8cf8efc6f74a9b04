package testserver_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/internal/completions"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/testserver"
)

var exchanges = flag.String("exchanges", "", "the folder that TestExchanges writes to")

// listen writes every exchange with a double to a file, as tools/compat/record.py does, and
// returns where the double is to be asked. A form is written as its fields, a file in
// it as its kind.
func listen(t *testing.T, name, double string) string {
	t.Helper()
	n := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		onward, err := http.NewRequestWithContext(r.Context(), r.Method, strings.TrimSuffix(double, "/v1")+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		onward.Header = r.Header.Clone()
		answer, err := http.DefaultClient.Do(onward)
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		came, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
		w.WriteHeader(answer.StatusCode)
		w.Write(came) //nolint:errcheck // the client has left: it fails, and the test with it
		n++
		x := map[string]any{"method": r.Method, "path": r.URL.Path, "sent": sent(t, r, body), "status": answer.StatusCode, "came": json.RawMessage(came)}
		data, err := json.MarshalIndent(x, "", " ")
		if err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(filepath.Join(*exchanges, fmt.Sprintf("%s-%d.json", name, n)), data, 0o644); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL + "/v1"
}

// sent is what a request holds.
func sent(t *testing.T, r *http.Request, body []byte) any {
	t.Helper()
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case len(body) == 0:
		return nil
	case err == nil && kind == "application/json":
		return json.RawMessage(body)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		t.Error(err)
		return nil
	}
	fields := map[string]any{}
	for name, values := range r.MultipartForm.Value {
		fields[name] = values[0]
	}
	for name, files := range r.MultipartForm.File {
		fields[name] = []string{files[0].Header.Get("Content-Type")}
	}
	return fields
}

// TestExchanges writes what our clients and the doubles of vLLM, vLLM-Omni and SGLang
// say to each other into the folder of -exchanges, where tools/compat/schemas.py holds it
// against those servers' own schemas.
func TestExchanges(t *testing.T) {
	if *exchanges == "" {
		t.Skip("-exchanges names no folder")
	}
	model := func(q testserver.Question) testserver.Answer {
		if q.Schema != nil {
			return testserver.DefaultAnswer(q)
		}
		return testserver.Answer{Text: "yes", Tokens: [][]testserver.Alternative{{{Token: "yes", Logprob: -.1}, {Token: "no", Logprob: -2.4}}}}
	}
	double := testserver.NewChat(t, testserver.ChatOptions{Dialect: testserver.VLLM, Reject: []string{"seed"}, Answer: model})
	judge, err := endpoint.New(endpoint.Config{Name: "judge", BaseURL: listen(t, "chat", double.URL), Clock: testserver.NewClock()})
	if err != nil {
		t.Fatal(err)
	}
	client, err := completions.New(judge, completions.Config{Model: "double-1"})
	if err != nil {
		t.Fatal(err)
	}
	reference := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	form := &chat.Form{Name: "verdict", JSON: []byte(`{"type":"object","additionalProperties":false,"required":["met"],"properties":{"met":{"type":"boolean"}}}`)}
	for _, r := range []chat.Request{
		{System: "You judge images.", Parts: []chat.Part{chat.Text("Is this a cat?"), {Image: reference}}, Form: form, MaxTokens: 40},
		{Parts: []chat.Part{chat.Text("Is this a cat?"), {Image: reference}}, TopLogprobs: 5, MaxTokens: 1, Temperature: 1, Seed: 7},
		{Parts: []chat.Part{chat.Text("Say yes.")}},
	} {
		if _, err := client.Complete(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	base := reflectionflow.Request{Prompt: "a cat", Width: 64, Height: 64, Steps: 4, Guidance: 3.5, Seed: 7}
	edit := base
	edit.Reference, edit.Reflection = reference, "add a second cat"
	for _, dialect := range []string{"vllm-omni", "sglang"} {
		double := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: dialect})
		address := "openai+" + listen(t, dialect, double.URL) + "?concurrency=1&negative=blurred&dialect=" + dialect + "&model=Qwen/Qwen-Image"
		painter, err := remote.Open(address, remote.Options{Endpoint: endpoint.Config{Name: "painter", Clock: testserver.NewClock()}})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range []reflectionflow.Request{base, edit} {
			out, err := painter.Generate(t.Context(), []reflectionflow.Request{r})
			if err != nil || out[0].Err != nil {
				t.Errorf("%s, request %d: %v, %+v", dialect, i, err, out)
			}
		}
	}
}
