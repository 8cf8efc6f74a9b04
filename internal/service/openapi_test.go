package service_test

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

// TestOpenAPI compares the document with the routes, and its requests with the fields that
// the server reads.
func TestOpenAPI(t *testing.T) {
	s, server := start(t, nil)
	_, body := call(t, "GET", server.URL+"/api/v1/openapi.json", "")
	doc := decode[struct {
		OpenAPI    string
		Paths      map[string]map[string]any
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}](t, body)
	var described []string
	for path, operations := range doc.Paths {
		for method := range operations {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	routes := s.Routes()
	slices.Sort(described)
	slices.Sort(routes)
	if doc.OpenAPI != "3.1.0" || !slices.Equal(described, routes) {
		t.Errorf("OpenAPI %s describes\n%s\nthe routes are\n%s", doc.OpenAPI, strings.Join(described, "\n"), strings.Join(routes, "\n"))
	}
	for name, value := range map[string]any{"JobRequest": service.JobRequest{}, "RerunRequest": service.RerunRequest{}, "GenerateRequest": service.ImageRequest{}, "Job": jobs.Job{}, "VerifyRequest": service.VerifyRequest{}, "Verdict": service.VerifyReply{}} {
		for field := range doc.Components.Schemas[name].Properties {
			if !hasField(reflect.TypeOf(value), field) {
				t.Errorf("%s describes a field %s that does not exist", name, field)
			}
		}
	}
	for _, ref := range strings.Split(body, `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(ref, `"`)
		if _, ok := doc.Components.Schemas[name]; !ok {
			t.Errorf("the schema %s is missing", name)
		}
	}
}

// hasField reports whether a struct has a field of that name in JSON.
func hasField(t reflect.Type, name string) bool {
	for f := range t.Fields() {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == name || f.Anonymous && tag == "" && hasField(f.Type, name) {
			return true
		}
	}
	return false
}

// TestCorrectUpload corrects an image that the client has.
func TestCorrectUpload(t *testing.T) {
	url := serve(t, nil).URL
	form, _ := edit(t, "image")
	_, file, _ := strings.Cut(form, "\r\n\r\n")
	file, _, _ = strings.Cut(file, "\r\n--")
	image := base64.StdEncoding.EncodeToString([]byte(file))
	id := finish(t, url, `{"prompt":"blue","search":{"strategy":"noise","budget":"1"},"correct":{"image":"`+image+`","reflection":"more blue"}}`)
	if _, png := call(t, "GET", url+"/api/v1/jobs/"+id+"/images/0", ""); !strings.HasPrefix(png, "\x89PNG") {
		t.Errorf("the corrected image is %.20q", png)
	}
	for name, correct := range map[string]string{
		"no image": `{"image":"` + base64.StdEncoding.EncodeToString([]byte("<svg/>")) + `","reflection":"x"}`, "no reflection": `{"image":"` + image + `"}`,
		"both": `{"image":"` + image + `","job":"` + id + `","reflection":"x"}`, "no base64": `{"image":"***","reflection":"x"}`,
	} {
		if status, body := call(t, "POST", url+"/api/v1/jobs", `{"prompt":"blue","correct":`+correct+`}`); status != http.StatusBadRequest {
			t.Errorf("%s: status %d: %s", name, status, body)
		}
	}
}

func TestMetrics(t *testing.T) {
	url := serve(t, nil).URL
	finish(t, url, `{"prompt":"red","search":{"strategy":"noise","budget":"2"}}`)
	_, body := call(t, "GET", url+"/metrics", "")
	for _, line := range []string{`reflectionflow_searches_total{outcome="done"} 1`, "reflectionflow_images_total 2", "reflectionflow_verdicts_total 2", "reflectionflow_cost_usd_total 0", `reflectionflow_jobs{state="queued"} 0`} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("metrics have no line %s", line)
		}
	}
}
