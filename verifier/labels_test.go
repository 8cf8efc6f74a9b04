package verifier_test

import (
	"errors"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/verifier"
)

func TestLabelsAreReadAndChecked(t *testing.T) {
	labels, err := verifier.ReadLabels(strings.NewReader(`{"image":"a.png","prompt":"two clocks","right":false}

{"image":"b.png","prompt":"a cup","right":true,"requirements":[{"kind":"at_least","object":"cup","count":1}]}
`))
	if err != nil || len(labels) != 2 || *labels[0].Right || !*labels[1].Right || labels[1].Requirements[0].Object != "cup" {
		t.Errorf("got %+v, %v", labels, err)
	}
	for name, text := range map[string]string{
		"empty":           "\n",
		"no JSON":         "image",
		"unknown key":     `{"image":"a","prompt":"b","right":true,"correct":true}`,
		"no verdict":      `{"image":"a","prompt":"b"}`,
		"no image":        `{"prompt":"b","right":true}`,
		"no prompt":       `{"image":"a","right":true}`,
		"two objects":     `{"image":"a","prompt":"b","right":true}{}`,
		"bad requirement": `{"image":"a","prompt":"b","right":true,"requirements":[{"kind":"many","object":"cup"}]}`,
		"long line":       `{"image":"` + strings.Repeat("a", 1<<17) + `"}`,
	} {
		if _, err := verifier.ReadLabels(strings.NewReader(text)); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzReadLabels(f *testing.F) {
	f.Add(`{"image":"a.png","prompt":"two clocks","right":false}`)
	f.Add("{}\n[1]\n")
	f.Fuzz(func(t *testing.T, text string) {
		labels, err := verifier.ReadLabels(strings.NewReader(text))
		switch {
		case err != nil && !errors.Is(err, reflectionflow.ErrInvalid):
			t.Fatal(err)
		case err == nil && len(labels) == 0:
			t.Fatal("nothing, and no error")
		}
	})
}
