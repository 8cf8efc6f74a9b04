package cpu

import (
	"maps"
	"sync"
)

// stepCounter counts the steps of compiled graphs by the name of their kernel.
type stepCounter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *stepCounter) add(steps []*step) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	for _, s := range steps {
		c.counts[s.name]++
	}
}

// Steps returns the number of steps of all graphs compiled since the backend was created, by the name of their
// kernel: "tape" for fused elementwise operations, "attention" or "online attention", "DotGeneral" for other matrix products, "DotGeneral+tape" for those with an activation, and so on.
func (b *Backend) Steps() map[string]int {
	b.steps.mu.Lock()
	defer b.steps.mu.Unlock()
	return maps.Clone(b.steps.counts)
}
