package search_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/search"
)

var prompt = reflectionflow.Prompt{
	Text:         "two clocks",
	Requirements: []reflectionflow.Requirement{{Kind: reflectionflow.Exactly, Object: "clock", Count: 2}},
}

// fakeGenerator generates images that encode the request.
type fakeGenerator struct {
	mu      sync.Mutex
	batches [][]reflectionflow.Request
	pause   func(context.Context) // before a batch is generated; nil for none
	fail    func(reflectionflow.Request) error
}

// valid refuses what no generator can serve; steps are those of a preview, 0 for none.
func valid(requests []reflectionflow.Request, steps int) error {
	for _, r := range requests {
		if err := r.Validate(); err != nil {
			return err
		}
		if steps < 0 || steps >= r.Steps {
			return fmt.Errorf("%w: %d steps", reflectionflow.ErrInvalid, steps)
		}
	}
	return nil
}

func (p *fakeGenerator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	if err := valid(requests, 0); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.batches = append(p.batches, requests)
	p.mu.Unlock()
	if p.pause != nil {
		p.pause(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]reflectionflow.Generation, len(requests))
	for i, r := range requests {
		out[i].Cost = reflectionflow.Cost{Images: 1, DenoiseSteps: r.Steps}
		if p.fail != nil {
			if out[i].Err = p.fail(r); out[i].Err != nil {
				continue
			}
		}
		out[i].Image = imageOf(r)
	}
	return out, nil
}

// Preview shows the finished image from the first step on.
func (p *fakeGenerator) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	if err := valid(requests, steps); err != nil || steps == 0 {
		return nil, cmp.Or(err, reflectionflow.ErrInvalid)
	}
	out := make([]reflectionflow.Preview, len(requests))
	for i, r := range requests {
		out[i] = reflectionflow.Preview{Request: r, Steps: steps, State: p, Cost: reflectionflow.Cost{DenoiseSteps: steps}}
		if p.fail != nil {
			if out[i].Err = p.fail(r); out[i].Err != nil {
				continue
			}
		}
		out[i].Image = imageOf(r)
	}
	if p.pause != nil {
		p.pause(ctx)
	}
	return out, ctx.Err()
}

func (p *fakeGenerator) Finish(ctx context.Context, previews []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	requests := make([]reflectionflow.Request, len(previews))
	for i, v := range previews {
		if v.State != p {
			return nil, fmt.Errorf("%w: a preview of another generator", reflectionflow.ErrInvalid)
		}
		requests[i] = v.Request
	}
	out, err := p.Generate(ctx, requests)
	for i := range out {
		out[i].Cost.DenoiseSteps -= previews[i].Steps
	}
	return out, err
}

func (p *fakeGenerator) requests() []reflectionflow.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []reflectionflow.Request
	for _, b := range p.batches {
		all = append(all, b...)
	}
	return all
}

func imageOf(r reflectionflow.Request) image.Image {
	h := fnv.New64a()
	var reference uint64
	if r.Reference != nil {
		reference = read(r.Reference)
	}
	fmt.Fprintf(h, "%q %d %d %d %v %x", text(r), r.Seed, r.Width, r.Steps, r.Guidance, reference)
	img := image.NewRGBA(image.Rect(0, 0, r.Width, r.Height))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	code := binary.BigEndian.AppendUint64(nil, mixed(h.Sum64()))
	for i, b := range code {
		img.Pix[4*i] = b
	}
	return img
}

// mixed spreads FNV's weak upper bits.
func mixed(x uint64) uint64 { return rand.New(rand.NewPCG(x, x)).Uint64() }

// read decodes what paint encoded.
func read(img image.Image) uint64 {
	var code [8]byte
	for i := range code {
		r, _, _, _ := img.At(img.Bounds().Min.X+i, img.Bounds().Min.Y).RGBA()
		code[i] = byte(r >> 8)
	}
	return binary.BigEndian.Uint64(code[:])
}

// fakeVerifier scores what it reads in the image, or what the script says next.
type fakeVerifier struct {
	mu     sync.Mutex
	seen   int
	pause  func(context.Context)
	script []float64 // the values of the images in order
	limit  float64   // met from here on; 0 means 0.9
}

func (c *fakeVerifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	if c.pause != nil {
		c.pause(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	scores := make([]reflectionflow.Score, len(images))
	for i, p := range images {
		if p.Image == nil {
			return nil, fmt.Errorf("%w: no image", reflectionflow.ErrInvalid)
		}
		if err := p.Prompt.Validate(); err != nil {
			return nil, err
		}
		value := float64(read(p.Image)%1000) / 1000
		if c.script != nil {
			value = c.script[c.seen]
		}
		c.seen++
		scores[i] = reflectionflow.Score{Value: value, Cost: reflectionflow.Cost{VerifierCalls: 1}}
		limit := c.limit
		if limit == 0 {
			limit = 0.9
		}
		for _, r := range p.Prompt.Requirements {
			f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet, Confidence: min(1, value)}
			if value >= limit {
				f.Verdict = reflectionflow.Met
			}
			scores[i].Requirements = append(scores[i].Requirements, f)
		}
	}
	return scores, nil
}

func (c *fakeVerifier) VerifyPreviews(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return (&fakeVerifier{pause: c.pause}).Verify(ctx, images)
}

// fakeWriter reflects on, and refines the prompt of, what it sees.
type fakeWriter struct {
	pause   func(context.Context)
	silent  func(reflectionflow.Observation) bool // it has nothing to say
	refines func(reflectionflow.Observation) string
}

func (c fakeWriter) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	if c.pause != nil {
		c.pause(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]reflectionflow.Reflection, len(observations))
	for i, o := range observations {
		if err := o.Prompt.Validate(); err != nil {
			return nil, err
		}
		out[i].Cost.TokensOut = 3
		if c.silent != nil && c.silent(o) {
			continue
		}
		out[i].Text = fmt.Sprintf("edit %.3f (%d)", o.Score.Value, o.Seed%100)
		out[i].Caption = fmt.Sprintf("shows %.3f", o.Score.Value)
	}
	return out, nil
}

func (c fakeWriter) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]reflectionflow.Refinement, len(observations))
	for i, o := range observations {
		if err := o.Prompt.Validate(); err != nil {
			return nil, err
		}
		out[i] = reflectionflow.Refinement{Text: o.Request.Prompt + " clearly", Cost: reflectionflow.Cost{TokensOut: 2}}
		if c.refines != nil {
			out[i].Text = c.refines(o)
		}
	}
	return out, nil
}

// fakes wires a search of fakes.
func fakes() *search.Search {
	return &search.Search{Generator: &fakeGenerator{}, Verifier: &fakeVerifier{}, Reflector: fakeWriter{}, Refiner: fakeWriter{}}
}

// config is a small search: images of 16×16, no early stop.
func config(strategy string, width, images int) search.Config {
	c := search.Default(strategy)
	c.Width, c.Budget.Images, c.EarlyStop = width, images, false
	c.ImageWidth, c.ImageHeight, c.Steps = 16, 16, 4
	if c.Adaptive != nil { // every second noise is abandoned
		c.Adaptive.Policy.Early = search.Early{Share: .25, Least: math.Log(.5), Tries: 3}
		c.Adaptive.Policy.Stop.Probability = .9
	}
	return c
}

// pauses returns a pause of random length, reproducible from its seed.
func pauses(seed uint64) func(context.Context) {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1))
	return func(ctx context.Context) {
		mu.Lock()
		d := time.Duration(rng.IntN(1000)) * time.Millisecond
		mu.Unlock()
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
}

// disk is a journal that keeps bytes only, as a run folder does.
type disk struct {
	lines  [][]byte
	images [][]byte
	full   int // Record fails from this entry on; 0 for never
}

func (d *disk) Recall(id int) (reflectionflow.Candidate, image.Image, bool) {
	var c reflectionflow.Candidate
	if id >= len(d.lines) || json.Unmarshal(d.lines[id], &c) != nil {
		return c, nil, false
	}
	if c.Error != "" {
		return c, nil, true
	}
	img, err := png.Decode(bytes.NewReader(d.images[id]))
	return c, img, err == nil
}

func (d *disk) Record(c reflectionflow.Candidate, img image.Image) error {
	if c.ID != len(d.lines) {
		return fmt.Errorf("recorded %d after %d entries", c.ID, len(d.lines))
	}
	if d.full > 0 && len(d.lines) >= d.full {
		return fmt.Errorf("disk full")
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	if img != nil {
		if err := png.Encode(&buf, img); err != nil {
			return err
		}
	}
	d.lines, d.images = append(d.lines, line), append(d.images, buf.Bytes())
	return nil
}

func (d *disk) prefix(n int) *disk {
	return &disk{lines: d.lines[:n:n], images: d.images[:n:n]}
}

// text is the whole record, for comparisons.
func (d *disk) text() string {
	return string(bytes.Join(d.lines, []byte("\n"))) + string(bytes.Join(d.images, nil))
}

func encode(t testing.TB, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustRun(t testing.TB, s *search.Search, cfg search.Config) reflectionflow.Result {
	t.Helper()
	res, err := s.Run(t.Context(), prompt, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// text is the prompt of a request and its reflection.
func text(r reflectionflow.Request) string {
	if r.Reflection == "" {
		return r.Prompt
	}
	return r.Prompt + reflectionflow.ReflectionMark + r.Reflection
}
