package clipart

import "testing"

func TestDisambiguate(t *testing.T) {
	for _, test := range []struct {
		prompt string
		seen   []string // the most confident first
		want   string
	}{
		{"a red cup", []string{"red cup", "blue cup"}, "remove the blue cup"},
		{"a red cup", []string{"red cup", "blue cup", "blue cup", "green cup"}, "remove all blue cups and remove the green cup"},
		{"a red cup", []string{"red cup", "cup"}, ""},
		{"two red cups", []string{"red cup", "red cup", "blue cup"}, ""},
		{"a red cup and a blue cup", []string{"red cup", "blue cup"}, ""},
		{"a cup", []string{"red cup", "blue cup"}, ""},
		{"a dog and a cat", []string{"dog", "cat", "dog", "horse"}, ""},
		{"a dog left of a cat", []string{"dog@left", "cat@right"}, ""},
		{"a dog left of a cat", []string{"dog@left", "cat@right", "dog@right"}, "remove one dog"},
		{"a dog left of a cat", []string{"dog@left", "cat@right", "cat@left"}, "remove one cat"},
		{"a red dog left of a cat", []string{"red dog@left", "cat@right", "blue dog@left"}, "remove the blue dog"},
	} {
		prompt, err := Parse(test.prompt)
		if err != nil {
			t.Fatal(err)
		}
		objects := see(t, test.seen...)
		for i := range objects {
			objects[i].Confidence = 1 - 0.1*float64(i)
		}
		if got := Instruction(Disambiguate(prompt, objects)); got != test.want {
			t.Errorf("%q, seen %v:\n got %q\nwant %q", test.prompt, test.seen, got, test.want)
		}
	}
}

// TestDisambiguateKeepsRequiredObjects checks that an image that meets its prompt still does
// without the removed objects.
func TestDisambiguateKeepsRequiredObjects(t *testing.T) {
	rng := newRand(31)
	s, err := NewSampler("dog", "cat", "cup", "person")
	if err != nil {
		t.Fatal(err)
	}
	ambiguous := 0
	for range 20000 {
		_, prompt := s.Sample(allTasks()[rng.IntN(len(allTasks()))], rng)
		objects := anything(s, rng)
		if !CheckAll(prompt.Requirements, objects) {
			continue
		}
		m := planDisambiguation(prompt.Requirements, objects)
		if len(m.fixes) > 0 {
			ambiguous++
		}
		if !CheckAll(prompt.Requirements, m.objects) || len(m.objects) == len(objects) != (len(m.fixes) == 0) {
			t.Fatalf("%q, seen %+v: %q leaves %+v", prompt.Text, objects, Instruction(m.fixes), m.objects)
		}
	}
	if ambiguous < 50 {
		t.Errorf("only %d images were ambiguous", ambiguous)
	}
}
