package testserver

import (
	"encoding/json"
	"fmt"
	"image"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// A1111Options configure an [A1111] double.
type A1111Options struct {
	// User is "user:password" for --api-auth.
	User string
	// Grid adds a grid before the images of a reply with several.
	Grid bool
	// NoInfo leaves the field info empty, as stable-diffusion.cpp does.
	NoInfo bool
	// NoTasks is an old version that does not know tasks.
	NoTasks bool
	// SeedShift is added to the seed that is used and reported.
	SeedShift uint64
}

// A1111 is a double of AUTOMATIC1111's API. It works on one request at a time. A model that
// is set by SetModel may be "name/checksum".
type A1111 struct {
	*Images
	options A1111Options
	queue   sync.Mutex

	holding     bool
	cut         int // requests to interrupt as another client
	flags       map[string]any
	task        string // in progress
	free        chan struct{}
	interrupted int
}

// NewA1111 starts a double, which ends with the test.
func NewA1111(t testing.TB, o A1111Options) *A1111 {
	t.Helper()
	s := &A1111{Images: newImages(t, ""), options: o}
	s.handle("POST /sdapi/v1/txt2img", func(w http.ResponseWriter, r *http.Request) { s.generate(w, r, false) })
	s.handle("POST /sdapi/v1/img2img", func(w http.ResponseWriter, r *http.Request) { s.generate(w, r, true) })
	s.handle("GET /sdapi/v1/progress", s.progress)
	s.handle("POST /sdapi/v1/interrupt", s.interrupt)
	return s
}

// Hold makes the next request last until it is interrupted.
func (s *A1111) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = true
}

// InterruptNext makes the next n requests end early, as if somebody interrupted them in the
// web interface: the reply looks like that of a finished one.
func (s *A1111) InterruptNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = n
}

// Interrupted returns the number of interruptions.
func (s *A1111) Interrupted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interrupted
}

// Busy reports whether a request is in progress.
func (s *A1111) Busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.task != ""
}

type a1111Body struct {
	Prompt     string         `json:"prompt"`
	Negative   string         `json:"negative_prompt"`
	Seed       int64          `json:"seed"`
	Steps      int            `json:"steps"`
	CFG        float64        `json:"cfg_scale"`
	Distilled  float64        `json:"distilled_cfg_scale"`
	Width      int            `json:"width"`
	Height     int            `json:"height"`
	BatchSize  int            `json:"batch_size"`
	Iterations int            `json:"n_iter"`
	Sampler    string         `json:"sampler_name"`
	Scheduler  string         `json:"scheduler"`
	Override   map[string]any `json:"override_settings"`
	Send       bool           `json:"send_images"`
	Save       bool           `json:"save_images"`
	Task       string         `json:"force_task_id"`
	Init       []string       `json:"init_images"`
	Strength   float64        `json:"denoising_strength"`
}

func (s *A1111) read(r *http.Request, redraw bool) (b a1111Body, reference image.Image, err error) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return b, nil, err
	}
	switch {
	case b.Width < 64 || b.Width > 2048 || b.Height < 64 || b.Height > 2048 || b.Steps < 1 || b.Steps > 150 || b.BatchSize != 1 || b.Iterations < 1:
		return b, nil, fmt.Errorf("a number is out of range")
	case b.Seed < 0 || b.Seed >= 1<<32:
		return b, nil, fmt.Errorf("the double takes no random seed")
	case redraw != (len(b.Init) == 1):
		return b, nil, fmt.Errorf("init_images and the route do not fit")
	}
	if b.Prompt, err = webuiWords(b.Prompt); err == nil && redraw {
		reference, err = readImage(b.Init[0])
	}
	return b, reference, err
}

func (s *A1111) generate(w http.ResponseWriter, r *http.Request, redraw bool) {
	if s.options.User != "" {
		if user, password, _ := r.BasicAuth(); user+":"+password != s.options.User {
			reply(w, http.StatusUnauthorized, map[string]any{"detail": "Incorrect username or password"})
			return
		}
	}
	b, reference, err := s.read(r, redraw)
	if err != nil {
		reply(w, http.StatusUnprocessableEntity, map[string]any{"detail": []any{map[string]any{"loc": []string{"body"}, "msg": err.Error(), "type": "value_error"}}})
		return
	}
	s.queue.Lock()
	defer s.queue.Unlock()
	if s.start(b.Task) {
		b.Steps = (b.Steps + 1) / 2
	}
	d := ImageRequest{Prompt: b.Prompt, Negative: b.Negative, Width: b.Width, Height: b.Height, Steps: b.Steps, Guidance: b.CFG, Reference: reference, Strength: b.Strength}
	if b.Distilled > 0 {
		d.Guidance = b.Distilled
	}
	d.Model, _ = b.Override["sd_model_checkpoint"].(string)
	images, seeds, first := []string{}, []int64{}, 0
	if s.options.Grid && b.Iterations > 1 {
		images, first = append(images, "R0lGODlh"), 1 // a grid, which clients must skip
	}
	for i := range max(0, b.Iterations+s.ExtraImages) {
		d.Seed = uint64(b.Seed) + uint64(i) + s.options.SeedShift
		_, text := s.generateImage(d)
		images = append(images, text)
		if i < b.Iterations {
			seeds = append(seeds, int64(d.Seed)) //nolint:gosec // 32 bits
		}
	}
	info := ""
	if !s.options.NoInfo {
		said := map[string]any{"prompt": b.Prompt, "seed": b.Seed, "all_seeds": seeds, "index_of_first_image": first, "steps": b.Steps}
		if name, sum, ok := strings.Cut(s.served(), "/"); name != "" {
			said["sd_model_name"], said["sd_model_hash"] = name, nil
			if ok {
				said["sd_model_hash"] = sum
			}
		}
		encoded, _ := json.Marshal(said) //nolint:errchkjson // plain values
		info = string(encoded)
	}
	s.mu.Lock()
	s.task = ""
	s.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{"images": images, "parameters": map[string]any{}, "info": info})
}

// start records the task, waits if it is held, and reports whether it is interrupted.
func (s *A1111) start(task string) bool {
	s.mu.Lock()
	s.task, s.free = task, make(chan struct{})
	holding, free, cut := s.holding, s.free, s.cut > 0
	s.cut = max(0, s.cut-1)
	s.flags = map[string]any{"interrupted": cut, "skipped": false, "stopping_generation": false, "job_count": 1}
	s.mu.Unlock()
	if holding {
		<-free // the real server does not notice that a client leaves
	}
	return cut || holding
}

func (s *A1111) progress(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body := map[string]any{"progress": 0.0, "eta_relative": 0.0, "state": s.flags, "current_image": nil, "textinfo": nil}
	if s.task != "" {
		body["progress"] = .5
	}
	if !s.options.NoTasks {
		body["current_task"] = s.task
	}
	reply(w, http.StatusOK, body)
}

func (s *A1111) interrupt(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.interrupted++
	if s.holding && s.task != "" {
		s.holding = false
		s.flags["interrupted"] = true
		close(s.free)
	}
	s.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{})
}
