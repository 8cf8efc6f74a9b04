package search

import "testing"

// TestChooseEarly: noises are abandoned where previews tell the noises of a prompt apart,
// not where they tell easy prompts from difficult ones.
func TestChooseEarly(t *testing.T) {
	const prompts = 40
	for name, x := range map[string]struct {
		right func(prompt, noise int) bool
		tries int
	}{
		"noises differ":  {func(prompt, noise int) bool { return noise%2 == 0 }, 3},
		"prompts differ": {func(prompt, noise int) bool { return prompt%4 < 2 }, 0},
	} {
		cfg := Default(Adaptive)
		e := previewFit{cfg: cfg, early: make([][]float64, len(earlyShares))}
		for prompt := range prompts {
			for noise := range noisesPerPrompt {
				estimate, final := -5.0, 0.05
				if x.right(prompt, noise) {
					estimate, final = -0.1, 0.95
				}
				e.final = append(e.final, final)
				for i := range e.early {
					e.early[i] = append(e.early[i], estimate)
				}
			}
		}
		if early := e.choose(DefaultPolicy().Seconds); early.Tries != x.tries {
			t.Errorf("%s: %+v, want %d tries", name, early, x.tries)
		}
	}
}
