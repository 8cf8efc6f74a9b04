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

// Folders of the two networks in a model.
const (
	detectorFolder = "detector"
	rewardFolder   = "verifier"
)

// Detector detects the objects of an image; [detect.Detector] implements it.
type Detector interface {
	Config() detect.Config
	Read(img image.Image) ([]detect.Detection, error)
}

// RewardModel scores how well an image fits a text; [reward.Model] implements it.
type RewardModel interface {
	Score(text string, img image.Image) (float64, error)
}

// Options set the thresholds of verdicts and the weight of the reward. The zero value has the
// defaults.
type Options struct {
	// A requirement with a confidence of at least Met is met, of at most NotMet not met, and in
	// between unsure. The defaults are 0.6 and 0.4: confidences are calibrated, and an unsure
	// verdict is worth another image.
	Met, NotMet float64
	// RewardWeight is the most that the reward network adds to the value. The default is 0.1, less
	// than the effect of halving the confidence of one requirement; -1 means 0.
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

// Embedded is the verifier of the embedded model. The confidence p of a requirement is the
// probability that it holds, given the detections (see [Confidence]). The value of an image is
//
//	mean over requirements of ln(max(p, 0.001)) + weight · sigmoid(reward) + 1 if all are
//
// met
//
// An image that meets all requirements therefore has a higher value than any other: all p are at
// least Options.Met, whose logarithm is above -1. Otherwise the value is a mean log-likelihood,
// and the reward network decides between images with like detections. Embedded is safe for
// concurrent use.
type Embedded struct {
	detector Detector
	previews Detector // for previews, whose objects are pale
	reward   RewardModel
	options  Options
	closers  []func() error
}

// leastConfidence bounds the effect of one requirement on the value.
const leastConfidence = 0.001

// New returns a verifier of two networks; reward may be nil for none.
func New(detector Detector, reward RewardModel, options Options) *Embedded {
	return &Embedded{detector: detector, previews: detector, reward: reward, options: options.withDefaults()}
}

// Load reads both networks from the folders "detector" and "verifier" of a model. Without the
// second there is no reward. Detections that nobody can see do not count ([template.Visible]). The error wraps [reflectionflow.ErrInvalid] if files are missing or
// damaged.
func Load(backend compute.Backend, model fs.FS, options Options) (*Embedded, error) {
	detector, err := detect.Load(backend, model, detectorFolder)
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(model, rewardFolder); errors.Is(err, fs.ErrNotExist) {
		e := New(visible{detector}, nil, options)
		e.previews = detector
		e.closers = append(e.closers, detector.Close)
		return e, nil
	}
	preference, err := reward.Load(backend, model, rewardFolder)
	if err != nil {
		return nil, errors.Join(err, detector.Close())
	}
	e := New(visible{detector}, preference, options)
	e.previews = detector
	e.closers = append(e.closers, detector.Close, preference.Close)
	return e, nil
}

// Close frees the networks read by [Load].
func (e *Embedded) Close() error {
	var errs []error
	for _, c := range e.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// Abilities implements [reflectionflow.DeclaringVerifier]: GenEval's kinds of
// requirement.
func (e *Embedded) Abilities() reflectionflow.Abilities {
	return reflectionflow.Abilities{Kinds: []reflectionflow.Kind{
		reflectionflow.AtLeast, reflectionflow.Exactly, reflectionflow.Absent, reflectionflow.Position,
	}}
}

// Verify implements [reflectionflow.Verifier]. It parses prompts without requirements by
// [clipart.Parse] and scales images to the size of the networks.
func (e *Embedded) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores := make([]reflectionflow.Score, len(images))
	err := detect.ForEach(ctx, len(images), func(i int) (err error) {
		scores[i], err = e.verify(images[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return scores, nil
}

// VerifyPreviews implements [reflectionflow.PreviewVerifier]: Verify without the reward network,
// which was tuned on finished images.
func (e *Embedded) VerifyPreviews(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return New(e.previews, nil, e.options).Verify(ctx, images)
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
		score.Requirements = append(score.Requirements, e.finding(cfg, r, detections, score.Objects))
	}
	score.Value = value(score.Requirements)
	if score.Right() {
		score.Value++
	}
	if e.reward != nil && e.options.RewardWeight > 0 {
		fit, err := e.reward.Score(clipart.ShortCaption(clipart.Known(prompt.Requirements)), p.Image)
		if err != nil {
			return reflectionflow.Score{}, fmt.Errorf("score the image: %w", err)
		}
		score.Value += e.options.RewardWeight / (1 + math.Exp(-fit))
	}
	score.Detail = detail(score.Objects)
	score.Cost = reflectionflow.Cost{VerifierCalls: 1, Seconds: time.Since(start).Seconds()}
	return score, nil
}

// parsed returns the prompt with its requirements.
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

// finding judges one requirement. The evidence is that of [clipart.Check] among the detections
// above the threshold.
func (e *Embedded) finding(cfg detect.Config, r reflectionflow.Requirement, detections []detect.Detection, objects []reflectionflow.Object) reflectionflow.Finding {
	f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.Unsure}
	var known bool
	if f.Confidence, known = Confidence(cfg, r, detections); !known {
		f.Unjudged = true
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

// detail lists the detected objects for people.
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
