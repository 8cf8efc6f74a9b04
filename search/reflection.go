package search

import (
	"context"
	"strings"

	"reflectionflow"
)

// reflect asks what is wrong with the parents and lets the corrector redraw them:
// the reflection axis (arXiv 2504.16080 §4). An empty text means that nothing is
// wrong, so there is nothing to correct.
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
		text := strings.TrimSpace(reflections[i].Text)
		if text == "" {
			continue
		}
		if err := checkText(text); err != nil {
			return err
		}
		caption := strings.TrimSpace(reflections[i].Caption)
		if caption != "" {
			if err := checkText(caption); err != nil {
				return err
			}
		}
		c.Request.Reflection, c.Request.ReferenceCaption, c.Request.Reference = text, caption, it.parent.image
		it.grow(reflectionflow.Reflect)
	}
	return ctx.Err()
}
