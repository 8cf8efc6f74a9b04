package service

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"net/http"
	"strconv"
	"strings"
	"time"

	"reflectionflow/internal/config"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/tracing"
)

// imageRequest is the body of POST /v1/images/generations. Fields of OpenAI's API that have
// no meaning here (background, moderation, style, output_compression) are accepted.
type imageRequest struct {
	Prompt         string `json:"prompt"`
	Model          string `json:"model"`
	N              int    `json:"n"`
	Size           string `json:"size"`
	Quality        string `json:"quality"`
	OutputFormat   string `json:"output_format"`
	ResponseFormat string `json:"response_format"`
	Stream         bool   `json:"stream"`
	PartialImages  int    `json:"partial_images"`
	User           string `json:"user"`
	// Search sets what OpenAI's API has no words for.
	Search *searchRequest `json:"reflectionflow"`

	image      []byte   // PNG, of an edit
	others     [][]byte // further ones
	reflection string
	notes      []string // on what was sent and is not used

	// Of the images, see [Server.planImages].
	chosen    string      // size of the search instead of Size
	generated image.Point // size of the search
	within    image.Point // what its images are scaled into; zero leaves them
}

// look is how the images are wanted.
func (q *imageRequest) look() look {
	return look{format: cmp.Or(q.OutputFormat, "png"), within: q.within, enlarge: true}
}

// searchRequest holds settings of the search, and asks for details of it in the reply.
type searchRequest struct {
	config.Search
	Details bool `json:"details"`
}

// qualities are the budgets of a search by the quality that OpenAI's API knows.
var qualities = map[string]string{"low": "1", "standard": "4", "medium": "4", "high": "8", "hd": "8"}

const maxN = 10 // images of a request

// check fills in defaults and reports fields out of range.
func (q *imageRequest) check() error {
	if q.ResponseFormat == "" && strings.HasPrefix(q.Model, "dall-e-") {
		q.ResponseFormat = "url" // their default, which their clients rely on
	}
	switch {
	case q.N < 1 || q.N > maxN:
		return bad("n", "n is %d: must be from 1 to %d", q.N, maxN)
	case q.Quality != "" && q.Quality != "auto" && qualities[q.Quality] == "":
		return bad("quality", "unknown quality %.40q: use low, medium, high or auto", q.Quality)
	case q.PartialImages < 0 || q.PartialImages > 3:
		return bad("partial_images", "partial_images is %d: must be from 0 to 3", q.PartialImages)
	case q.ResponseFormat != "" && q.ResponseFormat != "url" && q.ResponseFormat != "b64_json":
		return bad("response_format", "unknown response_format %.40q: use b64_json or url", q.ResponseFormat)
	}
	if _, ok := encoders[q.OutputFormat]; !ok {
		return bad("output_format", "unknown output_format %.40q: use png, jpeg or webp", q.OutputFormat)
	}
	return nil
}

// settings returns the settings of the search for image i; given is the seed for requests
// without one, nil for a random one.
func (q *imageRequest) settings(i int, given *uint64) (config.Search, error) {
	var s config.Search
	if q.Search != nil {
		s = q.Search.Search
	}
	if s.Budget == "" {
		s.Budget = qualities[q.Quality]
	}
	if size := cmp.Or(q.chosen, q.Size); size != "" && size != "auto" {
		if s.Size != "" && s.Size != size {
			return s, bad("size", "size is %.20q and reflectionflow.size %.20q: give one", size, s.Size)
		}
		s.Size = size
	}
	seed := randomSeed()
	if from := cmp.Or(s.Seed, given); from != nil {
		seed = *from + uint64(i) // images of one request differ
	}
	s.Seed = &seed
	return s, nil
}

// generations serves POST /v1/images/generations.
func (s *Server) generations(w http.ResponseWriter, r *http.Request) error {
	q := imageRequest{N: 1}
	if err := decode(w, r, &q, false); err != nil {
		return err
	}
	if err := q.check(); err != nil {
		return err
	}
	if _, err := s.planImages(&q); err != nil {
		return err
	}
	return s.serveImages(w, r, &q, "image_generation")
}

// serveImages submits a job per image, waits for them and replies.
func (s *Server) serveImages(w http.ResponseWriter, r *http.Request, q *imageRequest, kind string) error {
	list, err := s.submitImages(r, q)
	if err != nil {
		return err
	}
	if r.Header.Get("Idempotency-Key") == "" { // nobody can ask for the images again
		defer func() {
			if r.Context().Err() != nil {
				s.abandon(list)
			}
		}()
	}
	if q.Stream {
		return s.streamImages(w, r, q, list, kind)
	}
	answer := imageReply{Created: time.Now().Unix(), Format: q.look().format, Quality: q.Quality, Size: pixels(q.look().size(q.generated))}
	if q.within != (image.Point{}) {
		answer.Generated = pixels(q.generated)
	}
	answer.Notes = q.notes
	for _, job := range list {
		ended, err := s.hub.wait(r.Context(), job.ID)
		if err != nil {
			return err
		}
		data, usage, err := s.imageOf(r, q, ended)
		if err != nil {
			return err
		}
		answer.Data = append(answer.Data, data)
		answer.Usage.add(usage)
	}
	reply(w, http.StatusOK, answer)
	return nil
}

// submitImages submits the jobs of a request. When one is refused, the others are
// cancelled.
func (s *Server) submitImages(r *http.Request, q *imageRequest) (list []jobs.Job, err error) {
	defer func() {
		if err != nil {
			s.abandon(list)
		}
	}()
	key := r.Header.Get("Idempotency-Key")
	defaults, err := s.models.complete(q.Model, config.Search{})
	if err != nil {
		return nil, err
	}
	for i := range q.N {
		settings, err := q.settings(i, defaults.Seed)
		if err != nil {
			return list, err
		}
		if key != "" && defaults.Seed == nil && (q.Search == nil || q.Search.Seed == nil) {
			settings.Seed = keyedSeed(owner(r), key, i) // the same request again is the same job
		}
		jobKey := ""
		if key != "" {
			jobKey = key + "/" + strconv.Itoa(i)
		}
		job, err := s.accept(r, accepted{model: q.Model, prompt: q.Prompt, settings: settings, image: q.image, others: q.others, reflection: q.reflection, notes: q.notes, key: jobKey})
		if err != nil {
			return list, err
		}
		list = append(list, job)
	}
	return list, nil
}

// abandon cancels jobs whose client has gone.
func (s *Server) abandon(list []jobs.Job) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, job := range list {
		if _, err := s.queue.Cancel(ctx, job.ID); err != nil && !errors.Is(err, jobs.ErrEnded) && !errors.Is(err, jobs.ErrUnknown) {
			s.log.Error("cancel", "job", job.ID, "error", err.Error())
		}
	}
}

// imageReply is the reply of OpenAI's API.
type imageReply struct {
	Created int64       `json:"created"`
	Data    []imageData `json:"data"`
	Format  string      `json:"output_format,omitempty"`
	Quality string      `json:"quality,omitempty"`
	Size    string      `json:"size"` // of the images
	// Generated is the size in which they were generated, where they were scaled.
	Generated string `json:"generated_size,omitempty"`
	// Notes say what was sent and is not used.
	Notes []string `json:"notes,omitempty"`
	Usage usage    `json:"usage"`
}

type imageData struct {
	B64    string         `json:"b64_json,omitempty"`
	URL    string         `json:"url,omitempty"`
	Search *searchDetails `json:"reflectionflow,omitempty"`
}

// searchDetails says how the image was found.
type searchDetails struct {
	Job     string        `json:"job"`
	Outcome *jobs.Outcome `json:"outcome"`
	Notes   []string      `json:"notes,omitempty"`
}

// usage counts the tokens of language models that judged and reflected.
type usage struct {
	Total   int64        `json:"total_tokens"`
	Input   int64        `json:"input_tokens"`
	Output  int64        `json:"output_tokens"`
	Details usageDetails `json:"input_tokens_details"`
}

type usageDetails struct {
	Text  int64 `json:"text_tokens"`
	Image int64 `json:"image_tokens"`
}

func (u *usage) add(v usage) {
	u.Total, u.Input, u.Output, u.Details.Text = u.Total+v.Total, u.Input+v.Input, u.Output+v.Output, u.Details.Text+v.Details.Text
}

// imageOf returns the best image of a job that has ended.
func (s *Server) imageOf(r *http.Request, q *imageRequest, job jobs.Job) (imageData, usage, error) {
	switch job.State {
	case jobs.Cancelled:
		return imageData{}, usage{}, &apiError{status: http.StatusConflict, Message: "the job was cancelled", Type: "invalid_request_error"}
	case jobs.Failed:
		return imageData{}, usage{}, failure(job)
	}
	var d imageData
	if q.Search != nil && q.Search.Details {
		d.Search = &searchDetails{job.ID, job.Outcome, q.notes}
	}
	u := usage{Input: int64(job.Outcome.Cost.TokensIn), Output: int64(job.Outcome.Cost.TokensOut)}
	u.Total, u.Details.Text = u.Input+u.Output, u.Input
	if q.ResponseFormat == "url" {
		path := fmt.Sprintf("/api/v1/jobs/%s/images/%d", job.ID, job.Outcome.Best)
		d.URL = address(r) + path + "?" + s.link(job.Owner, path, q.look(), time.Now())
		return d, u, nil
	}
	file, err := s.imageFile(r.Context(), job.ID, job.Outcome.Best, q.look())
	d.B64 = base64.StdEncoding.EncodeToString(file)
	return d, u, err
}

// failure is the error of a job that failed.
func failure(job jobs.Job) *apiError {
	if job.Invalid {
		return &apiError{status: http.StatusBadRequest, Message: job.Error, Type: "invalid_request_error"}
	}
	return &apiError{status: http.StatusBadGateway, Message: "the search failed: " + job.Error, Type: "server_error"}
}

// address is the one that a client used.
func address(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// listModels serves GET /v1/models: every model, alone and with each strategy.
func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) error {
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}
	list := []model{}
	for _, name := range s.models.names() {
		list = append(list, model{name, "model", 0, "reflectionflow"})
	}
	reply(w, http.StatusOK, map[string]any{"object": "list", "data": list})
	return nil
}

// getModel serves GET /v1/models/{model}.
func (s *Server) getModel(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := s.models.split(r.PathValue("model")); err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]any{"id": r.PathValue("model"), "object": "model", "created": 0, "owned_by": "reflectionflow"})
	return nil
}

// accepted is a job that a request asks for.
type accepted struct {
	model, prompt string
	settings      config.Search
	image         []byte   // PNG to correct, or nil
	others        [][]byte // further ones
	reflection    string
	origin        origin   // of the image, where it is a candidate
	notes         []string // on the request
	priority      jobs.Priority
	key           string
}

// imagesLeft reports an owner whose images of the last hour are at the limit. A search that
// was accepted is finished all the same.
func (s *Server) imagesLeft(r *http.Request) error {
	if s.options.Keys == nil {
		return nil
	}
	limit := s.options.Keys.Limits(owner(r)).ImagesPerHour
	if limit == 0 {
		return nil
	}
	n, until, err := s.history.Images(r.Context(), owner(r), time.Now())
	if err == nil && n >= limit {
		err = &jobs.LimitError{What: fmt.Sprintf("you had %d images in the last hour, the most that you may have is %d", n, limit), RetryAfter: until}
	}
	return err
}

// accept checks a job as far as that is possible without loading anything, and submits it.
func (s *Server) accept(r *http.Request, a accepted) (jobs.Job, error) {
	complete, err := s.models.complete(a.model, a.settings)
	if err != nil {
		return jobs.Job{}, err
	}
	if _, err := s.models.planned(a.model, complete); err != nil {
		return jobs.Job{}, err
	}
	settings, err := json.Marshal(complete)
	if err != nil {
		return jobs.Job{}, err
	}
	if err := s.imagesLeft(r); err != nil {
		return jobs.Job{}, err
	}
	spec := jobs.Spec{Prompt: strings.TrimSpace(a.prompt), Model: a.model, Settings: settings, Reflection: a.reflection, Owner: owner(r), Priority: a.priority}
	spec.Extra = a.extra()
	if err := spec.Validate(); err != nil {
		return jobs.Job{}, err
	}
	if err := s.storeReferences(r.Context(), &spec, a); err != nil {
		return jobs.Job{}, err
	}
	job, err := s.queue.Submit(r.Context(), spec, a.key)
	if err == nil {
		tracing.Current(r.Context()).Set(tracing.Text("job.id", job.ID)) // whose trace is named by it
	}
	if err != nil && spec.Image != "" && !errors.Is(err, jobs.ErrConflict) {
		return job, errors.Join(err, s.removeReferences(context.WithoutCancel(r.Context()), spec))
	}
	return job, err
}
