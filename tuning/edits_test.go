package tuning

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux/flux1"
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

// With a share of critiques the corrector also learns texts that say what is wrong, and nothing of
// a layout; without it the texts are those of before.
func TestCritiquesOfPairs(t *testing.T) {
	r := tiny(t)
	data, err := newPairs(r)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i := range r.Corrector.Edits {
		c := Corrector{Critiques: 1}
		for range 10 {
			words, _ := data.caption(i, c, rand.New(rand.NewPCG(3, uint64(i))))
			_, plain, _ := strings.Cut(words.long, "[Reflexion]")
			if strings.Contains(plain, "there ") || strings.Contains(plain, "no ") || strings.Contains(plain, " is ") {
				wrong++
			}
			if strings.Contains(plain, " at the ") {
				t.Errorf("%q has a place", words.long)
			}
		}
		before, _ := data.caption(i, Corrector{}, rand.New(rand.NewPCG(3, uint64(i))))
		prompt, reflection := data.words(i)
		if want := flux1.Text(prompt, reflection); before.long != want {
			t.Errorf("without critiques: %q, want %q", before.long, want)
		}
	}
	if n := 10 * r.Corrector.Edits; wrong < n/2 {
		t.Errorf("%d of %d texts say what is wrong", wrong, n)
	}
	r.Corrector.Critiques = 2
	if _, _, err := correctorTask(t.Context(), nil, r, StageOptions{}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a share of 2: %v", err)
	}
}
