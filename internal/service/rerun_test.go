package service_test

import (
	"net/http"
	"testing"

	"reflectionflow/internal/config"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

// TestRerun submits a job again: as it was, with the same image, and with changes.
func TestRerun(t *testing.T) {
	_, server := start(t, func(o *service.Options) { o.Models[0].Search = config.Search{Budget: "2"} })
	id := finish(t, server.URL, `{"prompt":"red","model":"paint:noise"}`)
	image := func(id string) string {
		_, body := call(t, "GET", server.URL+"/api/v1/jobs/"+id+"/images/0", "")
		return body
	}
	rerun := func(id, body string) jobs.Job {
		status, reply := call(t, "POST", server.URL+"/api/v1/jobs/"+id+"/rerun", body)
		if status != http.StatusAccepted {
			t.Fatalf("%s: status %d: %s", body, status, reply)
		}
		job := decode[jobs.Job](t, reply)
		call(t, "GET", server.URL+"/api/v1/jobs/"+job.ID+"/events", "")
		return job
	}
	if same := rerun(id, ""); same.ID == id || image(same.ID) != image(id) {
		t.Error("the same job has another image")
	}
	other := rerun(id, `{"prompt":"blue","search":{"strategy":"reflection","budget":"1"},"priority":"batch"}`)
	settings := decode[config.Search](t, string(other.Settings))
	if other.Prompt != "blue" || other.Model != "paint" || settings.Strategy != "reflection" || settings.Budget != "1" || settings.Seed == nil || other.Priority != jobs.Batch {
		t.Errorf("the changed job is %+v", other)
	}
	_, body := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"red","search":{"strategy":"noise","budget":"1"},"correct":{"job":"`+id+`","candidate":0,"reflection":"more blue"}}`)
	correction := decode[jobs.Job](t, body)
	if again := rerun(correction.ID, `{"reflection":"more green"}`); again.Reflection != "more green" || again.Image == "" {
		t.Errorf("the correction again is %+v", again)
	}
	for body, want := range map[string]int{`{"reflection":"more"}`: http.StatusBadRequest, `{"search":{"budget":"x"}}`: http.StatusBadRequest, `{"x":1}`: http.StatusBadRequest} {
		if status, reply := call(t, "POST", server.URL+"/api/v1/jobs/"+id+"/rerun", body); status != want {
			t.Errorf("%s: status %d: %s", body, status, reply)
		}
	}
	if status, _ := call(t, "POST", server.URL+"/api/v1/jobs/j0/rerun", ""); status != http.StatusNotFound {
		t.Errorf("an unknown job: status %d", status)
	}
	for _, path := range []string{"/api/v1/jobs?cursor=1", "/api/v1/jobs?before=x"} {
		if status, reply := call(t, "GET", server.URL+path, ""); status != http.StatusBadRequest {
			t.Errorf("%s: status %d: %s", path, status, reply)
		}
	}
	if status, reply := call(t, "POST", server.URL+"/v1/images/generations", `{"prompt":"red","n":0}`); status != http.StatusBadRequest {
		t.Errorf("n 0: status %d: %s", status, reply)
	}
}
