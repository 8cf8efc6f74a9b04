package main

import (
	"context"
	"sync"

	"reflectionflow"
)

// memo caches images without a reference: the strategies of an evaluation start with the
// same requests, and an image is deterministic in its request. A cached image keeps its
// cost, since its search would have paid it.
type memo struct {
	reflectionflow.Generator
	mu     sync.Mutex
	images map[reflectionflow.Request]reflectionflow.Generation
	bytes  int
}

// maxMemo bounds the bytes of cached pixels; the first images stay.
const maxMemo = 256 << 20

func newMemo(g reflectionflow.Generator) reflectionflow.Generator {
	m := &memo{Generator: g, images: make(map[reflectionflow.Request]reflectionflow.Generation)}
	if p, ok := g.(reflectionflow.Previewer); ok {
		return previewingMemo{p, m}
	}
	return m
}

// previewingMemo passes previews through to the generator.
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
			out[i], known = m.images[r]
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
			m.images[r] = g
			m.bytes += size
		}
	}
	return out, nil
}
