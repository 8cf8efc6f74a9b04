package genref

import (
	"context"
	"fmt"
	"image"
	"math"

	"reflectionflow"
)

// Engine is what the sources that draw have in common.
type Engine struct {
	Generator reflectionflow.Generator
	// Reflector says in words what leads from a flawed picture to a right one.
	Reflector reflectionflow.Reflector
	Prompts   Prompts
	Model     string // for the provenance
	Licence   string // for the provenance
}

// ImageConfig says how pictures are drawn.
type ImageConfig struct {
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Steps    int     `json:"steps"`
	Guidance float64 `json:"guidance"`
	// Batch is how many prompts are drawn at once. It does not change the set.
	Batch int `json:"-"`
}

func (c ImageConfig) request(prompt string, seed uint64) reflectionflow.Request {
	return reflectionflow.Request{Prompt: prompt, Seed: seed, Width: c.Width, Height: c.Height, Steps: c.Steps, Guidance: c.Guidance}
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c ImageConfig) Validate() error {
	if c.Batch < 1 || c.Batch > 1024 {
		return fmt.Errorf("%w: %d prompts at once: must be from 1 to 1024", reflectionflow.ErrInvalid, c.Batch)
	}
	return c.request("a photo of a dog", 0).Validate()
}

// maxImages bounds the pictures of one prompt.
const maxImages = 1024

func checkImages(n int) error {
	if n < 2 || n > maxImages {
		return fmt.Errorf("%w: %d images a prompt: must be from 2 to %d", reflectionflow.ErrInvalid, n, maxImages)
	}
	return nil
}

// The reasons for which something does not become a triplet. "prompts" counts
// prompts, "pictures" pictures.
const (
	SkippedAllRight    = "prompts without a wrong picture"
	SkippedNoRight     = "prompts without a right picture"
	SkippedAlike       = "prompts whose pictures score alike"
	SkippedUncorrected = "wrong pictures that no correction put right"
	SkippedNoBetter    = "prompts whose longer wording draws no better"
	SkippedNoLonger    = "prompts without a longer wording"
	SkippedNoPair      = "prompts with fewer than two pictures"
	SkippedFailed      = "pictures that were not drawn"
	SkippedUnsure      = "pictures neither right nor clearly wrong"
	SkippedNoFix       = "wrong pictures without an instruction"
	SkippedSame        = "wrong pictures equal to the right one"
	SkippedMany        = "wrong pictures beyond the most that are paired"
	SkippedDuplicate   = "triplets that the set has already"
)

// maxBarren is after how many prompts without a triplet a source gives up.
const maxFruitless = 2000

// attempt is one picture of a prompt.
type attempt struct {
	request reflectionflow.Request
	picture image.Image            // nil when it was not drawn
	scores  []reflectionflow.Score // one a verifier
	value   float64                // that pictures of the prompt are compared by
	// reflection on the picture, where it was asked for already
	reflection string
	rewards    map[string]float64
}

// drawing is the picture's part of a provenance.
func (a attempt) record() ImageRecord {
	r, hash := a.request, HashImage(a.picture)
	return ImageRecord{
		Seed: r.Seed, Width: r.Width, Height: r.Height, Steps: r.Steps, Guidance: r.Guidance, ReferenceCaption: r.ReferenceCaption,
		Score: a.value, Rewards: a.rewards, PerceptualHash: &hash,
	}
}

// score is the first one that has findings, or else the first.
func (a attempt) score() reflectionflow.Score {
	for _, s := range a.scores {
		if len(s.Requirements) > 0 {
			return s
		}
	}
	return a.scores[0]
}

// task is a prompt with all its pictures.
type task struct {
	prompt   reflectionflow.Prompt
	attempts []attempt
}

// drawn are the attempts that have a picture.
func (t task) generated() (generated []attempt) {
	for _, a := range t.attempts {
		if a.picture != nil {
			generated = append(generated, a)
		}
	}
	return generated
}

// filling fills one shard by drawing prompts.
type filler struct {
	Engine
	subset, source  string
	verifiers       []reflectionflow.Verifier
	shard           FillRequest
	prompts, images int // that the triplets so far came from
	added           int
	skipped         map[string]int
}

func (f *filler) effort() Effort {
	return Effort{Prompts: f.prompts, Images: f.images}.Add(Effort{Skipped: f.skipped})
}

// fill draws batches of prompts and pairs the pictures of each, until the shard is
// full. batch chooses prompts and requests.
func (f *filler) fill(ctx context.Context, batch func(context.Context) ([]task, error), pair func(context.Context, task) error) (FillResult, error) {
	f.skipped = make(map[string]int)
	for fruitless := 0; f.added < f.shard.Count; {
		if fruitless >= maxFruitless {
			return FillResult{}, fmt.Errorf("%w: %d prompts in a row gave no triplet%s: the model draws all of them right or none, or the verifier cannot tell",
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
				break // what is left of the batch is not part of the shard
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

// count counts the pictures of a task, once it is part of the shard.
func (f *filler) count(t task) {
	f.images += len(t.attempts)
	if failed := len(t.attempts) - len(t.generated()); failed > 0 {
		f.skipped[SkippedFailed] += failed
	}
}

// generate generates and verifies the pictures of some prompts.
func (f *filler) generate(ctx context.Context, tasks []task) error {
	var attempts []*attempt
	var requests []reflectionflow.Request
	for i := range tasks {
		for k := range tasks[i].attempts {
			attempts = append(attempts, &tasks[i].attempts[k])
			requests = append(requests, tasks[i].attempts[k].request)
		}
	}
	generations, err := f.Generator.Generate(ctx, requests)
	if err != nil {
		return fmt.Errorf("draw pictures: %w", err)
	}
	if len(generations) != len(requests) {
		return fmt.Errorf("the generator drew %d pictures for %d requests", len(generations), len(requests))
	}
	for i, g := range generations {
		if g.Err == nil {
			attempts[i].picture = g.Image
		}
	}
	return f.verify(ctx, tasks)
}

// verify lets every verifier score every picture.
func (f *filler) verify(ctx context.Context, tasks []task) error {
	var generated []*attempt
	var pictures []reflectionflow.PromptedImage
	for i := range tasks {
		for k := range tasks[i].attempts {
			if a := &tasks[i].attempts[k]; a.picture != nil {
				generated = append(generated, a)
				pictures = append(pictures, reflectionflow.PromptedImage{Prompt: tasks[i].prompt, Image: a.picture})
			}
		}
	}
	for _, v := range f.verifiers {
		scores, err := v.Verify(ctx, pictures)
		if err != nil {
			return fmt.Errorf("verify pictures: %w", err)
		}
		if len(scores) != len(pictures) {
			return fmt.Errorf("the verifier gave %d scores for %d pictures", len(scores), len(pictures))
		}
		for i, s := range scores {
			if math.IsNaN(s.Value) {
				return fmt.Errorf("the verifier scored a picture of %.80q with what is no number", pictures[i].Prompt.Text)
			}
			generated[i].scores = append(generated[i].scores, s)
			generated[i].value = s.Value
		}
	}
	return nil
}

// reflect says what leads from a flawed picture to a right one; empty for nothing.
func (f *filler) reflect(ctx context.Context, prompt reflectionflow.Prompt, flawed attempt) (string, error) {
	if flawed.reflection != "" {
		return flawed.reflection, nil
	}
	r, err := f.advise(ctx, prompt, flawed)
	return r.Text, err
}

// advise asks the reflector about a picture.
func (f *filler) advise(ctx context.Context, prompt reflectionflow.Prompt, flawed attempt) (reflectionflow.Reflection, error) {
	reflections, err := f.Reflector.Reflect(ctx, []reflectionflow.Observation{{
		Prompt: prompt, Request: flawed.request, Image: flawed.picture, Score: flawed.score(), Seed: flawed.request.Seed,
	}})
	if err != nil {
		return reflectionflow.Reflection{}, fmt.Errorf("reflect on a picture: %w", err)
	}
	if len(reflections) != 1 {
		return reflectionflow.Reflection{}, fmt.Errorf("the reflector gave %d reflections for one picture", len(reflections))
	}
	return reflections[0], nil
}

// pairing is what becomes a triplet.
type pairing struct {
	prompt          reflectionflow.Prompt
	enhanced, wrong attempt
	reflection      string
	provenance      Provenance // what only this source knows
}

// add adds a triplet.
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
	if s.Flawed, err = EncodeImage(p.wrong.picture); err != nil {
		return err
	}
	if s.Enhanced, err = EncodeImage(p.enhanced.picture); err != nil {
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

// sampleKey is a key that no other sample of the set has.
func sampleKey(source string, shard, n int) string {
	return fmt.Sprintf("%s_%d_%06d", source, shard, n)
}
