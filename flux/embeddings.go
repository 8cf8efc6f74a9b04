package flux

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
)

// maxEmbeddingBytes bounds the embeddings that are kept: those of about 30 prompts of
// FLUX.1-dev, or of 16 of FLUX.2 [klein] 4B.
const maxEmbeddingBytes = 256 << 20

// releaseBytes is the size from which the mapped weights of text encoders are given back
// to the system when all texts are encoded.
const releaseBytes = 256 << 20

// EmbeddingStore keeps the embeddings of texts longer than a process. It belongs to one
// model in one precision: an embedding is found by its text alone. Both methods may be
// called from several goroutines.
type EmbeddingStore interface {
	Get(text string) []byte // nil if there is none
	Put(text string, embedding []byte)
}

// embeddings caches the embeddings of texts, the least recently used first. Texts are
// encoded one by one: the many images of one prompt share its embedding.
type embeddings struct {
	mu      sync.Mutex
	kept    []keptEmbedding
	lasting EmbeddingStore // nil if there is none
	running sync.RWMutex   // read-locked while text encoders run
}

type keptEmbedding struct {
	key    string
	values [][]float32 // in the order of [Spec].Embedding
}

// key identifies a text.
func (t Tokens) key() string {
	var key []byte
	for _, list := range t {
		for _, id := range list {
			key = binary.LittleEndian.AppendUint32(key, uint32(id))
		}
	}
	return string(key)
}

// find returns the embedding of a text, nil if it is not kept.
func (e *embeddings) find(key string) [][]float32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := slices.IndexFunc(e.kept, func(k keptEmbedding) bool { return k.key == key })
	if at < 0 {
		return nil
	}
	found := e.kept[at]
	e.kept = append(slices.Delete(e.kept, at, at+1), found)
	return found.values
}

// add keeps an embedding, of at most as many as the limit says.
func (e *embeddings) add(key string, values [][]float32, limit int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = slices.DeleteFunc(e.kept, func(k keptEmbedding) bool { return k.key == key }) // of another call meanwhile
	e.kept = append(e.kept, keptEmbedding{key, values})
	if len(e.kept) > limit {
		e.kept = slices.Delete(e.kept, 0, len(e.kept)-limit)
	}
}

// embedAll returns the embeddings of all texts of the groups by their keys. Text
// encoders run before anything is denoised, and then give their memory back.
func (p *Pipeline) embedAll(ctx context.Context, groups []group) (map[string][][]float32, error) {
	found, missing := map[string][][]float32{}, map[string]Tokens{}
	for _, g := range groups {
		for _, w := range g.jobs {
			for _, text := range g.shape.of(w.texts) {
				key := text.key()
				if _, ok := found[key]; ok {
					continue
				}
				if found[key] = p.keptEmbedding(key); found[key] == nil {
					missing[key] = text
				}
			}
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	p.releaseIdle() // of the images before
	if err := p.encodeTexts(ctx, missing, found); err != nil {
		return nil, err
	}
	p.releaseTextEncoders()
	p.releaseIdle()
	return found, nil
}

// of returns the texts that a shape needs of a request.
func (s shape) of(t Texts) []Tokens {
	if s.guided {
		return []Tokens{t.Prompt, t.Negative}
	}
	return []Tokens{t.Prompt}
}

// encodeTexts encodes the texts into all, Options.Workers at a time.
func (p *Pipeline) encodeTexts(ctx context.Context, texts map[string]Tokens, all map[string][][]float32) error {
	p.embeddings.running.RLock()
	defer p.embeddings.running.RUnlock()
	keys := slices.Sorted(maps.Keys(texts))
	values, errs := make([][][]float32, len(keys)), make([]error, len(keys))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(p.workers, len(keys)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(keys)); i = next.Add(1) - 1 {
				if errs[i] = ctx.Err(); errs[i] == nil {
					values[i], errs[i] = p.encodeText(texts[keys[i]])
				}
			}
		})
	}
	workers.Wait()
	for i, key := range keys {
		if errs[i] != nil {
			return errs[i]
		}
		all[key] = values[i]
		p.embeddings.add(key, values[i], p.keptEmbeddings())
		if p.embeddings.lasting != nil {
			p.embeddings.lasting.Put(key, encodeEmbedding(values[i]))
		}
	}
	return nil
}

// keptEmbedding returns the embedding of a text, of this process or another; nil if it is
// not kept.
func (p *Pipeline) keptEmbedding(key string) [][]float32 {
	values := p.embeddings.find(key)
	if values != nil || p.embeddings.lasting == nil {
		return values
	}
	values = p.spec.decodeEmbedding(p.embeddings.lasting.Get(key))
	if values != nil {
		p.embeddings.add(key, values, p.keptEmbeddings())
	}
	return values
}

// encodeEmbedding returns all values in float32, little endian.
func encodeEmbedding(values [][]float32) []byte {
	var data []byte
	for _, list := range values {
		data = slices.Grow(data, 4*len(list))
		for _, v := range list {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
	}
	return data
}

// decodeEmbedding is the inverse of encodeEmbedding; nil for data of another length.
func (s Spec) decodeEmbedding(data []byte) [][]float32 {
	if len(data) != s.embeddingBytes() {
		return nil
	}
	values := make([][]float32, len(s.Embedding))
	for i, dims := range s.Embedding {
		values[i] = make([]float32, floats(dims...).Size())
		for k := range values[i] {
			values[i][k] = math.Float32frombits(binary.LittleEndian.Uint32(data))
			data = data[4:]
		}
	}
	return values
}

// releaseIdle gives the memory that the backend keeps between executions back, for a model whose text encoders are
// large: their pages and an idle decoder's gigabytes would else be resident together.
func (p *Pipeline) releaseIdle() {
	b, ok := p.programs.backend.(interface{ ReleaseIdle() })
	if !ok {
		return
	}
	for _, prefix := range p.spec.TextPrefixes {
		if mapped, _ := p.spec.Store.Bytes(prefix + "."); mapped >= releaseBytes {
			b.ReleaseIdle()
			return
		}
	}
}

// releaseTextEncoders gives the memory of the text encoders' weights back, unless
// another call is running them: that call does it then.
func (p *Pipeline) releaseTextEncoders() {
	for _, prefix := range p.spec.TextPrefixes {
		if mapped, _ := p.spec.Store.Bytes(prefix + "."); mapped < releaseBytes {
			continue
		}
		if p.embeddings.running.TryLock() {
			p.spec.Store.Release(prefix + ".")
			p.embeddings.running.Unlock()
		}
	}
}

// embed returns the embeddings of all lanes, [texts·lanes, …] each: those of the prompts
// and, with classifier-free guidance, of the negative texts after them.
func (p *Pipeline) embed(lanes []job, g group) []*tensors.Tensor {
	out := make([]*tensors.Tensor, len(p.spec.Embedding))
	for i, dims := range p.spec.Embedding {
		var all []float32
		for text := range g.shape.texts() {
			for _, w := range lanes {
				all = append(all, g.embeddings[g.shape.of(w.texts)[text].key()][i]...)
			}
		}
		out[i] = tensors.FromFlatDataAndDimensions(all, append([]int{g.shape.texts() * len(lanes)}, dims...)...)
	}
	return out
}

// keptEmbeddings is how many embeddings of texts are kept.
func (p *Pipeline) keptEmbeddings() int {
	if p.bound > 0 {
		return boundedTexts
	}
	return max(boundedTexts, maxEmbeddingBytes/p.spec.embeddingBytes())
}

// embeddingBytes returns the size of the embedding of one text.
func (s Spec) embeddingBytes() int {
	total := 0
	for _, d := range s.Embedding {
		total += floats(d...).Size() * 4
	}
	return total
}

// textProgram encodes texts whose lists are as long as those of the given one.
func (p *Pipeline) textProgram(text Tokens) (*nn.Program, error) {
	var inputs []shapes.Shape
	for _, list := range text {
		inputs = append(inputs, shapes.Make(dtypes.Int32, 1, len(list)))
	}
	return p.programs.get("text encoders", inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return p.model.Embed(s, in), nil
	})
}

// encodeText runs the text encoders for one text.
func (p *Pipeline) encodeText(text Tokens) ([][]float32, error) {
	program, err := p.textProgram(text)
	if err != nil {
		return nil, err
	}
	var held tensorPool
	defer held.free()
	for _, list := range text {
		held.keep(tensors.FromFlatDataAndDimensions(list, 1, len(list)))
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
