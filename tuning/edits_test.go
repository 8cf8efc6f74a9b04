package tuning

import (
	"math/rand/v2"
	"testing"

	"reflectionflow/clipart"
)

// The corrector learns to follow both a plan and an instruction alone.
func TestDirectionsMostlyHaveTheOutline(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	scene, prompt := clipart.Sample(clipart.Tasks()[1], rng)
	outline, outlined := clipart.Outline(scene, prompt.Requirements), 0
	for range 400 {
		switch got := directions(scene, prompt, "add a dog", rng); got {
		case outline + ". add a dog":
			outlined++
		case "add a dog":
		default:
			t.Fatalf("got %q", got)
		}
	}
	if outline == "" || outlined < 260 || outlined > 340 {
		t.Errorf("%q precedes %d of 400 instructions", outline, outlined)
	}
}
