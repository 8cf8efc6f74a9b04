package genref

import (
	"context"
	"fmt"
	"image"
	"math"

	"reflectionflow"
)

// Engine holds what all sources that generate images need.
type Engine struct {
	Generator reflectionflow.Generator
	// Reflector writes the reflection that leads from a flawed image to a right one.
	Reflector reflectionflow.Reflector
	Prompts   Prompts
	Model     string // for the provenance
	Licence   string // for the provenance
}

// ImageConfig sets how images are generated: their size in pixels, denoising steps and
// guidance scale, as in [reflectionflow.Request].
type ImageConfig struct {
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Steps    int     `json:"steps"`
	Guidance float64 `json:"guidance"`
	// Batch is the number of prompts per call of the generator, from 1 to 1024. It does not
	// change the set.
	Batch int `json:"-"`
}

func (c ImageConfig) request(prompt string, seed uint64) reflectionflow.Request {
	return reflectionflow.Request{Prompt: prompt, Seed: seed, Width: c.Width, Height: c.Height, Steps: c.Steps, Guidance: c.Guidance}
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c ImageConfig) Validate() error {
	if c.Batch < 1 || c.Batch > 1024 {
		return fmt.Errorf("%w: %d prompts per batch: must be from 1 to 1024", reflectionflow.ErrInvalid, c.Batch)
	}
	return c.request("a photo of a dog", 0).Validate()
}

// maxImages bounds the images per prompt.
const maxImages = 1024

func checkImages(n int) error {
	if n < 2 || n > maxImages {
		return fmt.Errorf("%w: %d images per prompt: must be from 2 to %d", reflectionflow.ErrInvalid, n, maxImages)
	}
	return nil
}

// The reasons for which something does not become a triplet. A reason says what it counts.
const (
	SkippedAllRight    = "prompts without a wrong image"
	SkippedNoRight     = "prompts without a right image"
	SkippedAlike       = "prompts whose images score alike"
	SkippedUncorrected = "wrong images that no correction fixed"
	SkippedNoBetter    = "prompts whose longer wording scores no better"
	SkippedNoLonger    = "prompts without a longer wording"
	SkippedNoPair      = "prompts with fewer than two images"
	SkippedFailed      = "images that failed"
	SkippedUnjudged    = "images that the verifier did not judge"
	SkippedUnsure      = "images neither right nor clearly wrong"
	SkippedNoFix       = "wrong images without an instruction"
	SkippedSame        = "wrong images equal to the right one"
	SkippedMany        = "wrong images beyond the limit of pairs"
	SkippedDuplicate   = "triplets that are in the set already"
)

// maxFruitless is the number of consecutive prompts without a triplet after which a source
// ends with an error.
const maxFruitless = 500

// attempt is one image of a prompt.
type attempt struct {
	request reflectionflow.Request
	img     image.Image            // nil if it failed
	scores  []reflectionflow.Score // one per verifier
	value   float64                // orders the images of a prompt
	// unjudged is set when a verifier returned no judgment of the image.
	unjudged bool
	// reflection on the image, if it was needed before
	reflection string
	rewards    map[string]float64
}

// record returns the image's part of a provenance.
func (a attempt) record() ImageRecord {
	r, hash := a.request, HashImage(a.img)
	return ImageRecord{
		Seed: r.Seed, Width: r.Width, Height: r.Height, Steps: r.Steps, Guidance: r.Guidance, ReferenceCaption: r.ReferenceCaption,
		Score: a.value, Rewards: a.rewards, PerceptualHash: &hash,
	}
}

// score returns the first score with findings, or else the first.
func (a attempt) score() reflectionflow.Score {
	for _, s := range a.scores {
		if len(s.Requirements) > 0 {
			return s
		}
	}
	return a.scores[0]
}

// task is a prompt with all its images.
type task struct {
	prompt   reflectionflow.Prompt
	attempts []attempt
}

// judged returns the attempts that have an image and a judgment of it.
func (t task) judged() (judged []attempt) {
	for _, a := range t.attempts {
		if a.img != nil && !a.unjudged {
			judged = append(judged, a)
		}
	}
	return judged
}

// filler fills one shard by generating images for prompts.
type filler struct {
	Engine
	subset, source  string
	verifiers       []reflectionflow.Verifier
	shard           FillRequest
	prompts, images int // used for the triplets so far
	added           int
	skipped         map[string]int
}

func (f *filler) effort() Effort {
	return Effort{Prompts: f.prompts, Images: f.images}.Add(Effort{Skipped: f.skipped})
}

// fill generates batches of prompts and pairs the images of each until the shard is full.
// batch samples prompts and requests, pair adds the triplets of a prompt.
func (f *filler) fill(ctx context.Context, batch func(context.Context) ([]task, error), pair func(context.Context, task) error) (FillResult, error) {
	f.skipped = make(map[string]int)
	for fruitless := 0; f.added < f.shard.Count; {
		if fruitless >= maxFruitless {
			return FillResult{}, fmt.Errorf("%w: %d consecutive prompts gave no triplet%s: all images of a prompt are right, or none is, or the verifier cannot tell: use easier or harder prompts, another generator, or --source reward, which ranks",
				reflectionflow.ErrInvalid, fruitless, because(f.skipped))
		}
		tasks, err := batch(ctx)
		if err == nil {
			err = f.generate(ctx, tasks)
		}
		if err != nil {
			return FillResult{}, err
		}
		for _, t := range tasks {
			before := f.added
			f.prompts++
			f.count(t)
			if err := pair(ctx, t); err != nil {
				return FillResult{}, err
			}
			if f.added >= f.shard.Count {
				break // the rest of the batch is not part of the shard
			}
			fruitless++
			if f.added > before {
				fruitless = 0
			}
		}
		if f.shard.Progress != nil {
			f.shard.Progress(f.effort())
		}
	}
	return FillResult{Effort: f.effort()}, nil
}

// count counts the images of a task that is part of the shard.
func (f *filler) count(t task) {
	f.images += len(t.attempts)
	for _, a := range t.attempts {
		switch {
		case a.img == nil:
			f.skipped[SkippedFailed]++
		case a.unjudged:
			f.skipped[SkippedUnjudged]++
		}
	}
}

// generate generates and verifies the images of some prompts. An image whose failure is
// permanent is left out; any other failure is an error.
func (f *filler) generate(ctx context.Context, tasks []task) error {
	var attempts []*attempt
	var requests []reflectionflow.Request
	for i := range tasks {
		t := &tasks[i]
		for k := range t.attempts {
			a := &t.attempts[k]
			attempts, requests = append(attempts, a), append(requests, a.request)
		}
	}
	generations, err := f.Generator.Generate(ctx, requests)
	if err != nil {
		return fmt.Errorf("generate images: %w", err)
	}
	if len(generations) != len(requests) {
		return fmt.Errorf("the generator returned %d images for %d requests", len(generations), len(requests))
	}
	for i, g := range generations {
		switch {
		case g.Err == nil:
			attempts[i].img = g.Image
		case !reflectionflow.IsPermanent(g.Err): // the set must not depend on the state of a server
			return fmt.Errorf("generate an image of %.80q: %w: build again to resume", requests[i].Prompt, g.Err)
		}
	}
	return f.verify(ctx, tasks)
}

// verify scores every image with every verifier.
func (f *filler) verify(ctx context.Context, tasks []task) error {
	var generated []*attempt
	var images []reflectionflow.PromptedImage
	for i := range tasks {
		for k := range tasks[i].attempts {
			if a := &tasks[i].attempts[k]; a.img != nil {
				generated = append(generated, a)
				images = append(images, reflectionflow.PromptedImage{Prompt: tasks[i].prompt, Image: a.img})
			}
		}
	}
	for _, v := range f.verifiers {
		scores, err := v.Verify(ctx, images)
		if err != nil {
			return fmt.Errorf("verify images: %w", err)
		}
		if len(scores) != len(images) {
			return fmt.Errorf("the verifier returned %d scores for %d images", len(scores), len(images))
		}
		for i, s := range scores {
			if math.IsNaN(s.Value) {
				return fmt.Errorf("the verifier's score of an image of %.80q is not a number", images[i].Prompt.Text)
			}
			generated[i].scores = append(generated[i].scores, s)
			generated[i].value = s.Value
			generated[i].unjudged = generated[i].unjudged || s.Unanswered != ""
		}
	}
	return nil
}

// reflect returns the reflection on a flawed image, "" if the reflector finds nothing.
func (f *filler) reflect(ctx context.Context, prompt reflectionflow.Prompt, flawed attempt) (string, error) {
	if flawed.reflection != "" {
		return flawed.reflection, nil
	}
	r, err := f.advise(ctx, prompt, flawed)
	return r.Text, err
}

// advise calls the reflector on one image.
func (f *filler) advise(ctx context.Context, prompt reflectionflow.Prompt, flawed attempt) (reflectionflow.Reflection, error) {
	reflections, err := f.Reflector.Reflect(ctx, []reflectionflow.Observation{{
		Prompt: prompt, Request: flawed.request, Image: flawed.img, Score: flawed.score(), Seed: flawed.request.Seed,
	}})
	if err != nil {
		return reflectionflow.Reflection{}, fmt.Errorf("reflect on an image: %w", err)
	}
	if len(reflections) != 1 {
		return reflectionflow.Reflection{}, fmt.Errorf("the reflector returned %d reflections for one image", len(reflections))
	}
	return reflections[0], nil
}

// pairing holds the parts of a triplet.
type pairing struct {
	prompt          reflectionflow.Prompt
	enhanced, wrong attempt
	reflection      string
	provenance      Provenance // the fields that only this source sets
}

// add adds a triplet to the shard, unless it is a duplicate.
func (f *filler) add(p pairing) error {
	provenance := p.provenance
	provenance.Source, provenance.Model, provenance.Licence = f.source, f.Model, f.Licence
	provenance.Enhanced, provenance.Flawed = p.enhanced.record(), p.wrong.record()
	s := Sample{
		Key:        sampleKey(f.source, f.shard.Number, f.added),
		Triplet:    Triplet{Prompt: p.prompt.Text, Reflection: p.reflection, Subset: f.subset},
		Provenance: &provenance,
	}
	var err error
	if s.Flawed, err = EncodeImage(p.wrong.img); err != nil {
		return err
	}
	if s.Enhanced, err = EncodeImage(p.enhanced.img); err != nil {
		return err
	}
	added, err := f.shard.Add(s)
	switch {
	case err != nil:
		return err
	case added:
		f.added++
	default:
		f.skipped[SkippedDuplicate]++
	}
	return nil
}

// sampleKey returns a key that is unique in the set.
func sampleKey(source string, shard, n int) string {
	return fmt.Sprintf("%s_%d_%06d", source, shard, n)
}
