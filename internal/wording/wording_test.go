package wording_test

import (
	"image"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/wording"
)

func TestWordings(t *testing.T) {
	plain := reflectionflow.Request{Prompt: "two cats"}
	corrected := plain
	corrected.Reflection, corrected.Reference = "add a second cat", image.NewGray(image.Rect(0, 0, 1, 1))
	lost := corrected
	lost.Reference = nil
	for name, c := range map[string]struct {
		words                  func(reflectionflow.Request) string
		plain, corrected, lost string
	}{
		"instruction": {wording.Instruction, "two cats", "Edit the image: add a second cat. Keep everything else as it is. The edited image must show: two cats.", "two cats. add a second cat."},
		"appended":    {wording.Appended, "two cats", "two cats. add a second cat.", "two cats. add a second cat."},
		"marked":      {wording.Marked, "two cats", "two cats [Reflexion] add a second cat", "two cats [Reflexion] add a second cat"},
	} {
		for r, want := range map[*reflectionflow.Request]string{&plain: c.plain, &corrected: c.corrected, &lost: c.lost} {
			if got := c.words(*r); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}
