package reflector

import (
	"context"
	"strings"
	"time"

	"reflectionflow"
)

// Restate implements [reflectionflow.Refiner] for any objects: it follows the prompt with plain sentences
// of the requirements that the image does not clearly meet, or of all where there is no image yet:
//
//	two dogs on a red sofa. There are exactly two dogs. The couch is red.
//
// If the observation has a reflection, the prompt stays unchanged. The zero value is ready to use. It is
// safe for concurrent use.
type Restate struct{}

// Refine rewrites the prompt of each observation; the text is empty where nothing is to be added. Free
// requirements are in the prompt's words and are not repeated.
func (Restate) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	refinements := make([]reflectionflow.Refinement, len(observations))
	for i, o := range observations {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := o.Prompt.Validate(); err != nil {
			return nil, err
		}
		if o.Reflection == "" {
			refinements[i].Text = restated(o)
		}
		refinements[i].Cost.Seconds = time.Since(start).Seconds()
	}
	return refinements, ctx.Err()
}

// restated is the text of a refinement.
func restated(o reflectionflow.Observation) string {
	text := strings.TrimSpace(o.Prompt.Text)
	if !strings.ContainsRune(".!?", rune(text[len(text)-1])) {
		text += "."
	}
	added := false
	for i, r := range o.Prompt.Requirements {
		judged := i < len(o.Score.Requirements)
		if r.Kind == reflectionflow.Free || judged && o.Score.Requirements[i].Verdict == reflectionflow.Met {
			continue
		}
		if s := statement(r); len(text)+1+len(s) <= reflectionflow.MaxPromptBytes {
			text, added = text+" "+s, true
		}
	}
	if !added {
		return ""
	}
	return text
}
