package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/png" // references are stored as PNG
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/internal/config"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/jobs"
	"reflectionflow/requirements"
	"reflectionflow/search"
)

// search runs the search of a job, and counts it: what [jobs.Queue.Work] calls.
func (s *Server) search(ctx context.Context, r *jobs.Run) (jobs.Outcome, error) {
	begin := time.Now()
	s.metrics.begun(r)
	t := traced(ctx, r)
	outcome, err := s.searchFor(ctx, r, t)
	t.end(outcome, err)
	s.metrics.ended(outcome, err, begin)
	return outcome, err
}

// searchFor runs the search of a job.
func (s *Server) searchFor(ctx context.Context, r *jobs.Run, t *jobTrace) (jobs.Outcome, error) {
	none := jobs.Outcome{Best: -1}
	settings, err := readSettings(r.Settings)
	if err != nil {
		return none, err
	}
	cfg, err := s.models.planned(r.Model, settings)
	if err != nil {
		return none, err
	}
	e, err := s.models.open(r.Model)
	if err != nil {
		return none, err
	}
	if r.Prompt == nil {
		if err := parse(ctx, e, r, cfg); err != nil {
			return none, err
		}
	}
	told := newReporter(r)
	loop := &search.Search{
		Generator: e.generator, Verifier: e.verifier, Reflector: e.reflector, Refiner: e.refiner, Comparer: e.comparer, Journal: r,
		Around: t.around(), Notify: func(ev search.Event) {
			if ev.Kind == search.Generated && ev.Image != nil {
				r.Ahead(ev.Candidate.ID, ev.Image)
			}
			told.notify(ev)
			t.notify(ev)
		},
	}
	if r.Image != "" {
		if loop.Generator, err = correcting(ctx, e, r); err != nil {
			return none, err
		}
	}
	ctx = fleet.WithKeeper(ctx, r, s.options.Version+" "+e.settings)
	result, err := loop.Run(reflectionflow.WithSketches(ctx, sketchTime, told.sketch), *r.Prompt, cfg)
	return outcomeOf(result), err
}

// readSettings reads the settings of a job.
func readSettings(data json.RawMessage) (settings config.Search, err error) {
	if len(data) > 0 {
		if err := json.Unmarshal(data, &settings); err != nil {
			return settings, fmt.Errorf("read the settings: %w", err)
		}
	}
	return settings, nil
}

// parse reads the prompt and stores what it asks for.
func parse(ctx context.Context, e *engine, r *jobs.Run, cfg search.Config) error {
	text, instructed := r.Spec.Prompt, r.Image != "" && r.Spec.Prompt == strings.TrimSpace(r.Reflection)
	var err error
	if instructed {
		if text, err = edited(ctx, e, r); err != nil {
			return err
		}
	}
	prompt, cost, err := e.Parse(ctx, text)
	if err == nil && e.Suits != nil {
		err = e.Suits(ctx, prompt, cfg.Axes)
	}
	if err != nil && instructed && errors.Is(err, reflectionflow.ErrInvalid) {
		return fmt.Errorf("%w (the instruction %.80q does not say what the image shall show: say it in the field prompt of reflectionflow)", err, r.Spec.Prompt)
	}
	if err != nil {
		return err
	}
	r.Parsed(prompt, cost)
	return nil
}

// edited words what the image shall show once the job's instruction is followed.
func edited(ctx context.Context, e *engine, r *jobs.Run) (string, error) {
	if e.Edited == nil {
		return requirements.Wish(r.Spec.Prompt), nil
	}
	images, err := references(ctx, r)
	if err != nil {
		return "", err
	}
	return e.Edited(ctx, e.verifier, images[0], r.Spec.Prompt)
}

func outcomeOf(r reflectionflow.Result) jobs.Outcome {
	o := jobs.Outcome{Best: -1, Stopped: r.Stopped, Cost: r.Cost, Tiebreak: r.Tiebreak}
	if r.Best >= 0 && r.Best < len(r.Candidates) {
		o.Best, o.Score = r.Best, r.Candidates[r.Best].Score
	}
	return o
}

// correcting returns a generator whose images without a reference of their own start from
// the job's image and its owner's reflection.
func correcting(ctx context.Context, e *engine, r *jobs.Run) (reflectionflow.Generator, error) {
	images, err := references(ctx, r)
	if err != nil {
		return nil, err
	}
	return correction{e.generator, images[0], reflectionflow.NewImages(images[1:]...), r.Reflection}, nil
}

// references reads the job's images, first the one to correct.
func references(ctx context.Context, r *jobs.Run) ([]image.Image, error) {
	files, err := r.References(ctx)
	if err != nil {
		return nil, err
	}
	images := make([]image.Image, len(files))
	for i, file := range files {
		if images[i], _, err = image.Decode(bytes.NewReader(file)); err != nil {
			return nil, fmt.Errorf("%w: read the image to correct: %v", reflectionflow.ErrInvalid, err)
		}
	}
	return images, nil
}

// correction is a generator that starts from an image.
type correction struct {
	inner      reflectionflow.Generator
	reference  image.Image
	others     *reflectionflow.Images // of every image: a correction starts from another in place of reference
	reflection string
}

func (c correction) requests(list []reflectionflow.Request) []reflectionflow.Request {
	with := make([]reflectionflow.Request, len(list))
	for i, r := range list {
		if r.Reference == nil {
			r.Reference, r.Reflection = c.reference, c.reflection
		}
		r.Others = c.others
		with[i] = r
	}
	return with
}

// Generate implements [reflectionflow.Generator].
func (c correction) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	return c.inner.Generate(ctx, c.requests(requests))
}

// Check implements [reflectionflow.RequestChecker].
func (c correction) Check(r reflectionflow.Request) error {
	return reflectionflow.CheckRequest(c.inner, c.requests([]reflectionflow.Request{r})[0])
}
