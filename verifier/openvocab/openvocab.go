// Package openvocab judges photographs by a detector of any phrase, OWLv2: whether objects are there and how many, their
// colors, and where they are.
//
//	v, err := openvocab.Open(ctx, openvocab.Options{Path: "owlv2-base-patch16-ensemble"})
//	defer v.Close()
//	scores, err := v.Verify(ctx, images)
//
// What boxes show is judged as package photo does it for the built-in detector. The probabilities are not fitted: see
// [Options].
package openvocab

import (
	"context"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/verifier/photo"
	"reflectionflow/vision/owlv2"
)

// Options say which network to load and when an object counts as there. Zero values mean the defaults.
type Options struct {
	// Path is the folder of the network.
	Path string
	// Backend is that of [owlv2.Options].
	Backend string
	// Threshold is the network's confidence at which an object is as likely there as not; 0.2 by default. Published uses
	// of OWLv2 have 0.1 to 0.3. Slope says how fast the probability of an object grows with the log odds of the
	// confidence; 2.5 by default, so that it is about an eighth at half the threshold. [Verifier.Tune] fits both.
	Threshold, Slope float64
	// Met and NotMet are those of [photo.Options].
	Met, NotMet float64
}

// faintest is the network's confidence from which on [Verifier.Tune] looks at objects.
const faintest = 0.01

func (o Options) slope() float64 {
	if o.Slope == 0 {
		return 2.5
	}
	return o.Slope
}

func (o Options) threshold() float64 {
	if o.Threshold == 0 {
		return 0.2
	}
	return o.Threshold
}

// Check reports options out of range, as an error wrapping [reflectionflow.ErrInvalid].
func (o Options) Check() error {
	if t := o.threshold(); !(t > 0 && t < 1) {
		return fmt.Errorf("%w: threshold %v: must be between 0 and 1", reflectionflow.ErrInvalid, t)
	}
	if s := o.slope(); !(s > 0 && s <= 20) {
		return fmt.Errorf("%w: slope %v: must be above 0, and at most 20", reflectionflow.ErrInvalid, s)
	}
	return photo.Options{Met: o.Met, NotMet: o.NotMet}.Check()
}

// Verifier is the verifier by OWLv2's boxes. Its value is that of [photo.Verifier].
type Verifier struct {
	*photo.Verifier
	detector *owlv2.Detector
	finder   *finder
}

// Notes says, for people, what was assumed because the folder lacks files.
func (v *Verifier) Notes() []string { return v.detector.Notes() }

// Open loads a network. Files that are missing, damaged or of another network, and options out of range, give an error
// wrapping [reflectionflow.ErrInvalid].
func Open(ctx context.Context, o Options) (*Verifier, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	detector, err := owlv2.Open(ctx, o.Path, owlv2.Options{Backend: o.Backend, Threshold: min(o.threshold()/2, faintest)})
	if err != nil {
		return nil, err
	}
	found := &finder{detector, o.threshold(), o.slope()}
	v, err := photo.New(found, photo.Options{Met: o.Met, NotMet: o.NotMet})
	if err != nil {
		return nil, err
	}
	return &Verifier{v, detector, found}, nil
}

// detector is what [owlv2.Detector] can do.
type detector interface {
	Detect(ctx context.Context, images []image.Image, phrases []string) ([][]reflectionflow.Object, error)
	Fits(phrase string) bool
	Close() error
}

// finder implements [photo.Finder].
type finder struct {
	detector
	threshold, slope float64
}

// Class implements [photo.Finder]: every phrase that the network can read is a class.
func (f *finder) Class(noun string) (name string, whole, known bool) {
	name = strings.ToLower(strings.TrimSpace(noun))
	return name, true, name != "" && f.Fits(name)
}

// Find implements [photo.Finder]. Images of one prompt, as in a search, are looked at together.
func (f *finder) Find(ctx context.Context, images []reflectionflow.PromptedImage) ([][]reflectionflow.Object, error) {
	found := make([][]reflectionflow.Object, len(images))
	groups := map[string][]int{}
	var order []string
	for i, p := range images {
		phrases := strings.Join(f.phrases(p.Prompt), "\n")
		if groups[phrases] == nil {
			order = append(order, phrases)
		}
		groups[phrases] = append(groups[phrases], i)
	}
	for _, phrases := range order {
		group := groups[phrases]
		plain := make([]image.Image, len(group))
		for k, i := range group {
			plain[k] = images[i].Image
		}
		// Without a phrase the images are checked all the same.
		objects, err := f.Detect(ctx, plain, slices.DeleteFunc(strings.Split(phrases, "\n"), func(p string) bool { return p == "" }))
		if err != nil {
			return nil, err
		}
		for k, i := range group {
			objects[k] = slices.DeleteFunc(objects[k], func(o reflectionflow.Object) bool { return o.Confidence <= f.threshold/2 })
			for j := range objects[k] {
				objects[k][j].Confidence = f.likely(objects[k][j].Confidence)
			}
			found[i] = objects[k]
		}
	}
	return found, nil
}

// phrases lists the objects of a prompt's requirements, sorted.
func (f *finder) phrases(p reflectionflow.Prompt) []string {
	var list []string
	for _, r := range p.Requirements {
		if !photo.Abilities().Judges(r.Kind) {
			continue
		}
		for _, noun := range []string{r.Object, r.Target, r.Second} {
			if name, _, known := f.Class(noun); known && !strings.Contains(name, "\n") {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// likely is the probability of an object by the network's confidence: a half at the threshold.
func (f *finder) likely(confidence float64) float64 {
	logit := func(p float64) float64 { return math.Log(p / (1 - p)) }
	return 1 / (1 + math.Exp(f.slope*(logit(f.threshold)-logit(min(confidence, 1-1e-9)))))
}
