package requirements_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
	"reflectionflow/requirements"
)

// asGenEval states a parsed prompt in GenEval's form. The colors are asked of the objects
// that the prompt counts; "a photo of" is a wish of its own, which GenEval does not check.
func asGenEval(tag string, p reflectionflow.Prompt) (geneval.Metadata, error) {
	plain := reflectionflow.Prompt{Text: p.Text}
	colors := make(map[string]string)
	for _, r := range p.Requirements {
		if r.Kind == reflectionflow.Color {
			if colors[r.Object] != "" {
				return geneval.Metadata{}, fmt.Errorf("two colors of %s", r.Object)
			}
			colors[r.Object] = r.Color
		}
	}
	for _, r := range p.Requirements {
		r.Words = ""
		switch r.Kind {
		case reflectionflow.Color:
			continue
		case reflectionflow.Style:
			if r.Value == "photo" && r.Weight == reflectionflow.Should {
				continue
			}
		case reflectionflow.Position:
			r.TargetColor = colors[r.Target]
			r.Color = colors[r.Object]
		default:
			r.Color = colors[r.Object]
		}
		plain.Requirements = append(plain.Requirements, r)
	}
	return geneval.FromPrompt(tag, plain)
}

func checkGenEval(t *testing.T, m geneval.Metadata) bool {
	t.Helper()
	p, err := requirements.Parse(m.Prompt)
	if err != nil {
		t.Error(err)
		return false
	}
	got, err := asGenEval(m.Tag, p)
	if err != nil {
		t.Errorf("%s: %v", m.Prompt, err)
		return false
	}
	order := func(a, b geneval.Include) int { return cmp.Compare(a.Class, b.Class) }
	if m.Tag != "position" {
		slices.SortFunc(got.Include, order)
		slices.SortFunc(m.Include, order)
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(m)
	if !bytes.Equal(a, b) || len(p.Notes) > 0 {
		t.Errorf("%s:\n got %s\nwant %s\n%v", m.Prompt, a, b, p.Notes)
		return false
	}
	return true
}

// All 553 prompts of GenEval parse to their metadata. testdata/geneval.py draws them by GenEval's rules and seed: the file is
// GenEval's evaluation_metadata.jsonl, byte for byte.
func TestGenEvalPrompts(t *testing.T) {
	f, err := os.Open("testdata/geneval.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	list, err := geneval.ReadMetadata(lines)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for _, m := range list {
		if checkGenEval(t, m) {
			right++
		}
	}
	if right != 553 || len(list) != 553 {
		t.Errorf("%d of %d prompts parse to their metadata", right, len(list))
	}
}

// geneval2 is a line of GenEval 2's file.
type geneval2 struct {
	Prompt string      `json:"prompt"`
	VQA    [][2]string `json:"vqa_list"`
	Skills []string    `json:"skills"`
}

// GenEval 2's own prompts, where the user has them (CC BY-NC, not kept here).
func TestGenEval2Prompts(t *testing.T) {
	path := cmp.Or(os.Getenv("GENEVAL2_PROMPTS"), "testdata/geneval2_data.jsonl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skip("no copy of GenEval 2's geneval2_data.jsonl in GENEVAL2_PROMPTS or testdata")
	}
	right, all := 0, 0
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		var line geneval2
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		all++
		if checkGenEval2(t, line) {
			right++
		}
	}
	t.Logf("%d of %d prompts parse to their atoms", right, all)
}

func checkGenEval2(t *testing.T, line geneval2) bool {
	t.Helper()
	p, err := requirements.Parse(line.Prompt)
	if err != nil {
		t.Error(err)
		return false
	}
	got := questions(p)
	want := make([]string, len(line.VQA))
	for i, q := range line.VQA {
		want[i] = q[0] + " " + q[1]
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(p.Notes) > 0 {
		t.Errorf("%s:\n got %q\nwant %q\n%v", line.Prompt, got, want, p.Notes)
		return false
	}
	return true
}

var numberWords = []string{"zero", "one", "two", "three", "four", "five", "six", "seven"}

// questions asks for a prompt's requirements as GenEval 2 does.
func questions(p reflectionflow.Prompt) []string {
	var list []string
	number := make(map[string]int)
	for _, r := range p.Requirements {
		if r.Counts() {
			number[r.Object] = r.Count
		}
	}
	subject := func(object string) string {
		if number[object] == 1 {
			return "Is the " + object
		}
		return "Are the " + object + "s"
	}
	target := func(object string) string {
		if number[object] == 1 {
			return object
		}
		return object + "s"
	}
	for _, r := range p.Requirements {
		switch r.Kind {
		case reflectionflow.AtLeast, reflectionflow.Exactly:
			n := fmt.Sprint(r.Count)
			if r.Count < len(numberWords) {
				n = numberWords[r.Count]
			}
			list = append(list, "How many "+r.Object+"s are in the image? "+n, "Are there any "+r.Object+"s in the image? Yes")
		case reflectionflow.Color:
			list = append(list, subject(r.Object)+" "+r.Color+"? Yes")
		case reflectionflow.Attribute:
			list = append(list, subject(r.Object)+" "+r.Value+"? Yes")
		case reflectionflow.Position, reflectionflow.Interaction:
			relation := map[reflectionflow.Relation]string{reflectionflow.LeftOf: "to the left of", reflectionflow.RightOf: "to the right of", reflectionflow.On: "on top of"}[r.Relation]
			list = append(list, subject(r.Object)+" "+cmp.Or(relation, string(r.Relation))+" the "+target(r.Target)+"? Yes")
		default:
			list = append(list, "? "+r.String())
		}
	}
	return list
}

// GenEval's templates over all of its classes: a superset of its 553 prompts.
func TestGenEvalTemplates(t *testing.T) {
	classes := clipart.Classes()
	plural := func(class string) string {
		if strings.HasSuffix(class, "s") {
			return class + "es"
		}
		return class + "s"
	}
	article := func(s string) string {
		if strings.ContainsAny(s[:1], "aeiou") {
			return "an " + s
		}
		return "a " + s
	}
	counts := map[int]string{2: "two", 3: "three", 4: "four"}
	relations := []reflectionflow.Relation{reflectionflow.LeftOf, reflectionflow.RightOf, reflectionflow.Above, reflectionflow.Below}
	for i, a := range classes {
		checkGenEval(t, geneval.Metadata{Tag: "single_object", Include: []geneval.Include{{Class: a, Count: 1}}, Prompt: "a photo of " + article(a)})
		for n, word := range counts {
			checkGenEval(t, geneval.Metadata{
				Tag: "counting", Include: []geneval.Include{{Class: a, Count: n}}, Exclude: []geneval.Exclude{{Class: a, Count: n + 1}},
				Prompt: "a photo of " + word + " " + plural(a),
			})
		}
		for k, color := range clipart.Colors() {
			checkGenEval(t, geneval.Metadata{Tag: "colors", Include: []geneval.Include{{Class: a, Count: 1, Color: color}}, Prompt: "a photo of " + article(color) + " " + a})
			b, other := classes[(i+7*k+1)%len(classes)], clipart.Colors()[(k+3)%10]
			checkGenEval(t, geneval.Metadata{
				Tag: "color_attr", Include: []geneval.Include{{Class: a, Count: 1, Color: color}, {Class: b, Count: 1, Color: other}},
				Prompt: "a photo of " + article(color) + " " + a + " and " + article(other) + " " + b,
			})
			checkGenEval(t, geneval.Metadata{
				Tag: "two_object", Include: []geneval.Include{{Class: a, Count: 1}, {Class: b, Count: 1}}, Prompt: "a photo of " + article(a) + " and " + article(b),
			})
			relation := relations[k%len(relations)]
			checkGenEval(t, geneval.Metadata{
				Tag:     "position",
				Include: []geneval.Include{{Class: b, Count: 1}, {Class: a, Count: 1, Position: &geneval.Position{Relation: relation, Target: 0}}},
				Prompt:  "a photo of " + article(a) + " " + string(relation) + " " + article(b),
			})
		}
	}
}

// Random prompts in the forms of GenEval 2, which are not its own, with their atoms.
func TestGenEval2Forms(t *testing.T) {
	objects := strings.Fields("croissant sheep suitcase elephant candle rabbit kangaroo cookie motorcycle violin raccoon umbrella trumpet mushroom penguin koala guitar flamingo teapot anchor")
	properties := strings.Fields("white glass metal brown sparkling stone plastic wooden checkered red striped purple blue black spotted pink green yellow")
	relations := []string{"to the left of", "to the right of", "on top of", "under", "behind", "in front of", "chasing", "playing with", "jumping over"}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible on purpose
	for range 2000 {
		order := rng.Perm(len(objects))
		var line geneval2
		var prompt strings.Builder
		var names []string
		for i := range 1 + rng.IntN(3) {
			object, n, property := objects[order[i]], 1+rng.IntN(7), ""
			if rng.IntN(2) == 0 {
				property = properties[rng.IntN(len(properties))]
			}
			name, subject := object, "Is the "+object
			if n > 1 {
				name, subject = object+"s", "Are the "+object+"s"
			}
			if i > 0 {
				switch k := rng.IntN(3); k {
				case 0:
					prompt.WriteString(" and ")
				case 1:
					prompt.WriteString(", and ")
				default:
					relation := relations[rng.IntN(len(relations))]
					prompt.WriteString(" " + relation + " ")
					line.VQA = append(line.VQA, [2]string{names[i-1] + " " + relation + " the " + name + "?", "Yes"})
				}
			}
			number := "a"
			if n > 1 {
				number = numberWords[n]
			}
			prompt.WriteString(strings.Join(strings.Fields(number+" "+property+" "+name), " "))
			line.VQA = append(line.VQA, [2]string{"How many " + object + "s are in the image?", numberWords[n]}, [2]string{"Are there any " + object + "s in the image?", "Yes"})
			if property != "" {
				line.VQA = append(line.VQA, [2]string{subject + " " + property + "?", "Yes"})
			}
			names = append(names, subject)
		}
		line.Prompt = prompt.String()
		if !checkGenEval2(t, line) {
			return
		}
	}
}
