package verifier

import (
	"context"
	"fmt"
	"time"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/verifier/detect"
)

// Members returns the networks as verifiers, for other combinations: "detector" is e
// without the reward network; "reward" scores by the reward network and has no findings,
// and is missing if e has none. They are valid until e is closed.
func (e *Embedded) Members() []Member {
	detector := *e
	detector.reward, detector.closers = nil, nil
	members := []Member{{Name: "detector", Verifier: &detector}}
	if e.reward != nil {
		members = append(members, Member{Name: "reward", Verifier: rewarded{e}})
	}
	return members
}

// rewarded is the reward network as a verifier.
type rewarded struct{ *Embedded }

// Abilities implements [reflectionflow.DeclaringVerifier]: no findings.
func (rewarded) Abilities() reflectionflow.Abilities { return reflectionflow.Abilities{} }

// Verify implements [reflectionflow.Verifier].
func (r rewarded) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores := make([]reflectionflow.Score, len(images))
	err := detect.ForEach(ctx, len(images), func(i int) error {
		start := time.Now()
		prompt, err := r.parsed(images[i].Prompt)
		if err != nil {
			return err
		}
		fit, err := r.reward.Score(clipart.ShortCaption(clipart.Known(prompt.Requirements)), images[i].Image)
		if err != nil {
			return fmt.Errorf("score the image: %w", err)
		}
		scores[i] = reflectionflow.Score{Value: fit, Cost: reflectionflow.Cost{VerifierCalls: 1, Seconds: time.Since(start).Seconds()}}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return scores, nil
}
