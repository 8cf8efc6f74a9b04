package clip

import (
	"context"
	"maps"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
)

// shortTexts are the lengths for which CLIP has programs of their own: what follows a text changes nothing, so a
// phrase need not be computed at full length.
var shortTexts = []int{16, 32}

// phrase is a text as tokens.
type phrase struct {
	text string
	ids  []int32 // padded to a program's length
	last int     // position of the last token
}

// Texts returns a vector per text, in order. Texts that are longer than what the network reads are cut off, as in
// transformers: see [Model.Fits].
func (m *Model) Texts(ctx context.Context, texts []string) ([][]float32, error) {
	byLength := map[int][]phrase{}
	found := m.recall(texts)
	for i, text := range texts {
		if found[i] == nil && !slices.Contains(texts[:i], text) {
			p := m.phrase(text)
			byLength[len(p.ids)] = append(byLength[len(p.ids)], p)
		}
	}
	fresh := map[string][]float32{}
	for length, phrases := range byLength {
		if err := m.embed(ctx, length, phrases, fresh); err != nil {
			return nil, err
		}
	}
	m.remember(fresh)
	for i, text := range texts {
		if found[i] == nil {
			found[i] = fresh[text]
		}
	}
	return found, ctx.Err()
}

// recall returns the vectors of texts that are known, nil for others.
func (m *Model) recall(texts []string) [][]float32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := make([][]float32, len(texts))
	for i, text := range texts {
		found[i] = m.known[text]
	}
	return found
}

func (m *Model) remember(fresh map[string][]float32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known)+len(fresh) > maxKnown {
		clear(m.known)
	}
	maps.Copy(m.known, fresh)
}

func (m *Model) phrase(text string) phrase {
	positions := m.config.Text.Positions
	pad, _ := m.tokens.Pad()
	ids, _ := m.tokens.Encode(m.prepared(text), positions)
	p := phrase{text: text, last: max(len(ids)-1, 0)}
	length := positions
	if m.family == CLIP {
		for _, n := range shortTexts {
			if len(ids) <= n {
				length = min(length, n)
			}
		}
	}
	padding := slices.Repeat([]int32{pad}, length-len(ids))
	if p.ids = append(ids, padding...); m.padLeft {
		p.ids = append(padding, ids...)
	}
	return p
}

// embed computes the vectors of phrases of one length.
func (m *Model) embed(ctx context.Context, length int, phrases []phrase, fresh map[string][]float32) error {
	program, err := m.textProgram(length)
	if err != nil {
		return err
	}
	width, lanes := m.Width(), program.Lanes
	input := func(first, end int) ([]*tensors.Tensor, error) {
		ids, last := make([]int32, lanes*length), make([]int32, lanes)
		for i, p := range phrases[first:end] {
			copy(ids[i*length:], p.ids)
			last[i] = int32(p.last)
		}
		return []*tensors.Tensor{tensors.FromFlatDataAndDimensions(ids, lanes, length), tensors.FromFlatDataAndDimensions(last, lanes)}, nil
	}
	return program.RunAll(ctx, len(phrases), input, func(first, end int, out [][]float32) {
		for i, p := range phrases[first:end] {
			fresh[p.text] = out[0][i*width:][:width:width]
		}
	})
}
