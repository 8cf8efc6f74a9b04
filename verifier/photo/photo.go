// Package photo judges photographs by a detector of COCO's 80 classes and by the colors in its boxes,
// without a server or a download:
//
//	v, err := photo.Open(ctx, photo.Options{})
//	defer v.Close()
//	scores, err := v.Verify(ctx, images)
//
// It judges whether objects are there and how many, up to five, their colors, where they are in the
// image, and where they are from one another. Everything else gets the verdict unsure: objects that are
// not among the classes, text, actions, styles. models/coco/README.md has the measured precision and
// recall of each kind of verdict.
package photo

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"reflectionflow"
)

// Options set the thresholds of verdicts and what the network computes on. Zero values mean the defaults.
type Options struct {
	// Backend is what the network computes on, see [ssdlite.Options].
	Backend string
	// A requirement with a confidence of at least Met is met, of at most NotMet not met, and in
	// between unsure. The defaults are 0.6 and 0.4. Whether objects are there, and how many, is met from 0.75 on:
	// what is nearly right is common.
	Met, NotMet float64
}

// Verifier is the verifier of photographs. The value of an image is
//
//	mean over judged requirements of weight · ln(max(confidence, 0.001)) + 1 if nothing is wrong
//
// where the weight of what the image only should show is a half. An image in which nothing is
// wrong ([reflectionflow.Score.NothingWrong]) has a higher value than any other. Requirements that
// cannot be judged do not count. It is
// safe for concurrent use.
type Verifier struct {
	finder  Finder
	rules   *rules
	options Options
}

// Finder finds objects in photographs. Its methods may be called from several goroutines.
type Finder interface {
	// Find lists the detections in each image that its prompt's requirements may be about, in order, and faint ones as
	// well. A confidence is the probability that there is such an object. Classes are those of Class; colors are not
	// used. The rules for images, errors and ctx are those of [reflectionflow.Verifier].
	Find(ctx context.Context, images []reflectionflow.PromptedImage) ([][]reflectionflow.Object, error)
	// Class returns the class that a noun names. whole is set when every object of the class is one: of a narrower noun,
	// none is there where none of the class is seen, but one that is seen may be of another kind. known is false where
	// nothing can be found.
	Class(noun string) (name string, whole, known bool)
	// Close frees the networks.
	Close() error
}

// mostFound is how many objects of a class a [Finder] is expected to tell apart.
const mostFound = 12

// New returns a verifier by the boxes of a finder, which it closes. Requirements of more than twelve objects are unsure.
// Confidences are as good as those of the finder: nothing is fitted. The error is that of [Options.Check].
func New(f Finder, o Options) (*Verifier, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	same := curve{0, 1}
	return &Verifier{finder: f, options: o.withDefaults(), rules: &rules{
		class: f.Class, most: mostFound, there: same, tinted: same, placed: same,
	}}, nil
}

func (o Options) withDefaults() Options {
	if o.Met == 0 {
		o.Met = 0.6
	}
	if o.NotMet == 0 {
		o.NotMet = 0.4
	}
	return o
}

// Check reports thresholds out of range, as an error wrapping [reflectionflow.ErrInvalid].
func (o Options) Check() error {
	if o = o.withDefaults(); !(o.NotMet >= 0 && o.NotMet < o.Met && o.Met <= 1) {
		return fmt.Errorf("%w: met %v and not met %v: must be from 0 to 1, and met above not met", reflectionflow.ErrInvalid, o.Met, o.NotMet)
	}
	return nil
}

// Open loads the detector with the embedded weights; see package ssdlite for the memory that it takes and
// for the errors.
func Open(ctx context.Context, o Options) (*Verifier, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("photo verifier: %w", err)
	}
	o = o.withDefaults()
	detector, err := OpenDetector(ctx, o.Backend)
	if err != nil {
		return nil, err
	}
	return &Verifier{finder: detector, rules: &coco, options: o}, nil
}

// Close frees the network. No Verify may run or follow.
func (v *Verifier) Close() error { return v.finder.Close() }

// Abilities implements [reflectionflow.DeclaringVerifier].
func (v *Verifier) Abilities() reflectionflow.Abilities { return Abilities() }

// Abilities are the kinds of requirement that a [Verifier] judges, where it knows the objects and colors
// (see [Judges]).
func Abilities() reflectionflow.Abilities {
	return reflectionflow.Abilities{Kinds: []reflectionflow.Kind{
		reflectionflow.AtLeast, reflectionflow.Exactly, reflectionflow.AtMost, reflectionflow.Absent,
		reflectionflow.Color, reflectionflow.Position, reflectionflow.Place,
	}}
}

// Verify implements [reflectionflow.Verifier]. Images may have any size and color model.
func (v *Verifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	start := time.Now()
	for _, p := range images {
		if err := p.Prompt.Validate(); err != nil {
			return nil, err
		}
	}
	found, err := v.finder.Find(ctx, images)
	if err != nil {
		return nil, err
	}
	scenes := make([]*scene, len(images))
	for i, p := range images {
		scenes[i] = newScene(v.rules, p.Image, found[i])
	}
	scores := make([]reflectionflow.Score, len(images))
	for i, p := range images {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		scores[i] = v.score(p, scenes[i])
	}
	for i := range scores {
		scores[i].Cost = reflectionflow.Cost{VerifierCalls: 1, Seconds: time.Since(start).Seconds() / float64(len(images))}
	}
	return scores, nil
}

// score judges one image.
func (v *Verifier) score(p reflectionflow.PromptedImage, s *scene) reflectionflow.Score {
	score := reflectionflow.Score{Objects: s.listed()}
	for _, r := range p.Prompt.Requirements {
		f := v.finding(r, s)
		if f.Unjudged && len(f.Evidence) > 0 {
			if all := s.together(p.Prompt, r.Object); all < v.options.Met {
				f.Unjudged, f.Confidence = false, all // too few for all that are asked for: which is missing is not known
			}
		}
		score.Requirements = append(score.Requirements, f)
	}
	score.Value = v.rules.value(score.Requirements)
	score.Detail = detail(score.Objects)
	return score
}

// finding judges one requirement.
func (v *Verifier) finding(r reflectionflow.Requirement, s *scene) reflectionflow.Finding {
	f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.Unsure, Confidence: 0.5}
	p, evidence, known := s.judge(r)
	if !known {
		f.Unjudged = true
		return f
	}
	f.Confidence = p
	for _, o := range evidence {
		f.Evidence = append(f.Evidence, o.seen())
	}
	least := v.options.Met
	if counts(r) {
		least = max(least, s.doubt)
	}
	switch {
	case p >= least && s.exact(r):
		f.Verdict = reflectionflow.Met
	case p >= least:
		f.Unjudged = true // there is a dog, and a puppy may be asked for
	case p <= v.options.NotMet:
		f.Verdict = reflectionflow.NotMet
	}
	return f
}

// leastConfidence bounds the effect of one requirement on the value.
const leastConfidence = 0.001

// value is the value of a score with these findings; see [Verifier].
func (k *rules) value(findings []reflectionflow.Finding) float64 {
	sum, weights := 0.0, 0.0
	for _, f := range findings {
		if !k.judges(f.Requirement) {
			continue
		}
		weight := 1.0
		if f.Requirement.Weight == reflectionflow.Should {
			weight = 0.5
		}
		sum += weight * math.Log(max(f.Confidence, leastConfidence))
		weights += weight
	}
	switch {
	case weights == 0:
		return 0
	case reflectionflow.Score{Requirements: findings}.NothingWrong():
		return sum/weights + 1
	}
	return sum / weights
}

// detail lists the detected objects for people.
func detail(objects []reflectionflow.Object) string {
	if len(objects) == 0 {
		return "saw nothing that it knows"
	}
	var seen []string
	for _, o := range objects {
		seen = append(seen, strings.TrimSpace(o.Color+" "+o.Class)+fmt.Sprintf(" %.0f%%", 100*o.Confidence))
	}
	return "saw " + strings.Join(seen, ", ")
}
