package endpoint

import (
	"slices"
	"strings"
)

// NoteModel notes which model the server says has answered a call for what it was
// made; empty notes nothing. Another model than before, in this sitting or an
// earlier one of the run, or than [Config.Pin], is an error of kind [Changed].
func (c *Client) NoteModel(what, model string) error {
	model = c.clean(model)
	if model == "" {
		return nil
	}
	err := c.changed(what, model)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.models, model) {
		c.models = append(c.models, model)
	}
	c.first = withChecksum(c.first, model)
	return err
}

// changed compares a model with the one before it.
func (c *Client) changed(what, model string) error {
	if model == "" || c.config.AllowChange {
		return nil
	}
	before := c.config.Pin
	if before == "" {
		before = c.config.Ledger.model(what, c.config.Name)
	}
	if before == "" {
		c.mu.Lock()
		before = c.first
		c.mu.Unlock()
	}
	if before == "" || sameModel(before, model) {
		return nil
	}
	return c.Errorf(Changed, "model %q answers instead of %q, so that results would not compare: bring back %[2]q and go on, or begin a new run (pin: %[1]q)", model, before)
}

// sameModel compares names, and the checksums in square brackets behind them where
// both have one: some servers find it out later.
func sameModel(a, b string) bool {
	nameA, sumA, hasA := strings.Cut(a, " [")
	nameB, sumB, hasB := strings.Cut(b, " [")
	return nameA == nameB && (!hasA || !hasB || sumA == sumB)
}

// refine is the model before, with its checksum once that is known.
func withChecksum(before, model string) string {
	if before == "" || sameModel(before, model) && !strings.Contains(before, " [") {
		return model
	}
	return before
}

// Models lists the models that replies have named, in order of appearance.
func (c *Client) Models() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.models)
}
