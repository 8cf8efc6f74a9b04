// Package similarity judges images by networks that say how well an image fits a text, such as those of
// package clip:
//
//	v, err := similarity.New(model, similarity.Options{})
//	scores, err := v.Verify(ctx, images)
//
// The value of an image is its similarity to the whole prompt. Colors, attributes, scenes and styles get
// findings by contrast: the network chooses between what the prompt asks for and other colors, materials
// and so on. The network sees the image as a whole, so it cannot count, it cannot tell which of two
// objects has a property, and it does not know where objects are: such requirements are unsure.
package similarity

import (
	"context"
	"fmt"
	"image"
	"math"
	"time"

	"reflectionflow"
	"reflectionflow/vision/clip"
)

// Model turns images and texts into vectors of length 1; [clip.Model] implements it.
type Model interface {
	Images(ctx context.Context, images []image.Image) ([][]float32, error)
	Texts(ctx context.Context, texts []string) ([][]float32, error)
	// Logit is how well the vectors fit: the softmax over texts is the probability of each.
	Logit(image, text []float32) float64
}

// limited is a model that may say that it reads the beginning of a text only.
type limited interface{ Fits(text string) bool }

// Options set the thresholds of verdicts. Zero values mean the defaults.
type Options struct {
	// A requirement with a confidence of at least Met is met, of at most NotMet not met, and in between
	// unsure. The defaults are 0.7 and 0.1: the network is often sure of something wrong.
	Met, NotMet float64
}

// Verifier is a verifier by similarity. It is safe for concurrent use if its model is.
type Verifier struct {
	model   Model
	options Options
}

// New returns a verifier by a model. Options out of range give an error wrapping
// [reflectionflow.ErrInvalid].
func New(model Model, o Options) (*Verifier, error) {
	if o.Met == 0 {
		o.Met = 0.7
	}
	if o.NotMet == 0 {
		o.NotMet = 0.1
	}
	if !(o.NotMet >= 0 && o.NotMet < o.Met && o.Met <= 1) {
		return nil, fmt.Errorf("%w: met %v and not met %v: must be from 0 to 1, and met above not met", reflectionflow.ErrInvalid, o.Met, o.NotMet)
	}
	return &Verifier{model: model, options: o}, nil
}

// Abilities are the kinds of requirement that a [Verifier] gives findings for.
func Abilities() reflectionflow.Abilities {
	return reflectionflow.Abilities{Kinds: []reflectionflow.Kind{reflectionflow.Color, reflectionflow.Attribute, reflectionflow.Scene, reflectionflow.Style}}
}

// Abilities implements [reflectionflow.DeclaringVerifier].
func (v *Verifier) Abilities() reflectionflow.Abilities { return Abilities() }

// Verify implements [reflectionflow.Verifier].
func (v *Verifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	start := time.Now()
	plain := make([]image.Image, len(images))
	for i, p := range images {
		if err := p.Prompt.Validate(); err != nil {
			return nil, err
		}
		plain[i] = p.Image
	}
	vectors, err := v.model.Images(ctx, plain)
	if err != nil {
		return nil, fmt.Errorf("measure similarity: %w", err)
	}
	scores := make([]reflectionflow.Score, len(images))
	for i, p := range images {
		if scores[i], err = v.score(ctx, p.Prompt, vectors[i]); err != nil {
			return nil, fmt.Errorf("measure similarity: %w", err)
		}
	}
	for i := range scores {
		scores[i].Cost = reflectionflow.Cost{VerifierCalls: 1, Seconds: time.Since(start).Seconds() / float64(len(images))}
	}
	return scores, nil
}

func (v *Verifier) score(ctx context.Context, prompt reflectionflow.Prompt, image []float32) (reflectionflow.Score, error) {
	whole, err := v.model.Texts(ctx, []string{prompt.Text})
	if err != nil {
		return reflectionflow.Score{}, err
	}
	score := reflectionflow.Score{Value: clip.Cosine(image, whole[0])}
	score.Detail = fmt.Sprintf("similarity to the prompt %.3f", score.Value)
	if m, ok := v.model.(limited); ok && !m.Fits(prompt.Text) {
		score.Detail += "; the network reads the beginning of this prompt only"
	}
	for i, r := range prompt.Requirements {
		f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.Unsure, Confidence: 0.5, Unjudged: true}
		if c, ok := contrastOf(prompt, i); ok {
			f.Unjudged = false
			if f.Confidence, err = v.confidence(ctx, c, image); err != nil {
				return reflectionflow.Score{}, err
			}
			switch {
			case f.Confidence >= v.options.Met:
				f.Verdict = reflectionflow.Met
			case f.Confidence <= v.options.NotMet:
				f.Verdict = reflectionflow.NotMet
			}
		}
		score.Requirements = append(score.Requirements, f)
	}
	return score, nil
}

// confidence is the probability of what is asked for among the alternatives of a contrast. A phrase is the
// mean of its wordings, as GenEval classifies colors.
func (v *Verifier) confidence(ctx context.Context, c contrast, image []float32) (float64, error) {
	asked, sum := 0.0, 0.0
	peak := math.Inf(-1)
	logits := make([]float64, len(c.wordings))
	for i, wordings := range c.wordings {
		vectors, err := v.model.Texts(ctx, wordings)
		if err != nil {
			return 0, err
		}
		logits[i] = v.model.Logit(image, clip.Mean(vectors))
		peak = max(peak, logits[i])
	}
	for i, logit := range logits {
		p := math.Exp(logit - peak)
		sum += p
		if i == 0 {
			asked = p
		}
	}
	return asked / sum, nil
}
