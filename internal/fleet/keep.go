package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"sync"
	"time"

	"reflectionflow"
)

// Keeper keeps the answers of parts that work in this process, as the fleet's store keeps
// those of workers: by what determines them.
type Keeper interface {
	// Kept returns what is kept under a key, nil for nothing.
	Kept(ctx context.Context, key string) ([]byte, error)
	Keep(ctx context.Context, key string, answer []byte) error
}

// keeping is the value of a context whose calls are kept.
type keeping struct {
	Keeper
	fingerprint string // of what answers
	asking      *asking
}

type keepingKey struct{}

// WithKeeper returns a context whose calls to the parts that [Kept] returns are kept, and
// not made where their answers are. The fingerprint names the model and its settings.
func WithKeeper(ctx context.Context, k Keeper, fingerprint string) context.Context {
	return context.WithValue(ctx, keepingKey{}, keeping{k, fingerprint, &asking{under: map[string]chan struct{}{}}})
}

// asking knows the questions under way, by their keys, so that none is asked twice at once.
type asking struct {
	mutex sync.Mutex
	under map[string]chan struct{} // closed when it is answered, or failed
}

// begin divides places in a list of keys into those whose questions were not under way and
// now are, and the others.
func (a *asking) begin(keys []string, places []int) (mine, others []int) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for _, place := range places {
		if a.under[keys[place]] != nil {
			others = append(others, place)
			continue
		}
		a.under[keys[place]] = make(chan struct{})
		mine = append(mine, place)
	}
	return mine, others
}

// end says that questions are no longer under way.
func (a *asking) end(keys []string, places []int) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for _, place := range places {
		close(a.under[keys[place]])
		delete(a.under, keys[place])
	}
}

// wait waits until a question is not under way.
func (a *asking) wait(ctx context.Context, key string) error {
	a.mutex.Lock()
	done := a.under[key]
	a.mutex.Unlock()
	if done == nil {
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kept returns a part whose answers are stored before it returns, in calls with a
// [WithKeeper]. With alone each element is a call of its own, so that what a server was paid
// for is stored although the rest of the batch is under way. Answers of calls that take less
// than Cheap are not stored: to work again is as fast. A question that is under way for the
// same keeper is not asked again: its answer is waited for. A part of the fleet is returned
// as it is: its answers are stored.
type Kept struct {
	Alone bool
	Cheap time.Duration
}

// Generator returns g with kept answers. It is a [reflectionflow.Previewer] if g is one.
func (k Kept) Generator(g reflectionflow.Generator) reflectionflow.Generator {
	if _, stored := g.(*Generator); stored || g == nil {
		return g
	}
	kept := keptGenerator{g, k}
	if p, ok := g.(reflectionflow.Previewer); ok {
		return keptPreviewer{kept, p}
	}
	return kept
}

// Verifier returns v with kept answers, and its abilities.
func (k Kept) Verifier(v reflectionflow.Verifier) reflectionflow.Verifier {
	if _, stored := v.(*Verifier); stored || v == nil {
		return v
	}
	kept := keptVerifier{v, k}
	if p, ok := v.(reflectionflow.PreviewVerifier); ok {
		return keptPreviewVerifier{kept, p}
	}
	return kept
}

// Reflector returns r with kept answers.
func (k Kept) Reflector(r reflectionflow.Reflector) reflectionflow.Reflector {
	if _, stored := r.(*Reflector); stored || r == nil {
		return r
	}
	return keptReflector{r, k}
}

// Refiner returns r with kept answers.
func (k Kept) Refiner(r reflectionflow.Refiner) reflectionflow.Refiner {
	if _, stored := r.(*Refiner); stored || r == nil {
		return r
	}
	return keptRefiner{r, k}
}

// keptAnswer is an answer with its image.
type keptAnswer struct {
	answer
	File []byte `json:"file,omitempty"` // PNG
	// New is set in what a caller is told, where the engine has just worked for it.
	New bool `json:"new,omitempty"`
}

// exchange is how a part's elements become questions, and its results answers and back.
type exchange[In, Out any] struct {
	about    string // what else determines the answer
	question func(In) question
	answer   func(Out) (keptAnswer, error)
	result   func(keptAnswer) (Out, error)
}

// call returns the results of a list: those that are kept, and those of do, which is called
// with the rest.
func (e exchange[In, Out]) call(ctx context.Context, list []In, how Kept, do func(context.Context, []In) ([]Out, error)) ([]Out, error) {
	k, ok := ctx.Value(keepingKey{}).(keeping)
	if !ok || len(list) == 0 {
		return do(ctx, list)
	}
	c := calling[In, Out]{e, k, how, do, list, make([]string, len(list)), make([]Out, len(list))}
	all := make([]int, len(list))
	for i, in := range list {
		var err error
		if c.keys[i], err = e.question(in).key(k.fingerprint + e.about); err != nil {
			return nil, err
		}
		all[i] = i
	}
	rest, err := c.unknown(ctx, all)
	for err == nil && len(rest) > 0 {
		mine, others := k.asking.begin(c.keys, rest)
		switch {
		case len(mine) == 0:
			err = k.asking.wait(ctx, c.keys[others[0]])
		case how.Alone:
			err = oneByOne(ctx, mine, c.work)
		default:
			err = c.work(ctx, mine)
		}
		if err == nil {
			rest, err = c.unknown(ctx, others)
		}
	}
	if err != nil {
		return nil, err
	}
	return c.results, nil
}

// calling is a call of a list, with the keys of its questions and the results so far.
type calling[In, Out any] struct {
	exchange[In, Out]
	keeping keeping
	how     Kept
	do      func(context.Context, []In) ([]Out, error)
	list    []In
	keys    []string
	results []Out
}

// unknown fills in the results that are kept, and returns the places of the others.
func (c calling[In, Out]) unknown(ctx context.Context, places []int) (rest []int, err error) {
	for _, i := range places {
		var known bool
		if c.results[i], known, err = c.recall(ctx, c.keeping, c.keys[i]); err != nil {
			return nil, err
		}
		if !known {
			rest = append(rest, i)
		}
	}
	return rest, nil
}

// work fills in the results of places, which are under way, and keeps them.
func (c calling[In, Out]) work(ctx context.Context, places []int) error {
	defer c.keeping.asking.end(c.keys, places)
	ask := make([]In, len(places))
	for i, place := range places {
		ask[i] = c.list[place]
	}
	begun := time.Now()
	made, err := c.do(ctx, ask)
	if err == nil && len(made) != len(ask) {
		err = fmt.Errorf("%d answers to %d questions", len(made), len(ask))
	}
	if err != nil {
		return err
	}
	for i, place := range places {
		c.results[place] = made[i]
		if time.Since(begun) < c.how.Cheap {
			continue
		}
		if err := c.keep(ctx, c.keeping, c.keys[place], made[i]); err != nil {
			return err
		}
	}
	return nil
}

// oneByOne calls work for each place, all at once.
func oneByOne(ctx context.Context, places []int, work func(context.Context, []int) error) error {
	var running sync.WaitGroup
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, place := range places {
		running.Go(func() {
			if err := work(ctx, []int{place}); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// recall returns a kept result. One that cannot be read is none.
func (e exchange[In, Out]) recall(ctx context.Context, k keeping, key string) (result Out, known bool, err error) {
	data, err := k.Kept(ctx, key)
	if err != nil || data == nil {
		return result, false, err
	}
	var a keptAnswer
	damaged := json.Unmarshal(data, &a)
	if damaged == nil {
		result, damaged = e.result(a)
	}
	return result, damaged == nil, nil
}

// keep stores a result, unless it is a failure that can pass. It is stored although the
// call was cancelled meanwhile: it may be paid for.
func (e exchange[In, Out]) keep(ctx context.Context, k keeping, key string, result Out) error {
	a, err := e.answer(result)
	if err != nil || !a.lasting() {
		return err
	}
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	return k.Keep(context.WithoutCancel(ctx), key, data)
}

// pixels is the hash of an image, empty for none.
func pixels(img image.Image) string {
	if img == nil {
		return ""
	}
	b := img.Bounds()
	plain, ok := img.(*image.NRGBA)
	if !ok || plain.Rect.Min != (image.Point{}) || plain.Stride != 4*b.Dx() {
		plain = image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
		draw.Draw(plain, plain.Rect, img, b.Min, draw.Src)
	}
	size := binary.LittleEndian.AppendUint64(nil, uint64(b.Dx())) //nolint:gosec // sides are positive
	sum := sha256.Sum256(append(size, plain.Pix...))
	return hex.EncodeToString(sum[:])
}

// seen names the images of a question that stays in this process.
func (q question) seen(looked image.Image, r reflectionflow.Request) question {
	q.Image, q.Reference = pixels(looked), pixels(r.Reference)
	for _, img := range r.Others.All() {
		q.Others = append(q.Others, pixels(img))
	}
	return q
}

type keptGenerator struct {
	reflectionflow.Generator
	how Kept
}

// Check implements [reflectionflow.RequestChecker].
func (g keptGenerator) Check(r reflectionflow.Request) error {
	return reflectionflow.CheckRequest(g.Generator, r)
}

// Generate implements [reflectionflow.Generator].
func (g keptGenerator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	e := exchange[reflectionflow.Request, reflectionflow.Generation]{
		question: func(r reflectionflow.Request) question { return question{Draw: &r}.seen(nil, r) },
		answer:   drawn, result: generation,
	}
	return e.call(ctx, requests, g.how, g.Generator.Generate)
}

// drawn is the answer that a generation is kept as.
func drawn(made reflectionflow.Generation) (keptAnswer, error) {
	if made.Err != nil {
		a := failed(made.Err, false)
		a.Warnings = made.Warnings
		return keptAnswer{answer: a.priced(made.Cost)}, nil //nolint:nilerr // it is the answer
	}
	if made.Image == nil {
		return keptAnswer{}, errors.New("the generator returned neither an image nor an error")
	}
	file, hash, err := encode(made.Image)
	return keptAnswer{answer: answer{Image: hash, Unseeded: made.Unseeded, Warnings: made.Warnings}.priced(made.Cost), File: file}, err
}

// generation is the reverse of drawn.
func generation(a keptAnswer) (made reflectionflow.Generation, err error) {
	made = reflectionflow.Generation{Cost: a.cost(), Unseeded: a.Unseeded, Warnings: a.Warnings}
	if a.Failure != nil {
		made.Err = a.Failure
		return made, nil //nolint:nilerr // it is the answer
	}
	made.Image, err = decode(a.File)
	return made, err
}

type keptPreviewer struct {
	keptGenerator
	previewer reflectionflow.Previewer
}

// Preview implements [reflectionflow.Previewer].
func (p keptPreviewer) Preview(ctx context.Context, requests []reflectionflow.Request, steps int) ([]reflectionflow.Preview, error) {
	return p.previewer.Preview(ctx, requests, steps)
}

// Finish implements [reflectionflow.Previewer]. The previews are of one number of steps.
func (p keptPreviewer) Finish(ctx context.Context, previews []reflectionflow.Preview) ([]reflectionflow.Generation, error) {
	e := exchange[reflectionflow.Preview, reflectionflow.Generation]{
		question: func(v reflectionflow.Preview) question {
			return question{Draw: &v.Request}.seen(nil, v.Request)
		},
		answer: drawn, result: generation,
	}
	if len(previews) > 0 {
		e.about = fmt.Sprintf(" after %d steps", previews[0].Steps)
	}
	return e.call(ctx, previews, p.how, p.previewer.Finish)
}

type keptVerifier struct {
	reflectionflow.Verifier
	how Kept
}

// Abilities implements [reflectionflow.DeclaringVerifier].
func (v keptVerifier) Abilities() reflectionflow.Abilities {
	return reflectionflow.AbilitiesOf(v.Verifier)
}

// Verify implements [reflectionflow.Verifier].
func (v keptVerifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	e := exchange[reflectionflow.PromptedImage, reflectionflow.Score]{
		question: func(p reflectionflow.PromptedImage) question {
			return question{Verify: &p.Prompt, Image: pixels(p.Image)}
		},
		answer: func(s reflectionflow.Score) (keptAnswer, error) {
			cost := s.Cost
			s.Cost = reflectionflow.Cost{}
			return keptAnswer{answer: answer{Score: &s}.priced(cost)}, nil
		},
		result: func(a keptAnswer) (reflectionflow.Score, error) {
			if a.Score == nil {
				return reflectionflow.Score{}, errMissing
			}
			a.Score.Cost = a.cost()
			return *a.Score, nil
		},
	}
	return e.call(ctx, images, v.how, v.Verifier.Verify)
}

type keptPreviewVerifier struct {
	keptVerifier
	previews reflectionflow.PreviewVerifier
}

// VerifyPreviews implements [reflectionflow.PreviewVerifier].
func (v keptPreviewVerifier) VerifyPreviews(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	return v.previews.VerifyPreviews(ctx, images)
}

// observed is an observation as a part of a question.
func observed(o reflectionflow.Observation) (*observation, question) {
	o.Score.Cost = reflectionflow.Cost{}
	return &observation{o.Prompt, o.Request, o.Score, o.Reflection, o.Seed}, question{}.seen(o.Image, o.Request)
}

type keptReflector struct {
	reflectionflow.Reflector
	how Kept
}

// NeedsFindings implements [reflectionflow.FindingsReflector].
func (r keptReflector) NeedsFindings() bool { return reflectionflow.NeedsFindings(r.Reflector) }

// Reflect implements [reflectionflow.Reflector].
func (r keptReflector) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	e := exchange[reflectionflow.Observation, reflectionflow.Reflection]{
		question: func(o reflectionflow.Observation) question {
			seen, q := observed(o)
			q.Reflect = seen
			return q
		},
		answer: func(s reflectionflow.Reflection) (keptAnswer, error) {
			return keptAnswer{answer: answer{Reflection: &reflectionflow.Reflection{Text: s.Text, Caption: s.Caption}}.priced(s.Cost)}, nil
		},
		result: func(a keptAnswer) (reflectionflow.Reflection, error) {
			if a.Reflection == nil {
				return reflectionflow.Reflection{}, errMissing
			}
			return reflectionflow.Reflection{Text: a.Reflection.Text, Caption: a.Reflection.Caption, Cost: a.cost()}, nil
		},
	}
	return e.call(ctx, observations, r.how, r.Reflector.Reflect)
}

type keptRefiner struct {
	reflectionflow.Refiner
	how Kept
}

// Refine implements [reflectionflow.Refiner].
func (r keptRefiner) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	e := exchange[reflectionflow.Observation, reflectionflow.Refinement]{
		question: func(o reflectionflow.Observation) question {
			seen, q := observed(o)
			q.Refine = seen
			return q
		},
		answer: func(s reflectionflow.Refinement) (keptAnswer, error) {
			return keptAnswer{answer: answer{Refinement: s.Text}.priced(s.Cost)}, nil
		},
		result: func(a keptAnswer) (reflectionflow.Refinement, error) {
			return reflectionflow.Refinement{Text: a.Refinement, Cost: a.cost()}, nil
		},
	}
	return e.call(ctx, observations, r.how, r.Refiner.Refine)
}
