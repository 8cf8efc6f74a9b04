package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image"
	"image/draw"
	"math/rand/v2"

	"reflectionflow"
	"reflectionflow/clipart"
)

// FlipOptions say how often a [Flipped] verifier is wrong, and how.
type FlipOptions struct {
	// Rate is the probability that a verdict is wrong, in [0, 0.5].
	Rate float64
	// Systematic makes the same error on all images of a prompt, as a model does that misreads a
	// requirement. Otherwise errors on different images are independent.
	Systematic bool
	// Seed chooses the errors. With the same seed, the errors at a rate are among those at any
	// higher rate.
	Seed uint64
}

// Flipped makes a verifier wrong at a known rate, to measure what its accuracy is worth. Its card:
//
//   - Every verdict on a requirement that the inner verifier judges is turned into the other one
//     with probability Rate, by a hash of the seed, the requirement and the pixels of the image
//     (of the prompt, if Systematic). An unsure verdict is first decided by its confidence.
//   - It does not know when it errs: every verdict has the confidence [FlippedConfidence], or 1
//     less that.
//   - Its value is the share of the requirements that it finds met, and 1 more where all are. Less
//     than half a requirement is a hash of the pixels. So the value ranks by the wrong verdicts and
//     nothing else: images with the same verdicts come in random order.
//   - The objects are those of the inner verifier, changed so that they show what the verdicts say
//     where one change can do that: a reflector that looks at them words what is not wrong, and
//     misses what is. Positions and counts that contradict each other cannot both be shown.
//
// It costs what the inner verifier costs. It is no previewer, and is safe for concurrent use.
type Flipped struct {
	inner   reflectionflow.Verifier
	options FlipOptions
}

var _ reflectionflow.DeclaringVerifier = (*Flipped)(nil)

// FlippedConfidence is what a [Flipped] verifier claims for a requirement that it finds met.
const FlippedConfidence = 0.95

// NewFlipped wraps a verifier. One without findings, and a rate out of range, are errors wrapping
// [reflectionflow.ErrInvalid].
func NewFlipped(inner reflectionflow.Verifier, o FlipOptions) (*Flipped, error) {
	switch {
	case inner == nil:
		return nil, fmt.Errorf("%w: there is no verifier whose verdicts could be flipped", reflectionflow.ErrInvalid)
	case !reflectionflow.AbilitiesOf(inner).Findings():
		return nil, fmt.Errorf("%w: the verifier gives no findings, so no verdict can be flipped: use one that judges requirements", reflectionflow.ErrInvalid)
	case !(o.Rate >= 0 && o.Rate <= 0.5):
		return nil, fmt.Errorf("%w: a share of %v flipped verdicts: must be from 0 to 0.5", reflectionflow.ErrInvalid, o.Rate)
	}
	return &Flipped{inner, o}, nil
}

// Abilities implements [reflectionflow.DeclaringVerifier].
func (f *Flipped) Abilities() reflectionflow.Abilities { return reflectionflow.AbilitiesOf(f.inner) }

// Verify implements [reflectionflow.Verifier].
func (f *Flipped) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := f.inner.Verify(ctx, images)
	if err != nil {
		return nil, err
	}
	if len(scores) != len(images) {
		return nil, fmt.Errorf("the verifier gave %d scores for %d images", len(scores), len(images))
	}
	flipped := make([]reflectionflow.Score, len(scores))
	for i, p := range images {
		flipped[i] = f.score(p, scores[i])
	}
	return flipped, ctx.Err()
}

func (f *Flipped) score(p reflectionflow.PromptedImage, s reflectionflow.Score) reflectionflow.Score {
	if s.Unanswered != "" {
		return s
	}
	pixels := pixelSum(p.Image)
	about := pixels[:]
	if f.options.Systematic {
		about = []byte(p.Prompt.Text)
	}
	out := reflectionflow.Score{Requirements: make([]reflectionflow.Finding, len(s.Requirements)), Cost: s.Cost}
	objects := append([]reflectionflow.Object{}, s.Objects...)
	met, judged := 0, 0
	for i, found := range s.Requirements {
		if found.Unjudged {
			out.Requirements[i] = found
			continue
		}
		truth := found.Verdict == reflectionflow.Met || found.Verdict == reflectionflow.Unsure && found.Confidence >= 0.5
		says := truth != (f.uniform("verdict", about, found.Requirement) < f.options.Rate)
		if says != truth {
			random := rand.New(rand.NewPCG(f.hash("objects", about, found.Requirement), 0)) //nolint:gosec // reproducible on purpose
			objects = pretend(found.Requirement, objects, says, random)
		}
		out.Requirements[i] = reflectionflow.Finding{Requirement: found.Requirement, Verdict: reflectionflow.NotMet, Confidence: 1 - FlippedConfidence}
		judged++
		if says {
			out.Requirements[i].Verdict, out.Requirements[i].Confidence = reflectionflow.Met, FlippedConfidence
			met++
		}
	}
	if len(s.Objects) > 0 { // a verifier that names no objects goes on naming none
		out.Objects = objects
		for i := range out.Requirements {
			_, out.Requirements[i].Evidence = clipart.Check(out.Requirements[i].Requirement, objects)
		}
	}
	rank := f.uniform("rank", pixels[:], reflectionflow.Requirement{})
	out.Value = (float64(met) + rank/2) / float64(max(judged, 1))
	if out.Right() {
		out.Value++
	}
	out.Detail = detail(out.Objects)
	return out
}

// uniform is a number in [0, 1) that is random in its arguments.
func (f *Flipped) uniform(purpose string, about []byte, r reflectionflow.Requirement) float64 {
	return float64(f.hash(purpose, about, r)>>11) / (1 << 53)
}

func (f *Flipped) hash(purpose string, about []byte, r reflectionflow.Requirement) uint64 {
	r.Words = "" // the words of the prompt do not change what is asked for
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s/%d/%+v/", purpose, f.options.Seed, r) // a hash never fails to write
	_, _ = h.Write(about)
	return binary.LittleEndian.Uint64(h.Sum(nil))
}

// pixelSum is a hash of an image's size and pixels, whatever its type and origin.
func pixelSum(img image.Image) [sha256.Size]byte {
	b := img.Bounds()
	m := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(m, m.Rect, img, b.Min, draw.Src)
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%dx%d/", b.Dx(), b.Dy())
	_, _ = h.Write(m.Pix)
	return [sha256.Size]byte(h.Sum(nil))
}
