package verifier

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"
	"strings"
	"time"

	"github.com/gomlx/compute"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/verifier/detect"
	"reflectionflow/verifier/reward"
)

// The folders of the two networks in a model.
const (
	detectorFolder = "detector"
	rewardFolder   = "verifier"
)

// Detector reads a picture; [detect.Detector] is one.
type Detector interface {
	Config() detect.Config
	Read(img image.Image) ([]detect.Detection, error)
}

// Rewarder says how well a picture fits a text; [reward.Model] is one.
type Rewarder interface {
	Score(text string, img image.Image) (float64, error)
}

// Options say how findings are read; the zero value is the default.
type Options struct {
	// Met and NotMet are the confidences from which a requirement counts as met and
	// up to which as not met; between them the verdict is unsure. 0.6 and 0.4 by
	// default: the confidences are calibrated, and a doubt is worth another image.
	Met, NotMet float64
	// RewardWeight is what the reward network adds to the value at most: 0.1 by
	// default, less than one requirement seen half as clearly; -1 for nothing.
	RewardWeight float64
}

func (o Options) withDefaults() Options {
	if o.Met == 0 {
		o.Met = 0.6
	}
	if o.NotMet == 0 {
		o.NotMet = 0.4
	}
	switch o.RewardWeight {
	case 0:
		o.RewardWeight = 0.1
	case -1:
		o.RewardWeight = 0
	}
	return o
}

// Embedded is the verifier of the embedded world. Each requirement gets the
// probability p that it is met, given what the detector sees (see [Confidence]).
// The value of a picture is
//
//	mean over requirements of ln(max(p, 0.001)) + weight · sigmoid(reward) + 1 if all are met
//
// so that a picture that is right is above every other one (all p are at least
// Options.Met then, whose logarithm is above -1); else it is a mean
// log-likelihood, and the reward network decides between pictures that the
// detector finds alike. It may be used from several
// goroutines.
type Embedded struct {
	detector Detector
	reward   Rewarder
	options  Options
	closers  []func() error
}

// leastConfidence bounds what one hopeless requirement costs.
const leastConfidence = 0.001

// New makes a verifier of two networks; reward may be nil for none.
func New(detector Detector, reward Rewarder, options Options) *Embedded {
	return &Embedded{detector: detector, reward: reward, options: options.withDefaults()}
}

// Load reads both networks from a model's folders "detector" and "verifier". A
// model without the second has no reward. What is missing or damaged gives an
// error wrapping [reflectionflow.ErrInvalid].
func Load(backend compute.Backend, model fs.FS, options Options) (*Embedded, error) {
	detector, err := detect.Load(backend, model, detectorFolder)
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(model, rewardFolder); errors.Is(err, fs.ErrNotExist) {
		e := New(detector, nil, options)
		e.closers = append(e.closers, detector.Close)
		return e, nil
	}
	preference, err := reward.Load(backend, model, rewardFolder)
	if err != nil {
		return nil, errors.Join(err, detector.Close())
	}
	e := New(detector, preference, options)
	e.closers = append(e.closers, detector.Close, preference.Close)
	return e, nil
}

// Close frees the networks that [Load] read.
func (e *Embedded) Close() error {
	var errs []error
	for _, c := range e.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// Abilities implements [reflectionflow.DeclaringVerifier]: the kinds that
// [clipart.Parse] makes.
func (e *Embedded) Abilities() reflectionflow.Abilities {
	return reflectionflow.Abilities{Kinds: []reflectionflow.Kind{
		reflectionflow.AtLeast, reflectionflow.Exactly, reflectionflow.Absent, reflectionflow.Position,
	}}
}

// Verify implements [reflectionflow.Verifier]. Prompts without requirements are
// parsed by [clipart.Parse]. Pictures are scaled to the size the networks know.
func (e *Embedded) Verify(ctx context.Context, pictures []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores := make([]reflectionflow.Score, len(pictures))
	err := detect.Spread(ctx, len(pictures), func(i int) (err error) {
		scores[i], err = e.verify(pictures[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return scores, nil
}

// VerifyPreviews implements [reflectionflow.PreviewVerifier]: Verify without the
// reward network, which was tuned on finished pictures.
func (e *Embedded) VerifyPreviews(ctx context.Context, pictures []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return New(e.detector, nil, e.options).Verify(ctx, pictures)
}

func (e *Embedded) verify(p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
	start := time.Now()
	prompt, err := e.parsed(p.Prompt)
	if err != nil {
		return reflectionflow.Score{}, err
	}
	detections, err := e.detector.Read(p.Image)
	if err != nil {
		return reflectionflow.Score{}, fmt.Errorf("detect objects: %w", err)
	}
	cfg := e.detector.Config()
	score := reflectionflow.Score{Objects: cfg.Objects(detections)}
	for _, r := range prompt.Requirements {
		score.Requirements = append(score.Requirements, e.find(cfg, r, detections, score.Objects))
	}
	score.Value = value(score.Requirements)
	if score.Right() {
		score.Value++
	}
	if e.reward != nil && e.options.RewardWeight > 0 {
		fit, err := e.reward.Score(clipart.ShortCaption(prompt.Requirements), p.Image)
		if err != nil {
			return reflectionflow.Score{}, fmt.Errorf("score the picture: %w", err)
		}
		score.Value += e.options.RewardWeight / (1 + math.Exp(-fit))
	}
	score.Detail = detail(score.Objects)
	score.Cost = reflectionflow.Cost{VerifierCalls: 1, Seconds: time.Since(start).Seconds()}
	return score, nil
}

// parsed returns the prompt with requirements that the detector knows.
func (e *Embedded) parsed(p reflectionflow.Prompt) (reflectionflow.Prompt, error) {
	if err := p.Validate(); err != nil {
		return p, err
	}
	if len(p.Requirements) == 0 {
		parsed, err := clipart.Parse(p.Text)
		if err != nil {
			return p, err
		}
		p.Requirements = parsed.Requirements
	}
	return p, nil
}

// find is what is found for one requirement. The evidence is what [clipart.Check]
// rests on among the objects that are clear enough to be named.
func (e *Embedded) find(cfg detect.Config, r reflectionflow.Requirement, detections []detect.Detection, objects []reflectionflow.Object) reflectionflow.Finding {
	f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.Unsure}
	var known bool
	if f.Confidence, known = Confidence(cfg, r, detections); !known {
		return f
	}
	_, f.Evidence = clipart.Check(r, objects)
	switch {
	case f.Confidence >= e.options.Met:
		f.Verdict = reflectionflow.Met
	case f.Confidence <= e.options.NotMet:
		f.Verdict = reflectionflow.NotMet
	}
	return f
}

func value(findings []reflectionflow.Finding) float64 {
	sum := 0.0
	for _, f := range findings {
		sum += math.Log(max(f.Confidence, leastConfidence))
	}
	return sum / float64(max(len(findings), 1))
}

// detail lists what was seen, for people.
func detail(objects []reflectionflow.Object) string {
	if len(objects) == 0 {
		return "saw nothing"
	}
	var seen []string
	for _, o := range objects {
		seen = append(seen, strings.TrimSpace(o.Color+" "+o.Class)+fmt.Sprintf(" %.0f%%", 100*o.Confidence))
	}
	return "saw " + strings.Join(seen, ", ")
}
