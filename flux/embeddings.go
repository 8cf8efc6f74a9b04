package flux

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
)

// maxEmbeddingBytes bounds the embeddings that are kept: those of about 30 prompts of
// FLUX.1-dev.
const maxEmbeddingBytes = 256 << 20

// embeddings caches the embeddings of texts, the least recently used first. Texts are
// encoded one by one: the many images of one prompt share its embedding.
type embeddings struct {
	mu   sync.Mutex
	kept []*embedding
}

// embedding is that of one text.
type embedding struct {
	key    string
	once   sync.Once
	values [][]float32 // in the order of [Spec].Embedding
	err    error
}

// get returns the embedding of a text, computed by encode on first use.
func (e *embeddings) get(tokens Tokens, bytes int, encode func(Tokens) ([][]float32, error)) ([][]float32, error) {
	var key []byte
	for _, list := range tokens {
		for _, id := range list {
			key = binary.LittleEndian.AppendUint32(key, uint32(id))
		}
	}
	found := e.find(string(key), max(1, maxEmbeddingBytes/bytes))
	found.once.Do(func() { found.values, found.err = encode(tokens) })
	return found.values, found.err
}

func (e *embeddings) find(key string, limit int) *embedding {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := slices.IndexFunc(e.kept, func(k *embedding) bool { return k.key == key })
	found := &embedding{key: key}
	switch {
	case at >= 0:
		found = e.kept[at]
		e.kept = slices.Delete(e.kept, at, at+1)
	case len(e.kept) >= limit:
		e.kept = slices.Delete(e.kept, 0, 1)
	}
	e.kept = append(e.kept, found)
	return found
}

// embed returns the embeddings of the texts of all lanes, [texts·lanes, …] each: those
// of the prompts and, with classifier-free guidance, of the negative texts after them.
func (p *Pipeline) embed(lanes []job, sh shape) ([]*tensors.Tensor, error) {
	var prompts, negatives []Tokens
	for _, w := range lanes {
		prompt, negative, err := p.model.Tokens(w.request)
		if err != nil {
			return nil, err
		}
		prompts, negatives = append(prompts, prompt), append(negatives, negative)
	}
	if sh.guided {
		prompts = append(prompts, negatives...)
	}
	dims := p.spec.Embedding
	all := make([][]float32, len(dims))
	for _, text := range prompts {
		values, err := p.embeddings.get(text, p.spec.embeddingBytes(), p.encodeText)
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			all[i] = append(all[i], v...)
		}
	}
	out := make([]*tensors.Tensor, len(dims))
	for i, d := range dims {
		out[i] = tensors.FromFlatDataAndDimensions(all[i], append([]int{len(prompts)}, d...)...)
	}
	return out, nil
}

// embeddingBytes returns the size of the embedding of one text.
func (s Spec) embeddingBytes() int {
	total := 0
	for _, d := range s.Embedding {
		total += floats(d...).Size() * 4
	}
	return total
}

// encodeText runs the text encoders for one text.
func (p *Pipeline) encodeText(text Tokens) ([][]float32, error) {
	var given []shapes.Shape
	var held tensorPool
	defer held.free()
	for _, list := range text {
		given = append(given, shapes.Make(dtypes.Int32, 1, len(list)))
		held.keep(tensors.FromFlatDataAndDimensions(list, 1, len(list)))
	}
	program, err := p.programs.get("text encoders", given, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return p.model.Embed(s, in), nil
	})
	if err != nil {
		return nil, err
	}
	out, err := program.Run(held...)
	if err != nil {
		return nil, err
	}
	held.keep(out...)
	values := make([][]float32, len(out))
	for i, o := range out {
		if values[i], err = tensors.CopyFlatData[float32](o); err != nil {
			return nil, fmt.Errorf("read embedding: %w", err)
		}
	}
	return values, nil
}
