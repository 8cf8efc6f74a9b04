package assemble_test

import (
	"errors"
	"fmt"
	"image"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/visiontest"
)

// The judge loads both networks, looks for the classes of a prompt and names colors. With random weights its verdicts
// mean nothing.
func TestOWLv2Judge(t *testing.T) {
	b := builder(t, fmt.Sprintf("judges: {mine: {type: owlv2+clip, owlv2: %q, clip: %q}}\n", visiontest.Folder(t, "owlv2", nil), visiontest.Folder(t, "clip", nil)))
	plan, err := b.Judge("owlv2+clip")
	if err != nil {
		t.Fatal(err)
	}
	judge, err := plan.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer judge.Close()
	m := geneval.Metadata{Tag: "colors", Prompt: "a photo of a red cat", Include: []geneval.Include{{Class: "cat", Count: 1, Color: "red"}}}
	judged, err := judge.Judge.Judge(t.Context(), []geneval.Case{{Metadata: m, Image: image.NewGray(image.Rect(0, 0, 30, 20))}})
	if err != nil || len(judged) != 1 || len(judged[0].Objects) == 0 || judged[0].Objects[0].Class != "cat" || judged[0].Objects[0].Color == "" {
		t.Errorf("%+v, %v", judged, err)
	}
}

// A verifier by the same network is no independent judge.
func TestOWLv2JudgeSharesANetwork(t *testing.T) {
	folder := visiontest.Folder(t, "clip", nil)
	b := builder(t, fmt.Sprintf("judges: {mine: {type: owlv2+clip, owlv2: /nowhere, clip: %q}}\nverifiers: {v: {type: clip, path: %q}}\n", folder, folder))
	plan, err := b.Judge("mine")
	if err != nil {
		t.Fatal(err)
	}
	if shared := b.Shared(plan); shared != "clip" {
		t.Errorf("shared %q", shared)
	}
	if _, err := plan.Open(t.Context(), ""); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "judges.mine") || !strings.Contains(err.Error(), "there is no folder /nowhere") {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, err := builder(t, "judges: {mine: {type: owlv2+clip, clip: x}}\n").Judge("mine"); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "needs two networks") {
		t.Errorf("one network: %v", err)
	}
}
