package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"image"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// a1111 generates with the API of AUTOMATIC1111's web interface and of its fork Forge
// (modules/api): txt2img, and img2img for corrections. The server works on one request
// at a time.
type a1111 struct {
	client   *endpoint.Client
	progress func(Progress)
	// guidance is "cfg", or "distilled" for FLUX on Forge.
	guidance                            string
	strength                            float64
	model, sampler, scheduler, negative string
	batch                               int
	wording                             Wording
	running                             atomic.Int64
	stateless                           atomic.Bool // the server has no progress route
}

// a1111SeedBits: the interface uses seeds of 32 bits, and parts of it accept no others.
const a1111SeedBits = 32

func openA1111(c *endpoint.Client, p *params, progress func(Progress)) (engine, error) {
	return &a1111{
		client: c, progress: progress,
		guidance: p.choice("guidance", "cfg", "distilled"), strength: p.fraction("strength", .75),
		model: p.text("model", ""), sampler: p.text("sampler", ""), scheduler: p.text("scheduler", ""), negative: p.text("negative", ""),
		batch: p.count("batch", 1, 16), wording: p.wording("a1111"),
	}, nil
}

func (a *a1111) check(r reflectionflow.Request) error {
	if r.Width < 64 || r.Height < 64 || r.Width > 2048 || r.Height > 2048 || r.Width%8 != 0 || r.Height%8 != 0 {
		return invalid("size %s: this server takes sides from 64 to 2048 pixels, multiples of 8", sizeText(r))
	}
	if r.Steps > 150 {
		return invalid("%d steps: this server takes at most 150", r.Steps)
	}
	return checkReferences(r, 1)
}

func (a *a1111) canJoin(group []reflectionflow.Request, next reflectionflow.Request) bool {
	return len(group) < a.batch && consecutiveSeeds(group, next, a1111SeedBits)
}

// a1111Request is the body of txt2img and img2img.
type a1111Request struct {
	Prompt    string  `json:"prompt"`
	Negative  string  `json:"negative_prompt"`
	Seed      uint64  `json:"seed"`
	Steps     int     `json:"steps"`
	CFG       float64 `json:"cfg_scale"`
	Distilled float64 `json:"distilled_cfg_scale,omitempty"` // Forge
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	BatchSize int     `json:"batch_size"`
	// Iterations generates the group one after the other: images of one batch differ
	// slightly from images generated alone.
	Iterations int            `json:"n_iter"`
	Sampler    string         `json:"sampler_name,omitempty"`
	Scheduler  string         `json:"scheduler,omitempty"`
	Override   map[string]any `json:"override_settings,omitempty"`
	Send       bool           `json:"send_images"`
	Save       bool           `json:"save_images"`
	// Task names the job for progress and interruption; old versions ignore it.
	Task     string   `json:"force_task_id"`
	Init     []string `json:"init_images,omitempty"`
	Strength float64  `json:"denoising_strength,omitempty"`
}

func (a *a1111) body(group []reflectionflow.Request) (path string, body a1111Request, err error) {
	r := group[0]
	body = a1111Request{
		Prompt: a1111Prompt(a.wording.Text(r)), Negative: a.negative, Seed: fold(r.Seed, a1111SeedBits), Steps: r.Steps, CFG: r.Guidance,
		Width: r.Width, Height: r.Height, BatchSize: 1, Iterations: len(group), Sampler: a.sampler, Scheduler: a.scheduler,
		Send: true, Task: "reflectionflow-" + rand.Text(),
	}
	if a.guidance == "distilled" {
		body.CFG, body.Distilled = 1, r.Guidance
	}
	if a.model != "" {
		body.Override = map[string]any{"sd_model_checkpoint": a.model}
	}
	if r.Reference == nil {
		return "/sdapi/v1/txt2img", body, nil
	}
	encoded, err := encodeBase64(r.Reference)
	body.Init, body.Strength = []string{encoded}, a.strength
	return "/sdapi/v1/img2img", body, err
}

// a1111Reply is the reply; Info is JSON within a string.
type a1111Reply struct {
	Images []string `json:"images"`
	Info   string   `json:"info"`
}

type a1111Info struct {
	AllSeeds   []uint64 `json:"all_seeds"`
	FirstImage int      `json:"index_of_first_image"` // after a grid, if there is one
	Model      string   `json:"sd_model_name"`
	Hash       string   `json:"sd_model_hash"` // some servers compute it later
}

// modelName returns the checkpoint that generated the image, with its checksum.
func (i a1111Info) modelName() string {
	if i.Model != "" && i.Hash != "" {
		return i.Model + " [" + i.Hash + "]"
	}
	return i.Model
}

func (a *a1111) generate(ctx context.Context, group []reflectionflow.Request) (batchResult, error) {
	path, body, err := a.body(group)
	if err != nil {
		return batchResult{}, err
	}
	a.running.Add(1)
	defer a.running.Add(-1)
	stop := a.watch(ctx, body.Task, group[0])
	var reply a1111Reply
	response, err := a.client.JSON(ctx, endpoint.Request{
		Method: http.MethodPost, Path: path, Check: orErrorIn(a.client, func() bool { return len(reply.Images) > 0 }),
	}, body, &reply)
	interrupted := stop()
	if err != nil {
		if ctx.Err() != nil || endpoint.IsKind(err, endpoint.Timeout) {
			a.interrupt(ctx, body.Task)
		}
		return batchResult{}, err
	}
	if interrupted || a.interrupted(ctx) {
		return batchResult{}, a.client.Errorf(endpoint.Failed, "the image was interrupted at the server and is not finished")
	}
	return a.collect(group, body, reply, response.Elapsed), nil
}

// interrupted reports whether the server's last job was interrupted. The reply does not
// say so: an image that somebody interrupts or skips in the web interface is returned
// like a finished one. The server keeps the flags until its next job begins
// (modules/shared_state.py), so this must be asked right after the reply.
func (a *a1111) interrupted(ctx context.Context) bool {
	if a.stateless.Load() {
		return false
	}
	p, err := a.state(ctx)
	if endpoint.IsKind(err, endpoint.Status) {
		a.stateless.Store(true) // stable-diffusion.cpp has no such route
	}
	return err == nil && p.State.cut()
}

func (a *a1111) collect(group []reflectionflow.Request, body a1111Request, reply a1111Reply, elapsed time.Duration) batchResult {
	var info a1111Info
	_ = json.Unmarshal([]byte(reply.Info), &info) // without it the generations are Unseeded
	first := info.FirstImage
	if first < 0 || first > len(reply.Images) {
		first = 0
	}
	images := reply.Images[first:]
	generated := min(len(images), len(group))
	cost := a.client.Account(a.model, endpoint.Usage{Calls: 1, Images: generated})
	cost.Images, cost.DenoiseSteps, cost.Seconds = generated, generated*a.steps(group[0]), elapsed.Seconds()
	out := make([]reflectionflow.Generation, len(group))
	for i, r := range group {
		if i >= generated {
			out[i].Err = a.client.Errorf(endpoint.Malformed, "%d images instead of %d", len(images), len(group))
			continue
		}
		out[i].Cost = share(cost, i, generated)
		out[i].Unseeded = i >= len(info.AllSeeds) || info.AllSeeds[i] != body.Seed+uint64(i)
		var img image.Image
		if img, out[i].Err = decodeBase64Image(a.client, images[i], r); out[i].Err == nil {
			out[i].Image = img
		}
	}
	return batchResult{out, info.modelName()}
}

// steps returns the sampler steps that the server takes: img2img starts part of the way
// (sd_samplers_common, setup_img2img_steps).
func (a *a1111) steps(r reflectionflow.Request) int {
	if r.Reference == nil {
		return r.Steps
	}
	return min(r.Steps, int(min(a.strength, .999)*float64(r.Steps))+1)
}

// a1111Progress is the state of the server. Task is missing in old versions.
type a1111Progress struct {
	Progress float64    `json:"progress"`
	Task     *string    `json:"current_task"`
	State    a1111State `json:"state"`
}

// a1111State holds the flags of the current job, or else of the last one.
type a1111State struct {
	Interrupted bool `json:"interrupted"`
	Skipped     bool `json:"skipped"`
}

// cut reports whether the image is unfinished. The flag stopping_generation does not say
// so: it ends a batch after the current image.
func (s a1111State) cut() bool { return s.Interrupted || s.Skipped }

func (a *a1111) state(ctx context.Context) (p a1111Progress, err error) {
	_, err = a.client.JSON(ctx, endpoint.Request{
		Path: "/sdapi/v1/progress", Query: url.Values{"skip_current_image": {"true"}}, Repeat: endpoint.RepeatNever,
	}, nil, &p)
	return p, err
}

// isOurs reports whether the server works on our task now. Old servers do not name the
// task; then the answer is yes if this generator has only one request there.
func (a *a1111) isOurs(p a1111Progress, task string) bool {
	if p.Task == nil {
		return a.running.Load() == 1
	}
	return *p.Task == task
}

// watch reports the progress of a task until the returned function is called, which
// reports whether an interruption of the task was seen.
func (a *a1111) watch(ctx context.Context, task string, first reflectionflow.Request) (stop func() bool) {
	if a.progress == nil {
		return func() bool { return false }
	}
	interrupted := false
	const interval = time.Second
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for a.client.Clock().Sleep(ctx, interval) == nil {
			p, err := a.state(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil && a.isOurs(p, task):
				// Without the task's name the flags may be those of an earlier job.
				interrupted = interrupted || p.Task != nil && p.State.cut()
				a.progress(Progress{Request: first, Done: min(max(p.Progress, 0), 1)})
			case err == nil:
				a.progress(Progress{Request: first, Queued: true})
			}
		}
	}()
	return func() bool {
		cancel()
		<-over
		return interrupted
	}
}

// interrupt interrupts the server if it works on our task. The server has one
// interruption for all clients, which would end another client's job just the same.
func (a *a1111) interrupt(ctx context.Context, task string) {
	ctx, done := cancelContext(ctx)
	defer done()
	if p, err := a.state(ctx); err != nil || !a.isOurs(p, task) {
		return
	}
	a.client.Do(ctx, endpoint.Request{Method: http.MethodPost, Path: "/sdapi/v1/interrupt", Repeat: endpoint.RepeatNever}) //nolint:errcheck // there is nobody to tell
}
