package assemble_test

import (
	"image"
	"os"
	"slices"
	"strings"
	"testing"

	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
)

func builder(t *testing.T, text string) *assemble.Builder {
	t.Helper()
	c, err := assemble.ParseConfig("f.yaml", []byte(text), "/")
	if err != nil {
		t.Fatal(err)
	}
	return assemble.NewBuilder(c, assemble.Environment{
		Models: assemble.Embedded(), LookupEnv: os.LookupEnv, CacheDir: func(string) (string, error) { return t.TempDir(), nil },
	})
}

// The photo detector passes the self-test on photographs and composites.
func TestCocoJudgePassesItsSelfTest(t *testing.T) {
	plan, err := builder(t, "use: {parser: none}").Judge("coco")
	if err != nil {
		t.Fatal(err)
	}
	judge, err := plan.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer judge.Close()
	known, err := judge.Known(nil, image.Pt(512, 512))
	if err != nil {
		t.Fatal(err)
	}
	a, err := geneval.CheckJudge(t.Context(), judge.Judge, known)
	if err != nil || a.Right != 7 || a.RightAgreed < 6 || a.WrongAgreed < a.Wrong-1 {
		t.Errorf("%v, %v", a, err)
	}
	t.Log(a)
}

// The comparison with the drawings passes the self-test on rendered scenes, and refuses models
// that generate something else.
func TestTemplateJudge(t *testing.T) {
	plan, err := builder(t, "use: {parser: none}").Judge("template")
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Networks) != 0 {
		t.Errorf("it has no network, got %v", plan.Networks)
	}
	judge, err := plan.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	prompts := []geneval.Metadata{{Tag: "single_object"}}
	known, err := judge.Known(prompts, image.Pt(128, 128))
	if err != nil {
		t.Fatal(err)
	}
	a, err := geneval.CheckJudge(t.Context(), judge.Judge, known[:24])
	if err != nil || a.RightAgreed < a.Right-1 || a.WrongAgreed < a.Wrong-1 {
		t.Errorf("%v, %v", a, err)
	}
	t.Log(a)
}

func TestJudgeByName(t *testing.T) {
	b := builder(t, "judges: {mine: {type: coco}, theirs: {type: external}, other: {type: external}}")
	for name, want := range map[string]string{"mine": "coco", "coco": "coco", "theirs": "external", "embedded": "embedded"} {
		if plan, err := b.Judge(name); err != nil || plan.Name != want {
			t.Errorf("%s: %v, %v", name, plan.Name, err)
		}
	}
	for name, says := range map[string]string{"external": "name one of other, theirs", "luck": "use embedded, template, coco"} {
		if _, err := b.Judge(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !slices.Contains(assemble.JudgeNames(), "coco") {
		t.Error(assemble.JudgeNames())
	}
}
