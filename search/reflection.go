package search

import (
	"context"
	"strings"

	"reflectionflow"
)

// reflect asks what is wrong with the parents and requests their corrections: the
// reflection axis (arXiv 2504.16080 §4). An empty text means that nothing is wrong,
// so there is nothing to correct. A text that the generator cannot be given is
// dropped with a note.
func (r *run) reflect(ctx context.Context, items []*item) error {
	reflections, err := r.Reflector.Reflect(ctx, observe(items, forReflection))
	if err != nil {
		return err
	}
	if err := checkCount("reflections", len(reflections), len(items)); err != nil {
		return err
	}
	for i, it := range items {
		c := &it.candidate
		c.Cost = c.Cost.Add(reflections[i].Cost)
		request := c.Request
		request.Reflection = strings.TrimSpace(reflections[i].Text)
		request.ReferenceCaption = strings.TrimSpace(reflections[i].Caption)
		request.Reference = it.parent.image
		if request.Reflection == "" {
			if len(it.parent.candidate.Score.Requirements) == 0 && reflectionflow.NeedsFindings(r.Reflector) {
				it.note("no reflection: the verifier has no findings on #%d", it.parent.candidate.ID)
			}
			continue
		}
		if err := r.checkTexts(request, request.Reflection, request.ReferenceCaption); err != nil {
			it.note("reflection dropped: %v", err)
			continue
		}
		c.Request = request
		it.grow(reflectionflow.Reflect)
	}
	return ctx.Err()
}
