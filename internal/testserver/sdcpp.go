package testserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// SDCPP is a double of stable-diffusion.cpp's native job API. A job advances each time that
// it is polled: queued, generating, completed.
type SDCPP struct {
	*Images
	jobs    map[string]*sdcppJob
	holding bool
	broken  string
}

type sdcppJob struct {
	asked     int  // while no jobs were held
	known     bool // somebody asked about it
	cancelled bool
	body      sdcppBody
	images    []any
}

// sdcppBody lists all known fields; others are refused, so that a misspelt one is found.
type sdcppBody struct {
	Prompt       string `json:"prompt"`
	Negative     string `json:"negative_prompt"`
	Width        int    `json:"width"`
	Height       int    `json:"height"`
	Seed         int64  `json:"seed"`
	BatchCount   int    `json:"batch_count"`
	OutputFormat string `json:"output_format"`
	Sample       struct {
		Steps     int    `json:"sample_steps"`
		Method    string `json:"sample_method"`
		Scheduler string `json:"scheduler"`
		Guidance  struct {
			Text      float64 `json:"txt_cfg"`
			Distilled float64 `json:"distilled_guidance"`
		} `json:"guidance"`
	} `json:"sample_params"`
	RefImages []string `json:"ref_images"`
	InitImage string   `json:"init_image"`
	Strength  float64  `json:"strength"`
}

// NewSDCPP starts a double, which ends with the test.
func NewSDCPP(t testing.TB) *SDCPP {
	t.Helper()
	s := &SDCPP{Images: newImages(t, ""), jobs: map[string]*sdcppJob{}}
	s.handle("POST /sdcpp/v1/img_gen", s.submit)
	s.handle("GET /sdcpp/v1/jobs/{id}", s.job)
	s.handle("POST /sdcpp/v1/jobs/{id}/cancel", s.cancel)
	s.handle("GET /sdcpp/v1/capabilities", func(w http.ResponseWriter, _ *http.Request) {
		model := s.served()
		if model == "" { // old versions have no such route
			reply(w, http.StatusNotFound, map[string]any{"error": "not found"})
			return
		}
		reply(w, http.StatusOK, map[string]any{"model": map[string]any{"name": model, "stem": model, "path": "/models/" + model}, "current_mode": "img_gen"})
	})
	return s
}

// Hold keeps all jobs in the queue from now on.
func (s *SDCPP) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

// Break makes all jobs fail with a message.
func (s *SDCPP) Break(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = message
}

// Forget loses all jobs, as a restart does.
func (s *SDCPP) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.jobs)
}

// Cancelled returns the number of cancelled jobs.
func (s *SDCPP) Cancelled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, j := range s.jobs {
		if j.cancelled {
			n++
		}
	}
	return n
}

// Known returns the number of jobs whose state was asked for.
func (s *SDCPP) Known() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, j := range s.jobs {
		if j.known {
			n++
		}
	}
	return n
}

func (s *SDCPP) submit(w http.ResponseWriter, r *http.Request) {
	var body sdcppBody
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(&body)
	switch {
	case err != nil:
	case body.Width < 64 || body.Height < 64 || body.Width > 4096 || body.Height > 4096:
		err = fmt.Errorf("width and height must be from 64 to 4096")
	case body.Seed < 0:
		err = fmt.Errorf("the double takes no random seed")
	case body.BatchCount < 1 || body.BatchCount > 8:
		err = fmt.Errorf("batch_count must be from 1 to 8")
	}
	if err == nil {
		body.Prompt, err = sdcppWords(body.Prompt)
	}
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid generation parameters: " + err.Error()})
		return
	}
	s.mu.Lock()
	id := fmt.Sprintf("job_%04d", len(s.jobs))
	s.jobs[id] = &sdcppJob{body: body}
	s.mu.Unlock()
	reply(w, http.StatusAccepted, map[string]any{"id": id, "kind": "img_gen", "status": "queued", "created": 1775401200, "poll_url": "/sdcpp/v1/jobs/" + id})
}

func (s *SDCPP) job(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.mu.Lock()
	j, ok := s.jobs[id]
	if !ok {
		s.mu.Unlock()
		reply(w, http.StatusNotFound, map[string]any{"error": "job not found"})
		return
	}
	j.known = true
	if !s.holding {
		j.asked++
	}
	asked, broken := j.asked, s.broken
	s.mu.Unlock()
	body := map[string]any{"id": id, "kind": "img_gen", "created": 1775401200, "started": nil, "completed": nil, "queue_position": 0, "result": nil, "error": nil}
	switch {
	case j.cancelled:
		body["status"], body["error"] = "cancelled", map[string]any{"code": "cancelled", "message": "job cancelled by client"}
	case asked <= 1:
		body["status"] = "queued"
	case asked == 2:
		body["status"] = "generating"
	case broken != "":
		body["status"], body["error"] = "failed", map[string]any{"code": "generation_failed", "message": broken}
	default:
		images, err := s.images(j)
		if err != nil {
			body["status"], body["error"] = "failed", map[string]any{"code": "bad_image", "message": err.Error()}
			break
		}
		body["status"], body["result"] = "completed", map[string]any{"output_format": "png", "images": images}
	}
	reply(w, http.StatusOK, body)
}

// images generates a job's images, once.
func (s *SDCPP) images(j *sdcppJob) ([]any, error) {
	if j.images != nil {
		return j.images, nil
	}
	b := j.body
	d := ImageRequest{Prompt: b.Prompt, Negative: b.Negative, Width: b.Width, Height: b.Height, Steps: b.Sample.Steps, Guidance: b.Sample.Guidance.Text}
	if b.Sample.Guidance.Distilled > 0 {
		d.Guidance = b.Sample.Guidance.Distilled
	}
	reference := b.InitImage
	if len(b.RefImages) > 0 {
		reference = b.RefImages[0]
	}
	if reference != "" {
		img, err := readImage(reference)
		if err != nil {
			return nil, err
		}
		d.Reference, d.Strength = img, b.Strength
	}
	j.images = []any{}
	for i := range max(0, b.BatchCount+s.ExtraImages) {
		d.Seed = uint64(b.Seed) + uint64(i)
		_, text := s.generateImage(d)
		j.images = append(j.images, map[string]any{"index": i, "b64_json": text})
	}
	return j.images, nil
}

// cancel removes a queued job. It returns the state of a job that has ended (recorded), and
// refuses to stop one that is generating.
func (s *SDCPP) cancel(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	j, ok := s.jobs[r.PathValue("id")]
	queued := ok && j.asked < 2
	if queued {
		j.cancelled = true
	}
	over := ok && (queued || j.images != nil)
	s.mu.Unlock()
	switch {
	case !ok:
		reply(w, http.StatusNotFound, map[string]any{"error": "job not found"})
	case !over:
		reply(w, http.StatusConflict, map[string]any{"error": "job cannot be cancelled"})
	default:
		s.job(w, r)
	}
}
