package geneval

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"reflectionflow"
)

// Condition is what a generator gets for a wrong first image.
type Condition string

// The conditions of an [Ablation]. All but the last two give the generator a reference or the
// text of a reflection, with the user's prompt.
const (
	FullReflection   Condition = "full"              // the image and its reflection, as in a search
	InstructionOnly  Condition = "instruction-only"  // of the reflection the instruction alone
	PlainCritique    Condition = "plain-critique"    // what is wrong and what to do, without a place or a layout
	LayoutOnly       Condition = "layout-only"       // of the reflection the layout alone, with the caption
	WrongText        Condition = "wrong-text"        // the reflection of another wrong image
	NoText           Condition = "no-text"           // the image without a reflection
	GreyReference    Condition = "grey-reference"    // a grey image in place of the image
	SwappedReference Condition = "swapped-reference" // another wrong image in its place
	NoReference      Condition = "no-reference"      // the reflection without an image
	FreshNoise       Condition = "fresh-noise"       // the prompt alone
	RewrittenPrompt  Condition = "rewritten-prompt"  // the refiner's prompt alone
)

// Conditions lists all conditions in the order of the tables.
func Conditions() []Condition {
	return []Condition{FullReflection, InstructionOnly, PlainCritique, LayoutOnly, WrongText, NoText, GreyReference, SwappedReference, NoReference, FreshNoise, RewrittenPrompt}
}

// Separable is an optional ability of a [reflectionflow.Reflector], found by type assertion: to
// take its reflections apart. Layout says where the objects of the right image stand, and
// instruction what to change; a part that the reflection lacks is empty.
type Separable interface {
	Parts(r reflectionflow.Reflection) (layout, instruction reflectionflow.Reflection)
}

// Ablation measures what the parts of a reflection are worth: wrong first images of a base are
// corrected once under each [Condition], from the same new noise, and the judge decides how
// many are right then. It is a function of its fields: the batch changes nothing.
type Ablation struct {
	// Prompts give one first image each, in an order that Seed decides, until there are enough
	// wrong ones.
	Prompts []Metadata
	Images  int    // wrong first images wanted
	Seed    uint64 // every seed derives from it
	// Request has the size, the steps and the guidance of every image.
	Request   reflectionflow.Request
	Generator reflectionflow.Generator
	Verifier  reflectionflow.Verifier  // for the reflector
	Reflector reflectionflow.Reflector // one that is Separable gives two more conditions
	Critic    reflectionflow.Reflector // says what is wrong and what to do, without a layout; nil leaves a condition out
	Refiner   reflectionflow.Refiner   // nil leaves a condition out
	Judge     Judge
	Batch     int // images generated at once
	// Parse reads the prompts of a suite, as that of an [Evaluation] does.
	Parse func(ctx context.Context, text string) (reflectionflow.Prompt, error)
	// Keep, unless nil, is called with every image of the wrong first images: the first one
	// itself has the condition "first".
	Keep func(index int, c Condition, img image.Image) error
	// Notify, unless nil, is called with the wrong first images found and wanted, and then with
	// the corrections.
	Notify func(what string, done, total int)
}

// firstImage is the condition of a first image in Keep.
const firstImage Condition = "first"

// The samples of the seeds of an ablation.
const (
	firstSample      = iota // of first images
	correctionSample        // of their corrections, all conditions alike
	textSample              // of reflections and rewritten prompts
	orderSample             // of the order of the prompts
)

// flaw is a wrong first image.
type flaw struct {
	metadata    Metadata
	prompt      reflectionflow.Prompt
	request     reflectionflow.Request
	image       image.Image
	reason      string
	observation reflectionflow.Observation
	reflection  reflectionflow.Reflection
	other       int // the image that lends its reflection and itself; -1 for none
}

// Run measures. Wrong images about which the reflector has nothing to say are counted and left
// out. An image that the generator refuses permanently is not right; another failure ends the
// ablation. Bad input wraps [reflectionflow.ErrInvalid].
func (a *Ablation) Run(ctx context.Context) (Ablated, error) {
	if a.Images < 2 || a.Images > maxPrompts || a.Batch < 1 {
		return Ablated{}, invalid("%d wrong images in batches of %d: want 2 or more, in batches of 1 or more", a.Images, a.Batch)
	}
	if err := CheckRules(); err != nil {
		return Ablated{}, err
	}
	out := Ablated{Wanted: a.Images, Tags: make(map[string]int)}
	flaws, err := a.flaws(ctx, &out)
	if err != nil {
		return Ablated{}, err
	}
	if len(flaws) < 2 {
		return Ablated{}, invalid("%d of %d first images are wrong and have a reflection: give more prompts, or harder ones", len(flaws), out.First)
	}
	lend(flaws)
	values := make(map[Condition][]float64)
	for _, c := range Conditions() {
		requests, reason, err := a.requests(ctx, c, flaws)
		switch {
		case err != nil:
			return Ablated{}, err
		case reason != "" && c == FullReflection:
			return Ablated{}, invalid("nothing to ablate: %s", reason)
		case reason != "":
			out.LeftOut = append(out.LeftOut, LeftOut{c, reason})
			continue
		}
		if values[c], err = a.correct(ctx, c, flaws, requests); err != nil {
			return Ablated{}, err
		}
		a.notify("conditions", len(values), len(Conditions()))
	}
	out.fill(flaws, values)
	return out, nil
}

func (a *Ablation) notify(what string, done, total int) {
	if a.Notify != nil {
		a.Notify(what, done, total)
	}
}

// flaws generates first images until enough are wrong.
func (a *Ablation) flaws(ctx context.Context, out *Ablated) ([]flaw, error) {
	seeds := Evaluation{Prompts: slices.Clone(a.Prompts), Seed: a.Seed, Parse: a.Parse}
	slices.SortStableFunc(seeds.Prompts, func(x, y Metadata) int {
		if seeds.seedOf(orderSample, x.Prompt) < seeds.seedOf(orderSample, y.Prompt) {
			return -1
		}
		return 1
	})
	tasks, err := seeds.tasks(ctx, firstSample)
	if err != nil {
		return nil, err
	}
	var flaws []flaw
	for start := 0; start < len(tasks) && len(flaws) < a.Images; start += a.Batch {
		end := min(start+a.Batch, len(tasks))
		batch := make([]flaw, end-start)
		for i := range batch {
			f := &batch[i]
			f.metadata, f.prompt, f.request = seeds.Prompts[start+i], tasks[start+i].Prompt, a.Request
			f.request.Prompt, f.request.Seed = f.prompt.Text, tasks[start+i].Seed
		}
		if err := a.first(ctx, batch, seeds); err != nil {
			return nil, err
		}
		for _, f := range batch {
			if len(flaws) == a.Images {
				break // so that the batch changes no number
			}
			out.First++
			switch {
			case f.image == nil:
				out.Refused++
			case f.reason == "":
				out.Right++
			case f.reflection.Text == "":
				out.Unreflected++
			default:
				if err := a.keep(len(flaws), firstImage, f.image); err != nil {
					return nil, err
				}
				out.Tags[f.metadata.Tag]++
				flaws = append(flaws, f)
			}
		}
		a.notify("wrong first images", len(flaws), a.Images)
	}
	return flaws, nil
}

// first generates and judges a batch of first images, and reflects on the wrong ones.
func (a *Ablation) first(ctx context.Context, batch []flaw, seeds Evaluation) error {
	requests := make([]reflectionflow.Request, len(batch))
	metadata := make([]Metadata, len(batch))
	for i, f := range batch {
		requests[i], metadata[i] = f.request, f.metadata
	}
	images, judgments, err := a.generate(ctx, requests, metadata)
	if err != nil {
		return err
	}
	var wrong []int
	var observations []reflectionflow.Observation
	var shown []reflectionflow.PromptedImage
	for i := range batch {
		f := &batch[i]
		if f.image = images[i]; f.image == nil || judgments[i].Correct {
			continue
		}
		f.reason = judgments[i].Reason
		if f.reason == "" {
			f.reason = "wrong"
		}
		f.observation = reflectionflow.Observation{Prompt: f.prompt, Request: f.request, Image: f.image, Seed: seeds.seedOf(textSample, f.prompt.Text)}
		f.request.Seed = seeds.seedOf(correctionSample, f.prompt.Text)
		wrong, shown = append(wrong, i), append(shown, reflectionflow.PromptedImage{Prompt: f.prompt, Image: f.image})
	}
	if len(wrong) == 0 {
		return nil
	}
	scores, err := a.Verifier.Verify(ctx, shown)
	if err != nil || len(scores) != len(wrong) {
		return errors.Join(err, counted("scores", len(scores), len(wrong)))
	}
	for n, i := range wrong {
		batch[i].observation.Score = scores[n]
		observations = append(observations, batch[i].observation)
	}
	reflections, err := a.Reflector.Reflect(ctx, observations)
	if err != nil || len(reflections) != len(wrong) {
		return errors.Join(err, counted("reflections", len(reflections), len(wrong)))
	}
	for n, i := range wrong {
		batch[i].reflection = reflections[n]
	}
	return nil
}

// counted reports a part that returned a wrong number of answers.
func counted(what string, got, want int) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%d %s for %d images", got, what, want)
}

// lend finds for each image the next one, around, with other requirements.
func lend(flaws []flaw) {
	for i := range flaws {
		flaws[i].other = -1
		for k := 1; k < len(flaws); k++ {
			if j := (i + k) % len(flaws); !sameRequirements(flaws[i].prompt, flaws[j].prompt) {
				flaws[i].other = j
				break
			}
		}
	}
}

func sameRequirements(a, b reflectionflow.Prompt) bool {
	if len(a.Requirements)+len(b.Requirements) == 0 {
		return a.Text == b.Text
	}
	return slices.Equal(a.Requirements, b.Requirements)
}

// request is what the generator gets under a condition; ok is false where the image has not
// what it takes.
func (a *Ablation) request(c Condition, f flaw, flaws []flaw) (r reflectionflow.Request, ok bool) {
	r = f.request
	given, reference := f.reflection, f.image
	switch c {
	case InstructionOnly, LayoutOnly:
		layout, instruction := a.Reflector.(Separable).Parts(f.reflection)
		if given = instruction; c == LayoutOnly {
			given = layout
		}
		if given.Text == "" {
			return r, false
		}
	case PlainCritique:
		if given.Text == "" {
			return r, false
		}
	case WrongText, SwappedReference:
		if f.other < 0 {
			return r, false
		}
		if other := flaws[f.other]; c == WrongText {
			given = other.reflection
		} else {
			reference = other.image
		}
	case NoText:
		given = reflectionflow.Reflection{}
	case GreyReference:
		reference = grey(f.image.Bounds())
	case NoReference:
		reference, given.Caption = nil, ""
	case FreshNoise, RewrittenPrompt:
		reference, given = nil, reflectionflow.Reflection{}
	}
	r.Reference, r.Reflection, r.ReferenceCaption = reference, given.Text, given.Caption
	return r, true
}

// grey is a uniform image of medium brightness.
func grey(bounds image.Rectangle) image.Image {
	img := image.NewNRGBA(bounds)
	for i := range img.Pix {
		img.Pix[i] = 128
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	return img
}

// requests are those of all images under a condition, nil for an image that lacks what it takes
// and for a request that the generator cannot serve. reason says why the condition is left out.
func (a *Ablation) requests(ctx context.Context, c Condition, flaws []flaw) (list []*reflectionflow.Request, reason string, err error) {
	_, separable := a.Reflector.(Separable)
	switch {
	case !separable && (c == InstructionOnly || c == LayoutOnly):
		return nil, "the reflections of this reflector have no separate layout", nil
	case a.Refiner == nil && c == RewrittenPrompt:
		return nil, "there is no refiner", nil
	case a.Critic == nil && c == PlainCritique:
		return nil, "there is no critic", nil
	case c == PlainCritique:
		if flaws, err = a.criticized(ctx, flaws); err != nil {
			return nil, "", err
		}
	}
	list = make([]*reflectionflow.Request, len(flaws))
	for i, f := range flaws {
		if r, ok := a.request(c, f, flaws); ok {
			list[i] = &r
		}
	}
	if c == RewrittenPrompt {
		if err := a.rewrite(ctx, flaws, list); err != nil {
			return nil, "", err
		}
	}
	reason, served := "no image has what it takes", 0
	for i, r := range list {
		if r == nil {
			continue
		}
		if refusal := reflectionflow.CheckRequest(a.Generator, *r); refusal != nil {
			reason, list[i] = strings.TrimPrefix(refusal.Error(), reflectionflow.ErrInvalid.Error()+": "), nil
			continue
		}
		served++
	}
	if served > 0 {
		reason = ""
	}
	return list, reason, nil
}

// criticized returns the images with the critic's text as their reflections.
func (a *Ablation) criticized(ctx context.Context, flaws []flaw) ([]flaw, error) {
	observations := make([]reflectionflow.Observation, len(flaws))
	for i, f := range flaws {
		observations[i] = f.observation
	}
	critiques, err := a.Critic.Reflect(ctx, observations)
	if err != nil || len(critiques) != len(flaws) {
		return nil, errors.Join(err, counted("critiques", len(critiques), len(flaws)))
	}
	flaws = slices.Clone(flaws)
	for i, c := range critiques {
		flaws[i].reflection = c
	}
	return flaws, nil
}

// rewrite puts the refiner's prompts into requests.
func (a *Ablation) rewrite(ctx context.Context, flaws []flaw, list []*reflectionflow.Request) error {
	observations := make([]reflectionflow.Observation, len(flaws))
	for i, f := range flaws {
		observations[i] = f.observation
	}
	refinements, err := a.Refiner.Refine(ctx, observations)
	if err != nil || len(refinements) != len(flaws) {
		return errors.Join(err, counted("rewritten prompts", len(refinements), len(flaws)))
	}
	for i, r := range refinements {
		if r.Text != "" {
			list[i].Prompt, list[i].PooledPrompt = r.Text, flaws[i].prompt.Text
		}
	}
	return nil
}

// correct generates and judges the images of a condition: 1 for a right one, 0 for a wrong one,
// NaN where there is none.
func (a *Ablation) correct(ctx context.Context, c Condition, flaws []flaw, list []*reflectionflow.Request) ([]float64, error) {
	values := make([]float64, len(flaws))
	var indices []int
	for i, r := range list {
		if values[i] = math.NaN(); r != nil {
			indices = append(indices, i)
		}
	}
	for batch := range slices.Chunk(indices, a.Batch) {
		requests, metadata := make([]reflectionflow.Request, len(batch)), make([]Metadata, len(batch))
		for n, i := range batch {
			requests[n], metadata[n] = *list[i], flaws[i].metadata
		}
		images, judgments, err := a.generate(ctx, requests, metadata)
		if err != nil {
			return nil, fmt.Errorf("condition %s: %w", c, err)
		}
		for n, i := range batch {
			if values[i] = 0; judgments[n].Correct {
				values[i] = 1
			}
			if err := a.keep(i, c, images[n]); err != nil {
				return nil, err
			}
		}
	}
	return values, nil
}

func (a *Ablation) keep(index int, c Condition, img image.Image) error {
	if a.Keep == nil || img == nil {
		return nil
	}
	return a.Keep(index, c, img)
}

// generate generates and judges images. One that is refused permanently is nil, and not right.
func (a *Ablation) generate(ctx context.Context, requests []reflectionflow.Request, metadata []Metadata) ([]image.Image, []Judgment, error) {
	generations, err := a.Generator.Generate(ctx, requests)
	if err != nil || len(generations) != len(requests) {
		return nil, nil, errors.Join(err, counted("images", len(generations), len(requests)))
	}
	images, judgments := make([]image.Image, len(requests)), make([]Judgment, len(requests))
	var cases []Case
	var places []int
	for i, g := range generations {
		switch {
		case reflectionflow.IsPermanent(g.Err):
			continue
		case g.Err != nil:
			return nil, nil, fmt.Errorf("image for %.80q: %w", requests[i].Prompt, g.Err)
		}
		images[i], cases, places = g.Image, append(cases, Case{metadata[i], g.Image}), append(places, i)
	}
	if len(cases) == 0 {
		return images, judgments, ctx.Err()
	}
	judged, err := judgeAll(ctx, a.Judge, cases)
	if err != nil {
		return nil, nil, fmt.Errorf("judge images: %w", err)
	}
	for n, i := range places {
		if judged[n].Pending {
			return nil, nil, invalid("this judge decides later, by another program: an ablation needs a judge of this program")
		}
		judgments[i] = judged[n]
	}
	return images, judgments, ctx.Err()
}
