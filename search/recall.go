package search

import "reflectionflow"

// recall takes in what the journal has, as far as the budget goes.
func (p *promptSearch) recall(notify func(EventKind, *item)) error {
	p.opened = true
	for p.journal != nil && !p.complete && p.recorded < p.total && p.strategy.affords(p.admitted) {
		c, img, ok := p.journal.Recall(p.recorded)
		if !ok || (img == nil) != (c.Error != "") {
			p.complete = true
			return nil
		}
		c.Request.Reference, c.Request.Others = nil, nil
		if err := p.recognize(c); err != nil {
			return err
		}
		p.recalled = c.ID + 1
		p.remember(c, inspect(img))
		p.finish(c, img)
		p.admitted++
		p.recorded++
		notify(Recalled, &item{search: p, candidate: c, image: img})
	}
	return nil
}

// closed ends a search whose journal takes no more candidates.
func (p *promptSearch) closed() {
	if p.complete && finished(p.journal) {
		p.end(p.admitted)
	}
}

// recognize reports a recalled candidate that this search could not have made.
func (p *promptSearch) recognize(c reflectionflow.Candidate) error {
	it := p.item(p.recorded)
	explore(it)
	want := it.candidate
	chosen := it.choice.action == "" || it.choice.action == c.Action
	switch c.Action {
	case reflectionflow.Reflect:
		chosen = chosen && it.parent != nil && !it.choice.restart
	case reflectionflow.Rewrite:
		chosen = chosen && (it.parent != nil || it.choice.reword)
	default:
		chosen = false
	}
	if chosen {
		// The reflector and the refiner decided on the texts; the rest must agree.
		want.Action = c.Action
		if it.parent != nil {
			want.Parent = it.parent.candidate.ID
		}
		want.Request.Prompt, want.Request.PooledPrompt = c.Request.Prompt, c.Request.PooledPrompt
		want.Request.Reflection, want.Request.ReferenceCaption = c.Request.Reflection, c.Request.ReferenceCaption
		want.Request.Seed = c.Request.Seed
	}
	if n := len(c.Abandoned); n > 0 && n <= it.choice.previews {
		want.Request.Seed = it.noise(n)
	}
	if c.ID != want.ID || c.Parent != want.Parent || c.Round != want.Round || c.Chain != want.Chain ||
		c.Action != want.Action || c.Request != want.Request || len(c.Abandoned) > it.choice.previews {
		return invalid("the journal belongs to another search: candidate %d differs", p.recorded)
	}
	return checkScore(c.Score)
}
