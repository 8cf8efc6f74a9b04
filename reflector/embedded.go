package reflector

import (
	"context"
	"slices"
	"time"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Embedded implements [reflectionflow.Reflector] by rule: what must change for the
// objects that the verifier saw to meet the prompt, or to leave no doubt that they do,
// as one short instruction ([clipart.Corrections]). The zero value is ready, and may be used
// from several goroutines.
type Embedded struct {
	// Plan thinks of a picture of the clip-art world that would be right, says what is
	// where in it, and then what must change, and where ([clipart.LocatedCorrections]);
	// another seed thinks of another one. It captions what was seen in the same words
	// ([clipart.Describe]). It is for a corrector; a triplet with a
	// picture that was drawn before any plan cannot be described so.
	Plan bool
}

// NeedsFindings implements [reflectionflow.FindingsReflector]: without findings there is
// nothing to word.
func (Embedded) NeedsFindings() bool { return true }

// Reflect words one instruction per observation. It is empty where nothing was
// found wrong, and where the score says nothing of requirements. Prompts without
// requirements are parsed; one that does not parse is an error wrapping
// [reflectionflow.ErrInvalid].
func (e Embedded) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
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
			reflections[i] = e.words(prompt, o)
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

// seen lists what the verifier saw: all objects where it names them, else those
// its findings rest on.
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
	if len(p.Requirements) > 0 {
		return p, nil
	}
	return clipart.Parse(p.Text)
}
