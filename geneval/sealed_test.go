package geneval

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
)

// A sealed set has as many prompts of each task, differs by its name, and is new except where a
// task has too few prompts.
func TestSealed(t *testing.T) {
	known, err := Builtin(clipart.Tasks(), clipart.Test, nil, 120, 1)
	if err != nil {
		t.Fatal(err)
	}
	list, err := Sealed("v1", clipart.Tasks(), nil, known, 120)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Sealed("v1", clipart.Tasks(), nil, known, 120)
	other, _ := Sealed("v2", clipart.Tasks(), nil, known, 120)
	texts := func(list []Metadata) (all []string) {
		for _, m := range list {
			all = append(all, m.Prompt)
		}
		return all
	}
	if !slices.Equal(texts(list), texts(again)) || slices.Equal(texts(list), texts(other)) {
		t.Error("a set is not that of its name")
	}
	count := make(map[string]int)
	distinct := make(map[string]bool)
	for _, m := range list {
		count[m.Tag]++
		distinct[m.Prompt] = true
		if slices.Contains(texts(known), m.Prompt) {
			t.Errorf("%q is of the development set", m.Prompt)
		}
		if split := clipart.SplitOf(m.Prompt); split == clipart.Train && m.Tag != "single_object" {
			t.Errorf("%q is of the training split", m.Prompt)
		}
	}
	if len(distinct) != 120 || len(count) != 6 || count["single_object"] != 20 || count["color_attr"] != 20 {
		t.Errorf("%d distinct prompts: %v", len(distinct), count)
	}
	for _, name := range []string{"", "V1", "a b", strings.Repeat("a", 41)} {
		if _, err := Sealed(name, clipart.Tasks(), nil, nil, 6); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
