package genref

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Rule is the source of the subset rule (arXiv 2504.16080 §4.1): a model draws each
// prompt several times, a verifier checks the requirements, and prompts that come out
// right at times and wrong at times give pairs. A wrong picture is paired with the right
// one that looks most like it, so that what differs is what was wrong.
type Rule struct {
	Generator reflectionflow.Generator
	Verifier  reflectionflow.Verifier // must list the objects it sees
	Prompts   Prompts
	Config    RuleConfig
	Model     string // for the provenance
	Licence   string // for the provenance
}

// RuleConfig says how pictures are drawn.
type RuleConfig struct {
	Images   int     `json:"images"`    // pictures a prompt, 2 or more
	MaxPairs int     `json:"max_pairs"` // triplets a prompt at most; the most alike go first
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Steps    int     `json:"steps"`
	Guidance float64 `json:"guidance"`
	// Batch is how many prompts are drawn at once. It does not change the set.
	Batch int `json:"-"`
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c RuleConfig) Validate() error {
	switch {
	case c.Images < 2 || c.Images > 1024:
		return fmt.Errorf("%w: %d images a prompt: must be from 2 to 1024", reflectionflow.ErrInvalid, c.Images)
	case c.MaxPairs < 1:
		return fmt.Errorf("%w: %d pairs a prompt: must be 1 or more", reflectionflow.ErrInvalid, c.MaxPairs)
	case c.Batch < 1 || c.Batch > 1024:
		return fmt.Errorf("%w: %d prompts at once: must be from 1 to 1024", reflectionflow.ErrInvalid, c.Batch)
	}
	return c.request("a photo of a dog", 0).Validate()
}

// Settings are the settings as a [Plan] holds them.
func (c RuleConfig) Settings() (json.RawMessage, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return data, nil
}

func (c RuleConfig) request(prompt string, seed uint64) reflectionflow.Request {
	return reflectionflow.Request{Prompt: prompt, Seed: seed, Width: c.Width, Height: c.Height, Steps: c.Steps, Guidance: c.Guidance}
}

// The reasons for which something does not become a triplet. The first two count
// prompts, the others pictures.
const (
	SkippedAllRight = "prompts without a wrong picture"
	SkippedNoRight  = "prompts without a right picture"
	SkippedFailed   = "pictures that were not drawn"
	SkippedUnsure   = "pictures neither right nor clearly wrong"
	SkippedNoFix    = "wrong pictures without an instruction"
	SkippedSame     = "wrong pictures equal to the right one"
	SkippedMany     = "wrong pictures beyond the most of a prompt"
)

// maxBarren is after how many prompts without a triplet a source gives up.
const maxBarren = 2000

var _ Source = (*Rule)(nil)

// Fill implements [Source].
func (r *Rule) Fill(ctx context.Context, shard Filling) (Effort, error) {
	if err := r.Config.Validate(); err != nil {
		return Effort{}, err
	}
	f := ruleFilling{Rule: r, shard: shard, skipped: make(map[string]int)}
	for barren := 0; f.added < shard.Count; {
		if barren >= maxBarren {
			return Effort{}, fmt.Errorf("%w: %d prompts in a row gave no triplet (%s): the model draws all of them right or none, or the verifier cannot tell",
				reflectionflow.ErrInvalid, barren, listed(f.skipped))
		}
		drawn, err := f.draw(ctx)
		if err != nil {
			return Effort{}, err
		}
		for _, d := range drawn {
			before := f.added
			if err := f.pair(d); err != nil {
				return Effort{}, err
			}
			if f.added >= shard.Count {
				break // what is left of the batch is not part of the shard
			}
			barren++
			if f.added > before {
				barren = 0
			}
		}
		if shard.Progress != nil {
			shard.Progress(f.effort())
		}
	}
	return f.effort(), nil
}

// ruleFilling fills one shard.
type ruleFilling struct {
	*Rule
	shard           Filling
	prompts, images int // that the triplets so far came from
	added           int
	skipped         map[string]int
}

func (f *ruleFilling) effort() Effort {
	return Effort{Prompts: f.prompts, Images: f.images}.Add(Effort{Skipped: f.skipped})
}

// attempt is one picture of a prompt.
type attempt struct {
	request reflectionflow.Request
	picture image.Image // nil when it was not drawn
	score   reflectionflow.Score
}

// drawnPrompt is a prompt with all its pictures.
type drawnPrompt struct {
	prompt   reflectionflow.Prompt
	attempts []attempt
}

// draw draws and verifies the next batch of prompts.
func (f *ruleFilling) draw(ctx context.Context) ([]drawnPrompt, error) {
	var drawn []drawnPrompt
	var requests []reflectionflow.Request
	for range f.Config.Batch {
		p, err := f.Prompts(f.shard.Random)
		if err != nil {
			return nil, err
		}
		for range f.Config.Images {
			requests = append(requests, f.Config.request(p.Text, f.shard.Random.Uint64()))
		}
		drawn = append(drawn, drawnPrompt{prompt: p})
	}
	generations, err := f.Generator.Generate(ctx, requests)
	if err != nil {
		return nil, fmt.Errorf("draw pictures: %w", err)
	}
	if len(generations) != len(requests) {
		return nil, fmt.Errorf("the generator drew %d pictures for %d requests", len(generations), len(requests))
	}
	var pictures []reflectionflow.Picture
	for i, g := range generations {
		d := &drawn[i/f.Config.Images]
		a := attempt{request: requests[i]}
		if g.Err == nil {
			a.picture = g.Image
			pictures = append(pictures, reflectionflow.Picture{Prompt: d.prompt, Image: g.Image})
		}
		d.attempts = append(d.attempts, a)
	}
	scores, err := f.Verifier.Verify(ctx, pictures)
	if err != nil {
		return nil, fmt.Errorf("verify pictures: %w", err)
	}
	if len(scores) != len(pictures) {
		return nil, fmt.Errorf("the verifier gave %d scores for %d pictures", len(scores), len(pictures))
	}
	next := 0
	for _, d := range drawn {
		for k := range d.attempts {
			if d.attempts[k].picture != nil {
				d.attempts[k].score = scores[next]
				next++
			}
		}
	}
	return drawn, nil
}

// pair adds the triplets of a prompt.
func (f *ruleFilling) pair(d drawnPrompt) error {
	f.prompts++
	f.images += len(d.attempts)
	right, wrong := f.split(d.attempts)
	switch {
	case len(right) == 0:
		f.skipped[SkippedNoRight]++
		return nil
	case len(wrong) == 0:
		f.skipped[SkippedAllRight]++
		return nil
	}
	passRate := float64(len(right)) / float64(len(d.attempts))
	for i, p := range f.match(d.prompt, right, wrong) {
		switch {
		case f.added >= f.shard.Count:
			return nil
		case i >= f.Config.MaxPairs:
			f.skipped[SkippedMany]++
			continue
		}
		if err := f.add(d.prompt, p, passRate); err != nil {
			return err
		}
	}
	return nil
}

// split sorts pictures into right and clearly wrong ones.
func (f *ruleFilling) split(attempts []attempt) (right, wrong []attempt) {
	for _, a := range attempts {
		switch {
		case a.picture == nil:
			f.skipped[SkippedFailed]++
		case a.score.Right():
			right = append(right, a)
		case slices.ContainsFunc(a.score.Requirements, func(r reflectionflow.Finding) bool { return r.Verdict == reflectionflow.NotMet }):
			wrong = append(wrong, a)
		default:
			f.skipped[SkippedUnsure]++
		}
	}
	return right, wrong
}

// match is a wrong picture with the right one that looks most like it.
type match struct {
	right, wrong attempt
	reflection   string
	distance     float64
}

// match pairs every wrong picture that can be mended, the most alike first.
func (f *ruleFilling) match(prompt reflectionflow.Prompt, right, wrong []attempt) []match {
	looks := make([]*image.RGBA, len(right))
	for i, a := range right {
		looks[i] = opaque(a.picture)
	}
	var found []match
	for _, w := range wrong {
		m := match{wrong: w, distance: 2, reflection: clipart.Instruction(clipart.Fixes(prompt, w.score.Objects))}
		if m.reflection == "" {
			f.skipped[SkippedNoFix]++
			continue
		}
		look := opaque(w.picture)
		for i, r := range right {
			if d := distance(look, looks[i]); d < m.distance {
				m.right, m.distance = r, d
			}
		}
		if m.distance == 0 {
			f.skipped[SkippedSame]++
			continue
		}
		found = append(found, m)
	}
	slices.SortStableFunc(found, func(a, b match) int { return cmp.Compare(a.distance, b.distance) })
	return found
}

func (f *ruleFilling) add(prompt reflectionflow.Prompt, m match, passRate float64) error {
	s := Sample{
		Key:     fmt.Sprintf("rule_%d_%06d", f.shard.Number, f.added),
		Triplet: reflectionflow.Triplet{Prompt: prompt.Text, Reflection: m.reflection, Subset: "rule"},
		Provenance: &Provenance{
			Source: "rule", Model: f.Model, Licence: f.Licence, PassRate: passRate, Distance: m.distance,
			Enhanced: m.right.drawing(), Flawed: m.wrong.drawing(),
		},
	}
	var err error
	if s.Flawed, err = EncodePicture(m.wrong.picture); err != nil {
		return err
	}
	if s.Enhanced, err = EncodePicture(m.right.picture); err != nil {
		return err
	}
	if err := f.shard.Add(s); err != nil {
		return err
	}
	f.added++
	return nil
}

func (a attempt) drawing() Drawing {
	r := a.request
	return Drawing{Seed: r.Seed, Width: r.Width, Height: r.Height, Steps: r.Steps, Guidance: r.Guidance, Score: a.score.Value}
}
