package service_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"reflectionflow/internal/jobs"
	"reflectionflow/internal/service"
)

type listReply struct {
	Jobs []jobs.Job `json:"jobs"`
	Next string     `json:"next"`
}

// finish submits a job and waits for its end.
func finish(t *testing.T, url, body string, headers ...string) (id string) {
	t.Helper()
	status, reply := call(t, "POST", url+"/api/v1/jobs", body, headers...)
	if status != http.StatusAccepted {
		t.Fatalf("status %d: %s", status, reply)
	}
	id = decode[jobs.Job](t, reply).ID
	if _, events := call(t, "GET", url+"/api/v1/jobs/"+id+"/events", "", headers...); !strings.Contains(events, "event: done") {
		t.Fatalf("job %s: events %s", id, events)
	}
	return id
}

func TestLists(t *testing.T) {
	url := serve(t, nil).URL
	var ids []string
	for _, body := range []string{
		`{"prompt":"red","search":{"strategy":"noise","budget":"1"}}`,
		`{"prompt":"dark red","model":"paint:noise","search":{"budget":"2"}}`,
		`{"prompt":"blue","search":{"strategy":"noise","budget":"1"}}`,
	} {
		ids = append(ids, finish(t, url, body))
	}
	for _, c := range []struct {
		query string
		want  []int
	}{
		{"", []int{2, 1, 0}},
		{"text=RE", []int{1, 0}},
		{"state=done&model=paint&strategy=noise", []int{2, 1, 0}},
		{"strategy=adaptive", nil},
		{"state=queued", nil},
		{"min_score=9", nil},
		{"text=dark%20red", []int{1}},
	} {
		var got []string
		for next := "&limit=2"; next != ""; {
			_, body := call(t, "GET", url+"/api/v1/jobs?"+c.query+next, "")
			page := decode[listReply](t, body)
			for _, job := range page.Jobs {
				got = append(got, job.ID)
			}
			if next = ""; page.Next != "" {
				next = "&limit=2&before=" + page.Next
			}
		}
		var want []string
		for _, i := range c.want {
			want = append(want, ids[i])
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q: jobs %v, want %v", c.query, got, want)
		}
	}
	for _, query := range []string{"state=lost", "limit=0", "limit=201", "before=x", "before=-1", "min_score=high", "min_score=NaN", "text=" + strings.Repeat("a", 2000)} {
		if status, body := call(t, "GET", url+"/api/v1/jobs?"+query, ""); status != http.StatusBadRequest {
			t.Errorf("%.40s: status %d: %s", query, status, body)
		}
	}
	_, body := call(t, "GET", url+"/api/v1/statistics", "")
	if got := decode[struct{ Jobs, Images, Verdicts int }](t, body); got.Jobs != 3 || got.Images != 4 || got.Verdicts != 4 {
		t.Errorf("statistics %s", body)
	}
}

// TestKeep deletes old jobs with all that is stored of them, and no others.
func TestKeep(t *testing.T) {
	day := 24 * time.Hour
	s, server := start(t, func(o *service.Options) { o.Keep = service.Keep{Age: day} })
	id := finish(t, server.URL, `{"prompt":"red","search":{"strategy":"noise","budget":"1"}}`)
	_, body := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"blue","search":{"strategy":"noise","budget":"1"},"correct":{"job":"`+id+`","candidate":0,"reflection":"more blue"}}`)
	upload := decode[jobs.Job](t, body).Image
	if !strings.HasPrefix(upload, "uploads/") {
		t.Fatalf("the job corrects image %q", upload)
	}
	call(t, "GET", server.URL+"/api/v1/jobs/"+decode[jobs.Job](t, body).ID+"/events", "")
	_, slow := call(t, "POST", server.URL+"/api/v1/jobs", `{"prompt":"slow","search":{"strategy":"noise"}}`)
	call(t, "GET", server.URL+"/api/v1/jobs", "") // until all is indexed
	if n, err := s.Sweep(t.Context(), time.Now()); n != 0 || err != nil {
		t.Errorf("%d new jobs are deleted, error %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(-2*day)); n != 0 || err != nil {
		t.Errorf("%d jobs are deleted after the clock was set back, error %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(2*day)); n != 2 || err != nil {
		t.Errorf("%d old jobs are deleted, error %v", n, err)
	}
	if status, _ := call(t, "GET", server.URL+"/api/v1/jobs/"+id+"/images/0", ""); status != http.StatusNotFound {
		t.Errorf("an image of a deleted job: status %d", status)
	}
	_, body = call(t, "GET", server.URL+"/api/v1/jobs", "")
	left := decode[listReply](t, body).Jobs
	if len(left) != 1 || left[0].ID != decode[jobs.Job](t, slow).ID {
		t.Errorf("jobs left: %s", body)
	}
	call(t, "POST", server.URL+"/api/v1/jobs/"+left[0].ID+"/cancel", "")
}

// TestKeepBytes deletes the oldest jobs until the rest fits, although the clock was set back
// since they ended.
func TestKeepBytes(t *testing.T) {
	s, server := start(t, func(o *service.Options) { o.Keep = service.Keep{Bytes: 8000} })
	var ids []string
	for range 6 {
		ids = append(ids, finish(t, server.URL, `{"prompt":"red","search":{"strategy":"noise","budget":"2"}}`))
	}
	call(t, "GET", server.URL+"/api/v1/jobs", "")
	if n, err := s.Sweep(t.Context(), time.Now().Add(-24*time.Hour)); n == 0 || n == 6 || err != nil {
		t.Errorf("%d of 6 jobs are deleted, error %v", n, err)
	}
	for i, want := range map[int]int{0: http.StatusNotFound, 5: http.StatusOK} {
		if status, _ := call(t, "GET", server.URL+"/api/v1/jobs/"+ids[i], ""); status != want {
			t.Errorf("job %d: status %d", i, status)
		}
	}
}
