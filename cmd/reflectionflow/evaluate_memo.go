package main

import (
	"context"
	"sync"

	"reflectionflow"
)

// memo remembers what a generator drew without a reference: the strategies of an
// evaluation begin with the same pictures, and a picture is a function of its
// request. A picture that is handed out again keeps its cost, for its search would
// have had to pay it.
type memo struct {
	reflectionflow.Generator
	mu    sync.Mutex
	drawn map[reflectionflow.Request]reflectionflow.Generation
	bytes int
}

// maxMemo bounds the pixels that are remembered; what comes first stays.
const maxMemo = 256 << 20

func newMemo(g reflectionflow.Generator) reflectionflow.Generator {
	m := &memo{Generator: g, drawn: make(map[reflectionflow.Request]reflectionflow.Generation)}
	if p, ok := g.(reflectionflow.Previewer); ok {
		return previewingMemo{p, m}
	}
	return m
}

// previewingMemo leaves previews to the generator.
type previewingMemo struct {
	reflectionflow.Previewer
	memo *memo
}

// Check implements [reflectionflow.RequestChecker].
func (p previewingMemo) Check(r reflectionflow.Request) error { return p.memo.Check(r) }

// Generate implements [reflectionflow.Generator].
func (p previewingMemo) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	return p.memo.Generate(ctx, requests)
}

// Check implements [reflectionflow.RequestChecker].
func (m *memo) Check(r reflectionflow.Request) error {
	return reflectionflow.CheckRequest(m.Generator, r)
}

// Generate implements [reflectionflow.Generator].
func (m *memo) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	out := make([]reflectionflow.Generation, len(requests))
	var missing []reflectionflow.Request
	var places []int
	m.mu.Lock()
	for i, r := range requests {
		known := false
		if r.Reference == nil {
			out[i], known = m.drawn[r]
		}
		if !known {
			missing, places = append(missing, r), append(places, i)
		}
	}
	m.mu.Unlock()
	if len(missing) == 0 {
		return out, ctx.Err()
	}
	generations, err := m.Generator.Generate(ctx, missing)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, g := range generations {
		out[places[i]] = g
		r := missing[i]
		if size := 4 * r.Width * r.Height; r.Reference == nil && g.Err == nil && !g.Unseeded && m.bytes+size <= maxMemo {
			m.drawn[r] = g
			m.bytes += size
		}
	}
	return out, nil
}
