package service

import (
	"cmp"
	"net/http"

	"reflectionflow/internal/config"
	"reflectionflow/internal/jobs"
)

// rerunRequest is the body of POST /api/v1/jobs/{id}/rerun: what differs from the job.
type rerunRequest struct {
	Prompt     string        `json:"prompt"`
	Model      string        `json:"model"`
	Search     config.Search `json:"search"`
	Reflection string        `json:"reflection"` // of a job that corrects an image
	Priority   jobs.Priority `json:"priority"`
}

// rerun serves POST /api/v1/jobs/{id}/rerun: a new job like another one but for the changes.
// Without any it makes the same images.
func (s *Server) rerun(w http.ResponseWriter, r *http.Request) error {
	job, err := s.mine(r)
	if err != nil {
		return err
	}
	var q rerunRequest
	if r.ContentLength != 0 {
		if err := decodeUpTo(w, r, &q, true, maxBody); err != nil {
			return err
		}
	}
	settings, err := readSettings(job.Settings)
	if err != nil {
		return err
	}
	again := jobRequest{Prompt: cmp.Or(q.Prompt, job.Prompt), Model: cmp.Or(q.Model, job.Model), Search: q.Search.Or(settings), Priority: cmp.Or(q.Priority, job.Priority)}
	if q.Search.Strategy != "" && q.Model == "" { // the job's model may name another one
		if i, _, err := s.models.split(job.Model); err == nil {
			again.Model = s.models.list[i].Name
		}
	}
	switch {
	case job.Image != "":
		again.Correct = &correctRequest{Job: job.ID, Candidate: -1, Reflection: cmp.Or(q.Reflection, job.Reflection)}
	case q.Reflection != "":
		return bad("reflection", "the job corrects no image: submit a job with correct")
	}
	var others [][]byte
	for _, name := range job.Others {
		file, err := s.queue.Image(r.Context(), name)
		if err != nil {
			return err
		}
		others = append(others, file)
	}
	return s.place(w, r, again, others)
}
