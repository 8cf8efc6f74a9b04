package main

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"image/draw"
	"io"
	"slices"
	"sync"

	"reflectionflow"
	"reflectionflow/geneval"
)

// pool keeps what the strategies of an evaluation share: they start with the same requests, and
// where verdicts are made wrong, much of a search stays as it was. An image is deterministic in
// its request, and a score in prompt and image, so each is computed once per sample, as is what the judge says. All keep
// their cost, since a search alone would have paid it.
type pool struct {
	mu     sync.Mutex
	sample int
	images map[pooledRequest]pooledImage
	scores map[pooledCase]reflectionflow.Score
	judged map[pooledCase]geneval.Judgment
	bytes  int
}

// maxPool bounds the bytes that a pool keeps; the first ones stay.
const maxPool = 384 << 20

// pooledRequest is a request with the hash of its reference in place of the reference.
type pooledRequest struct {
	request   reflectionflow.Request
	reference [sha256.Size]byte
}

// pooledImage is a generation with the compressed pixels of its image.
type pooledImage struct {
	generation reflectionflow.Generation
	pixels     []byte
	bounds     image.Rectangle
}

// pooledCase is an image that a verifier or the judge decides on for a prompt.
type pooledCase struct {
	by, prompt string
	pixels     [sha256.Size]byte
}

func newPool() *pool {
	p := &pool{}
	p.empty()
	return p
}

func (p *pool) empty() {
	p.images, p.scores, p.bytes = make(map[pooledRequest]pooledImage), make(map[pooledCase]reflectionflow.Score), 0
	p.judged = make(map[pooledCase]geneval.Judgment)
}

// begin drops what belongs to another sample: its seeds do not return.
func (p *pool) begin(sample int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sample != p.sample {
		p.empty()
		p.sample = sample
	}
}

// keyOf identifies a request by what the generator sees.
func keyOf(r reflectionflow.Request) (key pooledRequest) {
	key.request = r
	if r.Reference != nil {
		key.request.Reference, key.reference = nil, pixelSum(r.Reference)
	}
	return key
}

// pixelSum is a hash of an image's size and pixels; zero where there is no image.
func pixelSum(img image.Image) (sum [sha256.Size]byte) {
	if img == nil {
		return sum
	}
	m := straight(img)
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%dx%d/", m.Rect.Dx(), m.Rect.Dy()) // a hash never fails to write
	_, _ = h.Write(m.Pix)
	return [sha256.Size]byte(h.Sum(nil))
}

// straight returns an image as NRGBA with rows that follow each other: itself where it is one.
func straight(img image.Image) *image.NRGBA {
	b := img.Bounds()
	if m, ok := img.(*image.NRGBA); ok && m.Stride == 4*b.Dx() && len(m.Pix) == m.Stride*b.Dy() {
		return m
	}
	m := image.NewNRGBA(b)
	draw.Draw(m, b, img, b.Min, draw.Src)
	return m
}

// image returns a pooled generation.
func (p *pool) image(key pooledRequest) (g reflectionflow.Generation, ok bool, err error) {
	p.mu.Lock()
	kept, ok := p.images[key]
	p.mu.Unlock()
	if !ok {
		return g, false, nil
	}
	m := image.NewNRGBA(kept.bounds)
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(kept.pixels)), m.Pix); err != nil {
		return g, false, fmt.Errorf("unpack a kept image: %w", err)
	}
	g = kept.generation
	g.Image = m
	return g, true, nil
}

// keepImage pools a generation, unless it failed or its image is not one of its request.
func (p *pool) keepImage(key pooledRequest, g reflectionflow.Generation) error {
	m, ok := g.Image.(*image.NRGBA) // what an engine of this program generates
	if g.Err != nil || g.Unseeded || !ok {
		return nil
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		return fmt.Errorf("pack an image: %w", err)
	}
	if _, err = w.Write(straight(m).Pix); err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("pack an image: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes+packed.Len() <= maxPool {
		g.Image = nil
		p.images[key] = pooledImage{g, packed.Bytes(), m.Rect}
		p.bytes += packed.Len()
	}
	return nil
}

// generator returns g with the pool: a [reflectionflow.Previewer] stays one.
func (p *pool) generator(g reflectionflow.Generator) reflectionflow.Generator {
	m := pooledGenerator{g, p}
	if previewer, ok := g.(reflectionflow.Previewer); ok {
		return pooledPreviewer{previewer, m}
	}
	return m
}

type pooledGenerator struct {
	reflectionflow.Generator
	pool *pool
}

// pooledPreviewer passes previews through to the generator.
type pooledPreviewer struct {
	reflectionflow.Previewer
	pooled pooledGenerator
}

// Check implements [reflectionflow.RequestChecker].
func (p pooledPreviewer) Check(r reflectionflow.Request) error { return p.pooled.Check(r) }

// Generate implements [reflectionflow.Generator].
func (p pooledPreviewer) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	return p.pooled.Generate(ctx, requests)
}

// Check implements [reflectionflow.RequestChecker].
func (m pooledGenerator) Check(r reflectionflow.Request) error {
	return reflectionflow.CheckRequest(m.Generator, r)
}

// Generate implements [reflectionflow.Generator].
func (m pooledGenerator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	out := make([]reflectionflow.Generation, len(requests))
	keys := make([]pooledRequest, len(requests))
	var missing []reflectionflow.Request
	var places []int
	for i, r := range requests {
		var known bool
		var err error
		keys[i] = keyOf(r)
		if out[i], known, err = m.pool.image(keys[i]); err != nil {
			return nil, err
		}
		if !known {
			missing, places = append(missing, r), append(places, i)
		}
	}
	if len(missing) == 0 {
		return out, ctx.Err()
	}
	generations, err := m.Generator.Generate(ctx, missing)
	if err != nil {
		return nil, err
	}
	for i, g := range generations {
		out[places[i]] = g
		if err := m.pool.keepImage(keys[places[i]], g); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// verifier returns the named verifier with the pool: a [reflectionflow.PreviewVerifier] stays one.
func (p *pool) verifier(name string, v reflectionflow.Verifier) reflectionflow.Verifier {
	if v == nil {
		return nil
	}
	m := pooledVerifier{v, name, p}
	if previews, ok := v.(reflectionflow.PreviewVerifier); ok {
		return pooledPreviewVerifier{m, previews}
	}
	return m
}

type pooledVerifier struct {
	reflectionflow.Verifier
	name string
	pool *pool
}

type pooledPreviewVerifier struct {
	pooledVerifier
	previews reflectionflow.PreviewVerifier
}

// VerifyPreviews implements [reflectionflow.PreviewVerifier].
func (v pooledPreviewVerifier) VerifyPreviews(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return v.previews.VerifyPreviews(ctx, images)
}

// Abilities implements [reflectionflow.DeclaringVerifier].
func (v pooledVerifier) Abilities() reflectionflow.Abilities {
	return reflectionflow.AbilitiesOf(v.Verifier)
}

// scoreBytes is about what a score or a judgment takes.
const scoreBytes = 2 << 10

// Verify implements [reflectionflow.Verifier].
func (v pooledVerifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores := make([]reflectionflow.Score, len(images))
	keys := make([]pooledCase, len(images))
	var missing []reflectionflow.PromptedImage
	var places []int
	for i, p := range images {
		keys[i] = pooledCase{v.name, p.Prompt.Text, pixelSum(p.Image)}
		v.pool.mu.Lock()
		kept, known := v.pool.scores[keys[i]]
		v.pool.mu.Unlock()
		if !known {
			missing, places = append(missing, p), append(places, i)
			continue
		}
		kept.Requirements, kept.Objects = slices.Clone(kept.Requirements), slices.Clone(kept.Objects)
		scores[i] = kept
	}
	if len(missing) == 0 {
		return scores, ctx.Err()
	}
	fresh, err := v.Verifier.Verify(ctx, missing)
	if err != nil {
		return nil, err
	}
	if len(fresh) != len(missing) {
		return nil, fmt.Errorf("the verifier gave %d scores for %d images", len(fresh), len(missing))
	}
	v.pool.mu.Lock()
	defer v.pool.mu.Unlock()
	for i, s := range fresh {
		scores[places[i]] = s
		if s.Unanswered == "" && v.pool.bytes+scoreBytes <= maxPool {
			s.Requirements, s.Objects = slices.Clone(s.Requirements), slices.Clone(s.Objects)
			v.pool.scores[keys[places[i]]] = s
			v.pool.bytes += scoreBytes
		}
	}
	return scores, nil
}

// judge returns the judge with the pool.
func (p *pool) judge(j geneval.Judge) geneval.Judge { return pooledJudge{j, p} }

type pooledJudge struct {
	inner geneval.Judge
	pool  *pool
}

// Judge implements [geneval.Judge].
func (j pooledJudge) Judge(ctx context.Context, cases []geneval.Case) ([]geneval.Judgment, error) {
	judgments := make([]geneval.Judgment, len(cases))
	keys := make([]pooledCase, len(cases))
	var missing []geneval.Case
	var places []int
	for i, c := range cases {
		keys[i] = pooledCase{"judge", c.Metadata.Prompt, pixelSum(c.Image)}
		j.pool.mu.Lock()
		kept, known := j.pool.judged[keys[i]]
		j.pool.mu.Unlock()
		if !known {
			missing, places = append(missing, c), append(places, i)
			continue
		}
		judgments[i] = kept
	}
	if len(missing) == 0 {
		return judgments, ctx.Err()
	}
	fresh, err := j.inner.Judge(ctx, missing)
	if err != nil {
		return nil, err
	}
	if len(fresh) != len(missing) {
		return nil, fmt.Errorf("the judge returned %d judgments for %d images", len(fresh), len(missing))
	}
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	for i, judgment := range fresh {
		judgments[places[i]] = judgment
		if j.pool.bytes+scoreBytes <= maxPool {
			j.pool.judged[keys[places[i]]] = judgment
			j.pool.bytes += scoreBytes
		}
	}
	return judgments, nil
}
