package photocases

import (
	"bytes"
	"testing"

	"reflectionflow/vision/composite"
)

// What is asked for is in the right image and not in a wrong one, wholly and large enough to be seen.
func TestCases(t *testing.T) {
	cuts := composite.CutOuts()
	kinds, prompts := map[string]int{}, map[string]bool{}
	for i, c := range Cases(29, 3, cuts) {
		kinds[c.Kind]++
		if prompts[c.Prompt] || len(c.Wrong) < 2 {
			t.Errorf("%s: there twice, or %d wrong images", c.Prompt, len(c.Wrong))
		}
		prompts[c.Prompt] = true
		if i%4 > 0 {
			continue
		}
		img, objects := c.Right.Render(uint64(i), cuts)
		again, _ := c.Right.Render(uint64(i), cuts)
		if !bytes.Equal(img.Pix, again.Pix) || img.Bounds().Dx() != Side {
			t.Errorf("%s: another image", c.Prompt)
		}
		want := c.Right.On.N
		for _, g := range c.Right.Groups {
			want += g.N
		}
		if len(objects) != want {
			t.Errorf("%s: %d objects are seen, want %d", c.Prompt, len(objects), want)
		}
		for _, o := range objects {
			if long := max(o.Box[2]-o.Box[0], o.Box[3]-o.Box[1]); long < 0.12 {
				t.Errorf("%s: a %s of %.2f of the side", c.Prompt, o.Class, long)
			}
		}
	}
	if len(kinds) != 5 || !prompts["two dogs on a red sofa"] || kinds["on a sofa"] != 4 {
		t.Errorf("kinds %v", kinds)
	}
}
