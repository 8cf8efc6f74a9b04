package search

import (
	"context"
	"image"
	"image/draw"
	"slices"

	"reflectionflow"
)

// A verifier may err, and one that says "right" once may be lucky. The strategy
// adaptive-confirm asks again, about the same image moved by a pixel or so: a verifier whose error hangs on details
// of the pixels then answers independently, and one that misreads the prompt answers the same. Asking
// costs a call of the verifier and no image.
const (
	// lead is by how many answers one verdict on a requirement must lead to be taken.
	lead = 2
	// mostAsks is how often one image is asked about.
	mostAsks = 5
	// doubtful is the share of findings contradicted by the second answer above which every
	// image is asked about until there is a lead. A verifier that errs in a share p of its
	// findings contradicts itself in 2p(1-p).
	doubtful = 0.05
	// trusted is how many findings without a contradiction a verifier starts with.
	trusted = 4
)

// doubts reports whether the next image is asked about more than once, whatever the first
// answer: the first image of a prompt is, and all are once the verifier has contradicted
// itself too often. An image that looks right always is.
func (h history) doubts() bool {
	contradicted, compared := 0, trusted
	for _, c := range h.candidates {
		if c.Score.Asks > 1 {
			contradicted += c.Score.Contradicted
			compared += len(c.Score.Judged())
		}
	}
	return len(h.candidates) == 0 || float64(contradicted) > doubtful*float64(compared)
}

// answers are all that a verifier said about one image, the first answer first.
type answers struct {
	item   *item
	image  reflectionflow.PromptedImage
	scores []reflectionflow.Score
}

// open reports whether the verifier is to be asked again.
func (a *answers) open() bool {
	first := a.scores[0]
	switch {
	case !a.item.choice.confirm, first.Unanswered != "", len(first.Judged()) == 0, len(a.scores) == mostAsks:
		return false
	case len(a.scores) == 1:
		return a.item.choice.doubt || first.NothingWrong()
	}
	for i, f := range first.Requirements {
		if n := a.votes(i); !f.Unjudged && n < lead && n > -lead {
			return true
		}
	}
	return false
}

// votes is the number of answers that find a requirement met less that of the others.
func (a *answers) votes(requirement int) int {
	n := 0
	for _, s := range a.scores {
		switch {
		case s.Unanswered != "" || requirement >= len(s.Requirements) || s.Requirements[requirement].Unjudged:
		case s.Requirements[requirement].Verdict == reflectionflow.Met:
			n++
		default:
			n--
		}
	}
	return n
}

// contradictions counts the findings on which a later answer differs from the first.
func (a *answers) contradictions(answer int) int {
	n := 0
	for i, f := range a.scores[0].Requirements {
		other := a.scores[answer]
		if other.Unanswered == "" && i < len(other.Requirements) && !f.Unjudged && (other.Requirements[i].Verdict == reflectionflow.Met) != (f.Verdict == reflectionflow.Met) {
			n++
		}
	}
	return n
}

// score is the first answer where no other contradicts it. Else the verdicts are those of
// the majority, and the first answer's on a tie; confidences and the value are means; and
// what was seen is that of the answer that is nearest to the majority.
func (a *answers) score() reflectionflow.Score {
	score := a.scores[0]
	if len(a.scores) == 1 {
		return score
	}
	cost, contradicted := score.Cost, false
	for i, s := range a.scores[1:] {
		cost = cost.Add(s.Cost)
		contradicted = contradicted || a.contradictions(i+1) > 0
	}
	if contradicted {
		score = a.majority()
	}
	score.Cost, score.Asks, score.Contradicted = cost, len(a.scores), a.contradictions(1)
	return score
}

func (a *answers) majority() reflectionflow.Score {
	first := a.scores[0]
	findings := slices.Clone(first.Requirements)
	for i := range findings {
		switch n := a.votes(i); {
		case findings[i].Unjudged:
		case n > 0:
			findings[i].Verdict = reflectionflow.Met
		case n < 0 && findings[i].Verdict == reflectionflow.Met:
			findings[i].Verdict = reflectionflow.NotMet
		}
	}
	nearest, fewest := 0, len(findings)+1
	value, answered := 0.0, 0.0
	confidence := make([]float64, len(findings))
	for k, s := range a.scores {
		if s.Unanswered != "" || len(s.Requirements) != len(findings) {
			continue
		}
		value, answered = value+s.Value, answered+1
		differ := 0
		for i, f := range s.Requirements {
			confidence[i] += f.Confidence
			if (f.Verdict == reflectionflow.Met) != (findings[i].Verdict == reflectionflow.Met) {
				differ++
			}
		}
		if differ < fewest {
			nearest, fewest = k, differ
		}
	}
	score := a.scores[nearest]
	for i := range findings {
		findings[i].Confidence = confidence[i] / answered
		findings[i].Evidence = score.Requirements[i].Evidence
	}
	score.Requirements, score.Value = findings, value/answered
	return score
}

// confirm asks again about images on which one answer is not enough. It changes the scores.
func (r *run) confirm(ctx context.Context, items []*item, images []reflectionflow.PromptedImage, scores []reflectionflow.Score) error {
	all := make([]answers, len(items))
	for i, it := range items {
		all[i] = answers{it, images[i], scores[i : i+1 : i+1]}
	}
	for {
		var open []int
		var views []reflectionflow.PromptedImage
		for i := range all {
			if all[i].open() {
				open = append(open, i)
				views = append(views, reflectionflow.PromptedImage{Prompt: images[i].Prompt, Image: view(images[i].Image, len(all[i].scores))})
			}
		}
		if len(open) == 0 {
			break
		}
		again, err := r.askAll(ctx, views)
		if err != nil {
			return err
		}
		for k, i := range open {
			if err := checkScore(again[k]); err != nil {
				return err
			}
			all[i].scores = append(all[i].scores, again[k])
		}
	}
	for i := range all {
		scores[i] = all[i].score()
	}
	return nil
}

// askAll scores images, one score each.
func (r *run) askAll(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	abilities := reflectionflow.AbilitiesOf(r.Verifier)
	scores, err := r.Verifier.Verify(ctx, images)
	if err == nil {
		err = checkCount("scores", len(scores), len(images))
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	for i := range scores {
		scores[i] = declared(scores[i], abilities)
	}
	return scores, nil
}

// viewShift is by which part of its shorter side an image is moved, at least a pixel.
const viewShift = 128

// view is the image moved a little, in another direction for each n from 1 to 4; the pixels at
// the edge are repeated.
func view(img image.Image, n int) image.Image {
	b := img.Bounds()
	by := max(1, min(b.Dx(), b.Dy())/viewShift)
	d := [...]image.Point{{by, 0}, {0, by}, {-by, 0}, {0, -by}}[(n-1)%4]
	m := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(m, m.Rect, img, b.Min, draw.Src) // what the move leaves free at the edge stays
	draw.Draw(m, m.Rect.Add(d), img, b.Min, draw.Src)
	return m
}
