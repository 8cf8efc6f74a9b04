package service

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"strconv"
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/internal/history"
	"reflectionflow/internal/jobs"
)

// noTime keeps http.ServeContent from setting Last-Modified.
var noTime time.Time

// jobRequest is the body of POST /api/v1/jobs.
type jobRequest struct {
	Prompt   string        `json:"prompt"`
	Model    string        `json:"model"`
	Search   config.Search `json:"search"`
	Priority jobs.Priority `json:"priority"`
	// Correct says which image this job starts from, and what is wrong with it.
	Correct *correctRequest `json:"correct"`
	// Check is set to learn what the job would do, without submitting it.
	Check bool `json:"check"`
}

type correctRequest struct {
	Job        string `json:"job"`
	Candidate  int    `json:"candidate"` // -1 for the image that the job itself corrects
	Image      []byte `json:"image"`     // a file that the client has, instead of a candidate
	Reflection string `json:"reflection"`
}

// toCorrect returns the image that a job starts from.
func (s *Server) toCorrect(r *http.Request, q *jobRequest) ([]byte, error) {
	c := q.Correct
	switch {
	case strings.TrimSpace(c.Reflection) == "":
		return nil, bad("correct.reflection", "the reflection is empty: say what is wrong and how to fix it")
	case len(c.Image) > 0 && c.Job != "":
		return nil, bad("correct", "correct names a job and has an image: give one")
	case len(c.Image) > 0:
		return s.fitImage(r.Context(), c.Image, func(size image.Point) (image.Point, error) {
			if near, ok := s.models.near(q.Model, size.X, size.Y); ok {
				q.Search.Size = cmp.Or(q.Search.Size, near) // the image's proportions
			}
			cfg, err := s.models.plan(q.Model, q.Search)
			return image.Pt(cfg.ImageWidth, cfg.ImageHeight), err
		})
	}
	job, err := s.owned(r, c.Job)
	if err != nil {
		return nil, err
	}
	read := func() ([]byte, error) { return s.imageFile(r.Context(), c.Job, c.Candidate, asStored) }
	if c.Candidate == -1 && job.Image != "" {
		read = func() ([]byte, error) { return s.queue.Image(r.Context(), job.Image) }
	}
	file, err := read()
	if err == nil && q.Search.Size == "" { // that of the image
		var config image.Config
		if config, err = png.DecodeConfig(bytes.NewReader(file)); err == nil {
			q.Search.Size = fmt.Sprintf("%dx%d", config.Width, config.Height)
		}
	}
	return file, err
}

// submit serves POST /api/v1/jobs.
func (s *Server) submit(w http.ResponseWriter, r *http.Request) error {
	leave, err := s.enterUpload(w, r)
	if err != nil {
		return err
	}
	defer leave()
	var q jobRequest
	if err := decodeUpTo(w, r, &q, true, maxUpload); err != nil {
		return err
	}
	return s.place(w, r, q, nil)
}

// place submits the job of a request, and replies with it. Others are further images beside
// the one to correct, as they are stored.
func (s *Server) place(w http.ResponseWriter, r *http.Request, q jobRequest, others [][]byte) (err error) {
	if q.Search, err = s.models.complete(q.Model, q.Search); err != nil {
		return err
	}
	if q.Search.Seed == nil {
		seed := randomSeed()
		if key := r.Header.Get("Idempotency-Key"); key != "" {
			seed = *keyedSeed(owner(r), key, 0)
		}
		q.Search.Seed = &seed
	}
	if _, err := s.models.plan(q.Model, q.Search); err != nil {
		return err
	}
	a := accepted{model: q.Model, prompt: q.Prompt, priority: q.Priority, key: r.Header.Get("Idempotency-Key"), others: others}
	if q.Correct != nil {
		if a.image, err = s.toCorrect(r, &q); err != nil {
			return err
		}
		a.reflection, a.origin = q.Correct.Reflection, origin{q.Correct.Job, q.Correct.Candidate}
	}
	a.settings = q.Search
	if q.Check {
		cfg, err := s.models.plan(q.Model, q.Search)
		if err != nil {
			return err
		}
		reply(w, http.StatusOK, map[string]any{"search": cfg})
		return nil
	}
	job, err := s.accept(r, a)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/jobs/"+job.ID)
	reply(w, http.StatusAccepted, job)
	return nil
}

// mine returns the job of a path if it is the caller's.
func (s *Server) mine(r *http.Request) (jobs.Job, error) { return s.owned(r, r.PathValue("id")) }

// owned returns a job if it is the caller's.
func (s *Server) owned(r *http.Request, id string) (jobs.Job, error) {
	job, err := s.queue.Job(r.Context(), id)
	if err == nil && s.options.Keys != nil && job.Owner != owner(r) {
		return jobs.Job{}, jobs.ErrUnknown
	}
	return job, err
}

// getJob serves GET /api/v1/jobs/{id}.
func (s *Server) getJob(w http.ResponseWriter, r *http.Request) error {
	job, err := s.mine(r)
	if err != nil {
		return err
	}
	favourite, err := s.queue.Favourite(r.Context(), job.ID)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, history.Job{Job: job, Favourite: favourite})
	return nil
}

// cancel serves POST /api/v1/jobs/{id}/cancel.
func (s *Server) cancel(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.mine(r); err != nil {
		return err
	}
	job, err := s.queue.Cancel(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, job)
	return nil
}

// remove serves DELETE /api/v1/jobs/{id}.
func (s *Server) remove(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.mine(r); err != nil {
		return err
	}
	if err := s.drop(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// admitted reports a key that was revoked while its stream was open.
func (s *Server) admitted(r *http.Request) error {
	if s.options.Keys == nil {
		return nil
	}
	if _, ok := s.options.Keys.Owner(bearer(r)); !ok {
		return errKey
	}
	return nil
}

// events serves GET /api/v1/jobs/{id}/events: every stored event once, also across a
// reconnect with Last-Event-ID, and what is under way while it is listened to. Who has all
// events of a job that has ended is told so by status 204, which ends an EventSource.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	job, err := s.mine(r)
	if err != nil {
		return err
	}
	after, ended, err := s.resumed(r, job)
	if err != nil {
		return err
	}
	if ended {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	out := newEvents(w)
	if err := out.alive(); err != nil {
		return err
	}
	write := func(wire string) error {
		if err := s.admitted(r); err != nil {
			return err
		}
		return out.write(wire)
	}
	err = s.hub.listen(r.Context(), job.ID, after, listener{
		event: func(f frame) error { return write(f.wire) },
		live:  func(f liveFrame) error { return write(f.wire) },
		idle:  func() error { return errors.Join(s.admitted(r), out.alive()) },
	})
	if err != nil && r.Context().Err() == nil {
		return out.fail(err)
	}
	return nil
}

// resumed returns the event after which a client goes on, and whether the job has none
// after it and never will. A number that no event has yet is refused: it is of another
// server, or of data that is gone.
func (s *Server) resumed(r *http.Request, job jobs.Job) (after uint64, ended bool, err error) {
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		return 0, false, nil
	}
	if after, err = strconv.ParseUint(last, 10, 64); err != nil {
		return 0, false, bad("Last-Event-ID", "Last-Event-ID %.20q is no number", last)
	}
	now, err := s.queue.Position(r.Context())
	if err != nil {
		return 0, false, err
	}
	if after > now.Last {
		return 0, false, bad("Last-Event-ID", "Last-Event-ID %d is after the last event, %d: leave it out to get all events", after, now.Last)
	}
	if !job.State.Ended() {
		return after, false, nil
	}
	rest, err := s.queue.EventsPage(r.Context(), job.ID, after, 1)
	return after, len(rest) == 0, err
}

// candidates serves GET /api/v1/jobs/{id}/candidates.
func (s *Server) candidates(w http.ResponseWriter, r *http.Request) error {
	job, err := s.mine(r)
	if err != nil {
		return err
	}
	events, err := s.queue.Events(r.Context(), job.ID, 0)
	if err != nil {
		return err
	}
	list := []reflectionflow.Candidate{}
	for _, e := range events {
		if e.Candidate != nil {
			list = append(list, *e.Candidate)
		}
	}
	reply(w, http.StatusOK, map[string]any{"candidates": list})
	return nil
}

// describeModels serves GET /api/v1/models: what a form needs to know.
func (s *Server) describeModels(w http.ResponseWriter, _ *http.Request) error {
	type model struct {
		Name     string  `json:"name"`
		Summary  string  `json:"summary"`
		Width    int     `json:"width"`
		Height   int     `json:"height"`
		Steps    int     `json:"steps"`
		Guidance float64 `json:"guidance"`
		// Verifiers are variants of the verifier, which verify may name.
		Verifiers []string `json:"verifiers,omitempty"`
		// Search are the settings of searches that do not give their own.
		Search config.Search `json:"search"`
	}
	list := []model{}
	for _, m := range s.models.list {
		list = append(list, model{m.Name, m.Model.Summary, m.Model.Width, m.Model.Height, m.Model.Steps, m.Model.Guidance, m.Model.Verifiers, m.Search})
	}
	reply(w, http.StatusOK, map[string]any{"models": list, "strategies": offered(), "version": s.options.Version})
	return nil
}
