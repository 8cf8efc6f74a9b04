package remote

import (
	"context"
	"errors"
	"image"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"reflectionflow"
	"reflectionflow/internal/endpoint"
)

// sdcpp generates with stable-diffusion.cpp's native jobs (examples/server, api.md): a
// job is submitted, polled until it has ended, and cancelled when the context ends. A
// job of several images generates them one after the other with consecutive seeds.
type sdcpp struct {
	client   *endpoint.Client
	progress func(Progress)
	// guidance is "distilled" for models with distilled guidance, such as FLUX.1-dev, "cfg"
	// for classifier-free guidance.
	guidance string
	// correct is "ref" for models that read reference images (FLUX.1 Kontext,
	// Qwen-Image-Edit), "init" to start from the noised reference.
	correct                      string
	strength                     float64 // for init: the fraction of the steps that are taken
	sampler, scheduler, negative string
	batch                        int
	wording                      Wording
	timeout                      time.Duration
	silent                       atomic.Bool // the server does not name its model
}

// sdcppSeedBits: seeds are signed 64-bit numbers; a negative one means a random seed.
const sdcppSeedBits = 63

func openSDCPP(c *endpoint.Client, p *params, progress func(Progress)) (engine, error) {
	return &sdcpp{
		client: c, progress: progress,
		guidance: p.choice("guidance", "distilled", "cfg"), correct: p.choice("correct", "ref", "init"), strength: p.fraction("strength", .75),
		sampler: p.text("sampler", ""), scheduler: p.text("scheduler", ""), negative: p.text("negative", ""),
		batch: p.count("batch", 1, 8), timeout: p.timeout, wording: p.wording("sdcpp"),
	}, nil
}

func (s *sdcpp) check(r reflectionflow.Request) error {
	if r.Width < 64 || r.Height < 64 {
		return invalid("size %s: stable-diffusion.cpp takes sides of 64 pixels or more", sizeText(r))
	}
	return checkReferences(r, 1)
}

func (s *sdcpp) canJoin(group []reflectionflow.Request, next reflectionflow.Request) bool {
	return len(group) < s.batch && consecutiveSeeds(group, next, sdcppSeedBits)
}

// sdcppRequest is the body of img_gen. Fields that are left out get the server's default.
type sdcppRequest struct {
	Prompt       string      `json:"prompt"`
	Negative     string      `json:"negative_prompt,omitempty"`
	Width        int         `json:"width"`
	Height       int         `json:"height"`
	Seed         uint64      `json:"seed"`
	BatchCount   int         `json:"batch_count"`
	Sample       sdcppSample `json:"sample_params"`
	RefImages    []string    `json:"ref_images,omitempty"`
	InitImage    string      `json:"init_image,omitempty"`
	Strength     float64     `json:"strength,omitempty"`
	OutputFormat string      `json:"output_format"`
}

type sdcppSample struct {
	Steps     int                `json:"sample_steps"`
	Method    string             `json:"sample_method,omitempty"`
	Scheduler string             `json:"scheduler,omitempty"`
	Guidance  map[string]float64 `json:"guidance"`
}

func (s *sdcpp) body(group []reflectionflow.Request) (sdcppRequest, error) {
	r := group[0]
	body := sdcppRequest{
		Prompt: sdcppPrompt(s.wording.Text(r)), Negative: s.negative, Width: r.Width, Height: r.Height, Seed: fold(r.Seed, sdcppSeedBits), BatchCount: len(group),
		Sample:       sdcppSample{Steps: r.Steps, Method: s.sampler, Scheduler: s.scheduler, Guidance: map[string]float64{"txt_cfg": r.Guidance}},
		OutputFormat: "png",
	}
	if s.guidance == "distilled" {
		// txt_cfg 1 switches classifier-free guidance off.
		body.Sample.Guidance = map[string]float64{"txt_cfg": 1, "distilled_guidance": r.Guidance}
	}
	if r.Reference == nil {
		return body, nil
	}
	encoded, err := encodeBase64(r.Reference)
	if s.correct == "init" {
		body.InitImage, body.Strength = encoded, s.strength
	} else {
		body.RefImages = []string{encoded}
	}
	return body, err
}

// sdcppJob is the reply about a job.
type sdcppJob struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Result struct {
		Images []struct {
			Index *int   `json:"index"`
			Data  string `json:"b64_json"`
		} `json:"images"`
	} `json:"result"`
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func (s *sdcpp) generate(ctx context.Context, group []reflectionflow.Request) (batchResult, error) {
	body, err := s.body(group)
	if err != nil {
		return batchResult{}, err
	}
	var job sdcppJob
	began := s.client.Clock().Now()
	submit, done := graceContext(ctx)
	_, err = s.client.JSON(submit, endpoint.Request{
		Method: http.MethodPost, Path: "/sdcpp/v1/img_gen", Check: orErrorIn(s.client, func() bool { return job.ID != "" }),
	}, body, &job)
	done()
	if err != nil {
		return batchResult{}, err
	}
	if job.ID == "" || len(job.ID) > 200 || strings.ContainsAny(job.ID, "/\\?#%") || job.ID == "." || job.ID == ".." {
		return batchResult{}, s.client.Errorf(endpoint.Malformed, "the server accepted the job without a usable id")
	}
	path := "/sdcpp/v1/jobs/" + job.ID
	if err := s.await(ctx, path, &job, group[0]); err != nil {
		if job.Status != "failed" && job.Status != "cancelled" {
			s.cancel(ctx, path)
		}
		return batchResult{}, err
	}
	cost := s.client.Account("", endpoint.Usage{Calls: 1, Images: len(job.Result.Images)})
	cost.Images = len(job.Result.Images)
	cost.DenoiseSteps = cost.Images * s.steps(group[0])
	cost.Seconds = max(0, s.client.Clock().Now().Sub(began).Seconds())
	return batchResult{s.collect(group, job, cost), s.modelName(ctx)}, nil
}

// modelName asks for the server's model, which stays the same while the server runs. Old
// servers do not name it; a failure here fails no image.
func (s *sdcpp) modelName(ctx context.Context) string {
	var reply struct {
		Model struct {
			Name string `json:"name"`
		} `json:"model"`
	}
	if s.silent.Load() {
		return ""
	}
	_, err := s.client.JSON(ctx, endpoint.Request{Path: "/sdcpp/v1/capabilities", Repeat: endpoint.RepeatNever}, nil, &reply)
	if endpoint.IsKind(err, endpoint.Status) {
		s.silent.Store(true)
	}
	if err != nil {
		return ""
	}
	return reply.Model.Name
}

// steps returns the sampler steps that the server takes.
func (s *sdcpp) steps(r reflectionflow.Request) int {
	if r.Reference != nil && s.correct == "init" {
		return int(math.Ceil(float64(r.Steps) * s.strength))
	}
	return r.Steps
}

// await polls the job until it has ended.
func (s *sdcpp) await(ctx context.Context, path string, job *sdcppJob, first reflectionflow.Request) error {
	for wait := newPolling(s.client, s.timeout); ; {
		_, err := s.client.JSON(ctx, endpoint.Request{Path: path, Check: orErrorIn(s.client, func() bool { return job.Status != "" })}, nil, job)
		var e *endpoint.Error
		switch {
		case errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusGone):
			return s.client.Errorf(endpoint.Failed, "the server no longer knows the job: was it restarted?")
		case err != nil:
			return err
		}
		switch job.Status {
		case "completed":
			return nil
		case "failed":
			return s.client.Errorf(endpoint.Failed, "%s: %s", job.Error.Code, job.Error.Message)
		case "cancelled":
			return s.client.Errorf(endpoint.Failed, "the job was cancelled at the server")
		case "queued", "generating":
			if s.progress != nil {
				s.progress(Progress{Request: first, Queued: job.Status == "queued"})
			}
		default:
			return s.client.Errorf(endpoint.Malformed, "the job has the unknown state %q", job.Status)
		}
		if err := wait.next(ctx); err != nil {
			return err
		}
	}
}

// cancel cancels a job. Not all versions can stop a job that has begun (409).
func (s *sdcpp) cancel(ctx context.Context, path string) {
	ctx, done := cancelContext(ctx)
	defer done()
	s.client.Do(ctx, endpoint.Request{Method: http.MethodPost, Path: path + "/cancel", Repeat: endpoint.RepeatNever}) //nolint:errcheck // there is nobody to tell
}

// collect returns the images of a job in request order.
func (s *sdcpp) collect(group []reflectionflow.Request, job sdcppJob, cost reflectionflow.Cost) []reflectionflow.Generation {
	texts := make([]string, len(group))
	wrong := len(job.Result.Images) > len(group)
	for i, encoded := range job.Result.Images {
		at := i
		if encoded.Index != nil {
			at = *encoded.Index
		}
		if at < 0 || at >= len(texts) || texts[at] != "" {
			wrong = true
			break
		}
		texts[at] = encoded.Data
	}
	out := make([]reflectionflow.Generation, len(group))
	for i, r := range group {
		out[i].Cost = share(cost, i, len(group))
		if wrong {
			out[i].Err = s.client.Errorf(endpoint.Malformed, "%d images with wrong indexes instead of %d numbered from 0", len(job.Result.Images), len(group))
			continue
		}
		var img image.Image
		if img, out[i].Err = decodeBase64Image(s.client, texts[i], r); out[i].Err == nil {
			out[i].Image = img
		}
	}
	return out
}
