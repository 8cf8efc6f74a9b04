package reflector_test

import (
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/reflector"
)

var _ geneval.Separable = reflector.Embedded{}

// The caption goes with the layout, and a reflection without a plan has none.
func TestEmbeddedParts(t *testing.T) {
	layout, instruction := reflector.Embedded{}.Parts(reflectionflow.Reflection{Text: "dog top left. add a dog", Caption: "cat top left."})
	if layout.Text != "dog top left" || layout.Caption != "cat top left." || instruction.Text != "add a dog" || instruction.Caption != "" {
		t.Errorf("%+v and %+v", layout, instruction)
	}
	if layout, instruction = (reflector.Embedded{}).Parts(reflectionflow.Reflection{Text: "add a dog"}); layout.Text+layout.Caption != "" || instruction.Text != "add a dog" {
		t.Errorf("without a plan %+v and %+v", layout, instruction)
	}
}
