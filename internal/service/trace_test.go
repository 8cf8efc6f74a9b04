package service_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"reflectionflow/internal/jobs"
	"reflectionflow/internal/tracing/tracetest"
)

// TestTraces follows a job's trace: job, candidates, calls.
func TestTraces(t *testing.T) {
	receiver := tracetest.Start(t)
	_, server := start(t, verifying)
	id := finish(t, server.URL, `{"prompt":"red secret","search":{"strategy":"noise","budget":"3","early_stop":false,"batch":2}}`)
	status, body := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"unknown secret","search":{"strategy":"noise","budget":"1"}}`)
	failed := decode[jobs.Job](t, body).ID
	call(t, "GET", server.URL+"/api/v1/jobs/"+failed+"/events", "")
	if status != 202 {
		t.Fatal(body)
	}
	var job, lost tracetest.Span
	calls, children := map[string]int{}, map[string]string{}
	request := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	traced, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/jobs/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	traced.Header.Set("Traceparent", request)
	reply, err := http.DefaultClient.Do(traced)
	if err != nil {
		t.Fatal(err)
	}
	_ = reply.Body.Close()
	server.Close() // a request's span ends after its reply
	requests := map[string]tracetest.Span{}
	spans := slices.DeleteFunc(receiver.Spans(t, 0), func(s tracetest.Span) bool {
		if s.Attributes["http.route"] == "" {
			return false
		}
		requests[s.Name+" "+s.Attributes["http.response.status_code"]] = s
		return true
	})
	if len(spans) != 2+3+3+3 {
		t.Errorf("%d spans, want 11: %+v", len(spans), spans)
	}
	if s := requests["POST /api/v1/jobs 202"]; s.Attributes["job.id"] == "" {
		t.Errorf("requests %+v", requests)
	}
	if s := requests["GET /api/v1/jobs/{id} 200"]; s.Trace != "0af7651916cd43dd8448eb211c80319c" || s.Parent != "b7ad6b7169203331" {
		t.Errorf("the request of another trace: %+v", s)
	}
	for _, s := range spans {
		children[s.ID] = s.Name
		switch {
		case s.Name == "job" && s.Attributes["job.id"] == id:
			job = s
		case s.Name == "job":
			lost = s
		}
	}
	for _, s := range spans {
		if s.Trace == job.Trace && s.Name != "job" {
			calls[children[s.Parent]+"/"+s.Name]++
		}
	}
	if calls["job/candidate"] != 3 || calls["candidate/generate"] != 3 || calls["candidate/verify"] != 3 {
		t.Errorf("calls %v", calls)
	}
	if job.Attributes["job.images"] != "3" || job.Attributes["job.tokens"] != "21" || lost.Attributes["job.id"] != failed || lost.Status != "invalid request" {
		t.Errorf("jobs %+v and %+v", job, lost)
	}
	if strings.Contains(receiver.Text(), "secret") {
		t.Error("a prompt was sent")
	}
}
