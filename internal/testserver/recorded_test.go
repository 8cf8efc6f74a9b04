package testserver_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// exchange is what a real server has answered (tools/compat/record.py).
type exchange struct {
	Method, Path string
	Sent         json.RawMessage
	Status       int
	Came         any
}

// send sends it to a double.
func (x exchange) send(t *testing.T, base, path string) (status int, came any) {
	t.Helper()
	var body io.Reader
	if string(x.Sent) != "null" {
		text := string(x.Sent)
		var broken string
		if json.Unmarshal(x.Sent, &broken) == nil {
			text = broken // a body that is no JSON
		}
		body = strings.NewReader(text)
	}
	r, err := http.NewRequestWithContext(t.Context(), x.Method, base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&came); err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, came
}

// invented lists what a double sends and the real server does not: keys that it has
// not, and values of another type.
func invented(double, real any, at string) []string {
	if double == nil || real == nil {
		return nil // a null of either is what may be left out
	}
	if reflect.TypeOf(double) != reflect.TypeOf(real) {
		return []string{fmt.Sprintf("%s is a %T, in truth a %T", at, double, real)}
	}
	var list []string
	switch d := double.(type) {
	case map[string]any:
		r, _ := real.(map[string]any)
		for key, value := range d {
			if _, ok := r[key]; !ok && value != nil {
				list = append(list, at+"."+key+" is not there in truth")
				continue
			}
			list = append(list, invented(value, r[key], at+"."+key)...)
		}
	case []any:
		if r, _ := real.([]any); len(d) > 0 && len(r) > 0 {
			return invented(d[0], r[0], at+"[0]")
		}
	}
	return list
}

// TestRecorded: the doubles answer what real servers have answered: the same status,
// and nothing in another shape.
func TestRecorded(t *testing.T) {
	servers := map[string]struct {
		start func() string
		order []string // all that were recorded, in the order of a run
	}{
		"llama.cpp": {func() string {
			model := func(q testserver.Question) testserver.Answer {
				if q.Schema != nil {
					return testserver.DefaultAnswer(q)
				}
				return testserver.Answer{Text: "C", Tokens: [][]testserver.Alternative{{{Token: "C", Logprob: -1}, {Token: "D", Logprob: -2}}}}
			}
			return strings.TrimSuffix(testserver.NewChat(t, testserver.ChatOptions{Dialect: testserver.LlamaCpp, Model: "tiny-random", Answer: model, NoImages: true}).URL, "/v1")
		}, []string{"models", "plain", "logprobs", "schema", "image-refused", "broken"}},
		"stable-diffusion.cpp": {func() string { return testserver.NewSDCPP(t).URL }, []string{"submit", "job-waiting", "job-completed", "cancel-late", "job-unknown", "broken"}},
	}
	for name, server := range servers {
		base, real, job := server.start(), "", ""
		for _, each := range server.order {
			data, err := os.ReadFile(filepath.Join("testdata/recorded", name, each+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var x exchange
			if err := json.Unmarshal(data, &x); err != nil {
				t.Fatal(err)
			}
			path := x.Path
			if real != "" {
				path = strings.Replace(path, real, job, 1)
			}
			status, came := x.send(t, base, path)
			for each == "job-completed" && came.(map[string]any)["status"] != "completed" {
				status, came = x.send(t, base, path)
			}
			if each == "submit" {
				real, job = x.Came.(map[string]any)["id"].(string), came.(map[string]any)["id"].(string)
			}
			if status != x.Status {
				t.Errorf("%s, %s: the double answers %d, the real server %d", name, each, status, x.Status)
			}
			for _, wrong := range invented(came, x.Came, each) {
				t.Errorf("%s: %s", name, wrong)
			}
		}
	}
}
