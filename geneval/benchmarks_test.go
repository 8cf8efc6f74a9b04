package geneval_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

// Lines in the form of geneval2_data.jsonl, with prompts of our own.
const genEval2 = `{"prompt": "a tin robot", "atom_count": 2, "vqa_list": [["How many robots are in the image?", "one"], ["Is the robot tin?", "Yes"], ["Are there any robots in the image?", "Yes"]], "skills": ["count", "attribute", "object"]}
{"prompt": "two owls above a lamp", "atom_count": 4, "vqa_list": [["How many owls are in the image?", "two"], ["Are there any owls in the image?", "Yes"], ["Are the owls above the lamp?", "Yes"], ["How many lamps are in the image?", "one"], ["Are there any lamps in the image?", "Yes"]], "skills": ["count", "object", "position", "count", "object"]}
`

// Rows in the form of dpg_bench.csv.
const dpgBench = `item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,question_natural_language
7,"A tall lamp, lit.",,1,0,entity,whole,lamp,Is there a lamp?
7,"A tall lamp, lit.",,2,1,attribute,size,tall,Is the lamp tall?
7,"A tall lamp, lit.",,3,"1,2",attribute,state,lit,Is the lamp lit?
8,A robot.,,1,0,entity,whole,robot,Is there a robot?
`

func readPrompts(t *testing.T, name, text string) []geneval.Metadata {
	t.Helper()
	list, _, err := geneval.ReadPrompts(name, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestReadGenEval2(t *testing.T) {
	list := readPrompts(t, "geneval2_data.jsonl", genEval2)
	if len(list) != 2 || list[0].Suite != geneval.GenEval2 || list[1].Tag != "atoms-04" || len(list[1].Questions) != 5 {
		t.Fatalf("%+v", list)
	}
	if q := list[1].Questions[2]; q.Text != "Are the owls above the lamp?" || q.Answer != "Yes" || q.Skill != "position" {
		t.Errorf("%+v", q)
	}
	if p, err := list[0].AsPrompt(); err != nil || p.Text != "a tin robot" || len(p.Requirements) > 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

// A question of DPG-Bench counts only where those that it depends on do.
func TestReadDPG(t *testing.T) {
	list := readPrompts(t, "dpg_bench.csv", dpgBench)
	if len(list) != 2 || list[0].Prompt != "A tall lamp, lit." || !slices.Equal(list[0].Questions[2].After, []int{0, 1}) {
		t.Fatalf("%+v", list)
	}
	for _, c := range []struct{ p, want []float64 }{
		{[]float64{.9, .8, .7}, []float64{1}}, {[]float64{.4, .8, .7}, []float64{0}}, {[]float64{.9, .4, .9}, []float64{1. / 3}}, {[]float64{.9, .9, .5}, []float64{2. / 3}},
	} {
		if got := list[0].Value(c.p); math.Abs(got-c.want[0]) > 1e-9 {
			t.Errorf("%v: %v, want %v", c.p, got, c.want[0])
		}
	}
}

func TestReadCompBench(t *testing.T) {
	list, note, err := geneval.ReadPrompts("dataset/3d_spatial_val.txt", strings.NewReader("a cup behind a dog\n\na cat in front of a lamp\na cup behind a dog\n"))
	if err != nil || len(list) != 2 || note == "" || list[0].Tag != "3d-spatial" {
		t.Fatalf("%+v, %q, %v", list, note, err)
	}
	if q := list[0].Questions[0]; q.Text != `Does this image show "a cup behind a dog"? Answer the question with Yes or No.` {
		t.Errorf("%q", q.Text)
	}
	if got := list[0].Value([]float64{.25}); got != .25 {
		t.Error(got)
	}
}

func TestReadPromptsRefuses(t *testing.T) {
	for says, c := range map[string][2]string{
		"not a line of geneval2_data.jsonl": {"a.jsonl", `{"vqa_list": 3}`},
		"2 skills for 1 questions":          {"a.jsonl", `{"prompt":"a","atom_count":3,"vqa_list":[["b","Yes"]],"skills":["x","y"]}`},
		"entry 1 of vqa_list":               {"a.jsonl", `{"prompt":"a","atom_count":3,"vqa_list":[["b"]],"skills":["x"]}`},
		"atom_count 0":                      {"a.jsonl", `{"prompt":"a","vqa_list":[["b","Yes"]],"skills":["x"]}`},
		"must be from 1 to 256":             {"a.jsonl", `{"prompt":"a","atom_count":3,"vqa_list":[],"skills":[]}`},
		"no column item_id":                 {"a.csv", "a,b\n"},
		`proposition_id "x" is no`:          {"a.csv", "item_id,text,proposition_id,dependency,category_broad,question_natural_language\n1,a,x,0,,b\n"},
		`depends on "9"`:                    {"a.csv", "item_id,text,proposition_id,dependency,category_broad,question_natural_language\n1,a,1,9,,b\n"},
		"two texts":                         {"a.csv", "item_id,text,proposition_id,dependency,category_broad,question_natural_language\n1,a,1,0,,b\n1,c,2,0,,b\n"},
		"there are no prompts":              {"a.txt", "\n\n"},
		"the prompt has":                    {"a.txt", strings.Repeat("a", 5000)},
	} {
		_, _, err := geneval.ReadPrompts(c[0], strings.NewReader(c[1]))
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

func FuzzReadPrompts(f *testing.F) {
	f.Add("a.jsonl", genEval2)
	f.Add("a.csv", dpgBench)
	f.Add("a.txt", "a cup\na cup\n")
	f.Add("a.csv", "item_id,text,proposition_id,dependency,category_broad,question_natural_language\n1,a,1,\"1,2\",,b\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		list, _, err := geneval.ReadPrompts(name, strings.NewReader(text))
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Fatalf("%v is not ErrInvalid", err)
			}
			return
		}
		for _, m := range list { // whatever is read is written, and scored
			var b bytes.Buffer
			if err := geneval.WriteMetadata(&b, []geneval.Metadata{m}); err != nil {
				t.Fatal(err)
			}
			if _, err := geneval.ReadMetadata(&b); err != nil {
				t.Fatal(err)
			}
			if v := m.Value(make([]float64, len(m.Questions))); m.Suite != "" && v != 0 {
				t.Fatalf("%v for nothing", v)
			}
		}
	})
}
