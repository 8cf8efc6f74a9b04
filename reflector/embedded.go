package reflector

import (
	"context"
	"slices"
	"time"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Embedded implements [reflectionflow.Reflector] by rules: it words what must change for the
// detected objects to meet the prompt, or to meet it clearly, as one short instruction
// ([clipart.Corrections]). The zero value is ready to use. It is safe for concurrent use.
type Embedded struct {
	// Plan plans a correct scene for each image, and puts its outline and the places of the
	// corrections into the instruction ([clipart.LocatedCorrections]); another seed gives another
	// plan. It also captions the image in the same form ([clipart.Describe]). Set it for the
	// corrector; leave it unset for triplets whose enhanced image was not generated from a plan.
	Plan bool
}

// NeedsFindings implements [reflectionflow.FindingsReflector]: without findings there is
// nothing to word.
func (Embedded) NeedsFindings() bool { return true }

// Reflect returns one instruction per observation. It is empty if the score has no findings or
// every requirement is met. Prompts without requirements are parsed; one that does not parse is an
// error wrapping [reflectionflow.ErrInvalid].
func (e Embedded) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	return each(ctx, observations, e.words)
}

// each words a reflection on every image that does not meet its prompt.
func each(ctx context.Context, observations []reflectionflow.Observation, words func(reflectionflow.Prompt, reflectionflow.Observation) reflectionflow.Reflection) ([]reflectionflow.Reflection, error) {
	reflections := make([]reflectionflow.Reflection, len(observations))
	for i, o := range observations {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		prompt, err := parsed(o.Prompt)
		if err != nil {
			return nil, err
		}
		if len(o.Score.Requirements) > 0 && !o.Score.Right() {
			reflections[i] = words(prompt, o)
		}
		reflections[i].Cost.Seconds = time.Since(start).Seconds()
	}
	return reflections, ctx.Err()
}

func (e Embedded) words(p reflectionflow.Prompt, o reflectionflow.Observation) (r reflectionflow.Reflection) {
	objects := seen(o.Score)
	if !e.Plan {
		r.Text = clipart.Instruction(clipart.Corrections(p, objects))
		return r
	}
	fixes, outline := clipart.LocatedCorrections(p, objects, o.Seed)
	if r.Text = clipart.Directions(outline, clipart.Instruction(fixes)); outline != "" && r.Text != "" {
		r.Caption = clipart.Describe(objects, p.Requirements)
	}
	return r
}

// Critic implements [reflectionflow.Reflector] by the rules of [Embedded], in the manner of a critique:
// what is wrong and what to do about it, without a place, a layout or a caption
// ([clipart.Critique]). The zero value is ready to use. It is safe for concurrent use.
type Critic struct{}

// NeedsFindings implements [reflectionflow.FindingsReflector].
func (Critic) NeedsFindings() bool { return true }

// Reflect returns one critique per observation, as [Embedded.Reflect] does its instructions.
func (Critic) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	return each(ctx, observations, func(p reflectionflow.Prompt, o reflectionflow.Observation) reflectionflow.Reflection {
		return reflectionflow.Reflection{Text: clipart.Critique(p, seen(o.Score))}
	})
}

// Parts takes a reflection of Embedded apart: layout has the outline of the planned image and the
// caption, instruction what to change. Without a plan the layout is empty.
func (Embedded) Parts(r reflectionflow.Reflection) (layout, instruction reflectionflow.Reflection) {
	layout.Text, instruction.Text = clipart.Undirected(r.Text)
	if layout.Text != "" {
		layout.Caption = r.Caption
	}
	return layout, instruction
}

// seen lists the detected objects: all if the verifier names them, otherwise those in the evidence
// of its findings.
func seen(s reflectionflow.Score) []reflectionflow.Object {
	if len(s.Objects) > 0 {
		return s.Objects
	}
	var objects []reflectionflow.Object
	for _, f := range s.Requirements {
		for _, o := range f.Evidence {
			if !slices.Contains(objects, o) {
				objects = append(objects, o)
			}
		}
	}
	return objects
}

func parsed(p reflectionflow.Prompt) (reflectionflow.Prompt, error) {
	if err := p.Validate(); err != nil {
		return p, err
	}
	if len(p.Requirements) == 0 {
		return clipart.Parse(p.Text)
	}
	p.Requirements = clipart.Known(p.Requirements)
	return p, nil
}
