package search

import "slices"

// largestShare bounds what one prompt may get of the others' budgets, as a multiple
// of its own: what this many images do not solve, more rarely do.
const largestShare = 4

// share hands out the images that right prompts left over, and reports whether any
// prompt may continue. It waits until every prompt is right or has spent its own
// budget, so that the shares do not depend on timing. Then all prompts that are not
// right get equally many images; the remainder goes, one image each, to those with
// the highest expected gain. When no prompt is left to help, those whose image is
// right with a probability below Stop.Sure share the rest. Where nothing is left,
// they end.
func (r *run) share() bool {
	over := true
	for _, a := range r.adaptive {
		if a.exhausted() {
			a.search.end(a.search.admitted)
			r.settle(a.search)
		}
		over = over && (a.search.opened && a.search.done() || a.starved())
	}
	if !over {
		return false
	}
	left := 0
	var needy, content []*adaptive
	for _, a := range r.adaptive {
		left += r.cfg.Budget.Images * r.cfg.Steps
		switch {
		case a.starved() && a.content():
			content = append(content, a)
			left -= a.search.spent()
		case a.starved():
			needy = append(needy, a)
			left -= a.limit
		default:
			left -= a.search.spent()
		}
	}
	images := left / r.cfg.Steps
	if images < 1 {
		for _, a := range slices.Concat(needy, content) {
			a.search.end(a.search.admitted)
			r.settle(a.search)
		}
		return false
	}
	if len(needy) == 0 {
		needy = content
	}
	return handOut(needy, images)
}

// handOut gives waiting searches as many images as there are, and reports whether any
// may continue.
func handOut(waiting []*adaptive, images int) bool {
	each := max(1, images/max(1, len(waiting)))
	if images < len(waiting) {
		slices.SortStableFunc(waiting, func(a, b *adaptive) int {
			return byIndex(b.history(b.search.admitted).choose(), a.history(a.search.admitted).choose())
		})
		waiting = waiting[:images]
	}
	for _, a := range waiting {
		if a.content() { // what it had not used has been given back
			a.limit, a.waitAt = a.search.spent(), 0
		}
		a.limit = min(a.most, a.limit+each*a.search.cfg.Steps)
		a.waiting = false
		a.plan()
	}
	return len(waiting) > 0
}

// dropLimits lets searches take in what their journals hold, whatever the budget:
// the time is up.
func (r *run) dropLimits() {
	for _, a := range r.adaptive {
		a.limit, a.late = a.most, true
		a.plan()
	}
}
