package endpoint

import (
	"slices"
	"strings"
)

// NoteModel records the model that a server named for a call of that purpose; empty
// records nothing. Another model than before in the run, or than [Config.Pin], is an error
// of kind [Changed].
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

// changed compares a model with the expected one.
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
	return c.Errorf(Changed, "model %q answers instead of %q, so results would not compare: bring back %[2]q and resume, or start a new run (pin: %[1]q)", model, before)
}

// sameModel compares names, and the checksums in square brackets after them if both have
// one: some servers compute it later.
func sameModel(a, b string) bool {
	nameA, sumA, hasA := strings.Cut(a, " [")
	nameB, sumB, hasB := strings.Cut(b, " [")
	return nameA == nameB && (!hasA || !hasB || sumA == sumB)
}

// withChecksum returns before, or model where that is the same with a checksum.
func withChecksum(before, model string) string {
	if before == "" || sameModel(before, model) && !strings.Contains(before, " [") {
		return model
	}
	return before
}

// Models returns the models that replies named, in order of appearance.
func (c *Client) Models() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.models)
}
