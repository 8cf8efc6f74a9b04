package service

import (
	"encoding/json"
	"net/http"
	"time"

	"reflectionflow/internal/jobs"
)

// origin is the candidate whose image a job corrects. The job is empty for an image that a
// client sent.
type origin struct {
	Job       string `json:"job"`
	Candidate int    `json:"candidate"`
}

// jobExtra is what a job keeps for its server.
type jobExtra struct {
	Corrects *origin `json:"corrects,omitempty"`
	// Notes say what the client sent and the job does not use.
	Notes []string `json:"notes,omitempty"`
}

// extra is how a job keeps its origin and notes on it.
func (a accepted) extra() json.RawMessage {
	extra := jobExtra{Notes: a.notes}
	if a.origin.Job != "" {
		extra.Corrects = &a.origin
	}
	if extra.Corrects == nil && extra.Notes == nil {
		return nil
	}
	data, err := json.Marshal(extra)
	if err != nil {
		return nil // never: it is texts and a number
	}
	return data
}

// originOf returns the origin of a job.
func originOf(job jobs.Job) (o origin) {
	var extra jobExtra
	if len(job.Extra) > 0 && json.Unmarshal(job.Extra, &extra) == nil && extra.Corrects != nil {
		o = *extra.Corrects
	}
	return o
}

// reference serves GET /api/v1/jobs/{id}/reference: the image that a job corrects.
func (s *Server) reference(w http.ResponseWriter, r *http.Request) error {
	job, err := s.mine(r)
	if err != nil {
		return err
	}
	if job.Image == "" {
		return jobs.ErrNoImage
	}
	file, err := s.queue.Image(r.Context(), job.Image)
	if err != nil {
		return err
	}
	serveImage(w, r, file, "png")
	return nil
}

// setFavourite serves PUT and DELETE /api/v1/jobs/{id}/favourite.
func (s *Server) setFavourite(w http.ResponseWriter, r *http.Request) error {
	job, err := s.mine(r)
	if err != nil {
		return err
	}
	if err := s.queue.SetFavourite(r.Context(), job.ID, r.Method == http.MethodPut); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// healthReply is the state of the server, for people.
type healthReply struct {
	Ready    bool      `json:"ready"`   // jobs run
	Healthy  bool      `json:"healthy"` // what is written is stored
	Queued   int       `json:"queued"`
	Running  int       `json:"running"`
	Parallel int       `json:"parallel"` // searches that run here at once
	Started  time.Time `json:"started"`
	Keys     bool      `json:"keys"` // whether callers need one
	Owner    string    `json:"owner,omitempty"`
	Limits   *Limits   `json:"limits,omitempty"` // of the caller's key
}

// health serves GET /api/v1/health.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	h := healthReply{Healthy: s.queue.Healthy(), Parallel: s.options.Parallel, Started: s.started, Keys: s.options.Keys != nil, Owner: owner(r)}
	select {
	case <-s.ready:
		h.Ready = true
	default:
	}
	for _, job := range s.queue.Jobs() {
		if job.State == jobs.Running {
			h.Running++
		} else {
			h.Queued++
		}
	}
	if h.Keys {
		limits := s.options.Keys.Limits(h.Owner)
		h.Limits = &limits
	}
	reply(w, http.StatusOK, h)
	return nil
}
