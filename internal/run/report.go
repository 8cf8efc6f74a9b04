package run

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/terminal"
)

//go:embed report.html.tmpl
var reportTemplate string

//go:embed shared.css
var sharedStyle string

//go:embed report.css
var reportStyle string

//go:embed report.js
var reportScript string

// maxEmbedded is how many bytes of images a report holds itself. The images of
// larger runs are taken from the images folder beside it.
const maxEmbedded = 48 << 20

// page is the data of the report's template.
type page struct {
	Style        template.CSS
	Script       template.JS
	Prompt       string   // in the user's words
	Read         string   // the prompt as the parser reads it, empty when it is the same
	Notes        []string // what the parser found wrong with the prompt
	Unread       []string // parts of the prompt that the parser could not read
	Headline     string   // the outcome in one sentence
	Stopped      string
	Warning      string // why the run cannot be reproduced, empty when it can
	First, Best  *card
	SameFirst    bool // the first image is the best
	Requirements []row
	Lineage      []*card // from the noise that the best image starts from to it; empty for the user's prompt on new noise
	Tree         *tree   // nil when no candidate has a parent
	Cards        []*card
	Chosen       string // how the best of equal images was chosen, empty where it was not
	Duels        []duelRow
	Costs        []figure
	Facts        []figure
	Command      string // generates the run again
}

// row is one requirement with its findings in the first and in the best image.
type row struct {
	Text        string
	First, Best mark
}

// mark is a verdict in words.
type mark struct {
	Verdict string // met, not_met or unsure
	Sign    string
	Words   string
	Sure    string // how sure the verifier is
}

// figure is a named value.
type figure struct{ Name, Value string }

// card is one candidate.
type card struct {
	ID, Parent    int
	HasParent     bool
	FromNoise     bool // it does not start from its parent's image
	IsBest        bool
	Unseeded      bool
	Round         int
	Seed          uint64
	Source        template.URL // empty when there is no image
	Error         string
	Alt           string
	Width, Height int
	Score         string
	Action        string
	Warnings      []string
	Reason        string // why this action; empty where there was no choice
	Abandoned     string // noises abandoned before this one; empty for none
	Reflection    string
	Caption       string // of the parent's image, where there is one
	Prompt        string // the rewritten prompt, empty when it was not rewritten
	Marks         []findingMark
	Met, Asked    int
	Boxes         []box
	FontSize      float64
}

type findingMark struct {
	mark
	Text string
}

// box is an object that the verifier detected, in pixels of the image.
type box struct {
	X, Y, W, H, LabelX, LabelY float64
	Label                      string
}

// report renders report.html. It holds no times, so that it is the same for every
// run of the same manifest; the elapsed time is in timing.js.
func (f *Folder) report(o Outcome) ([]byte, error) {
	cards, err := f.cards(o.Best)
	if err != nil {
		return nil, err
	}
	p := page{
		Style:   template.CSS(sharedStyle + reportStyle), //nolint:gosec // embedded in the program
		Script:  template.JS(reportScript),               //nolint:gosec // embedded in the program
		Prompt:  f.manifest.userPrompt(),
		Stopped: stopped(o.Stopped, o.Score),
		Tree:    treeOf(cards),
		Cards:   cards,
		Warning: f.warning(),
		Costs:   costs(o.Cost),
		Facts:   f.facts(),
		Command: "reflectionflow generate --replay run.json --out again",
	}
	if len(f.duels) > 0 {
		p.Chosen, p.Duels = Chosen(o.Best, f.Duels())+".", f.duelRows()
	}
	p.Notes = f.manifest.Prompt.Notes
	for _, r := range f.manifest.Prompt.Requirements {
		if r.Kind == reflectionflow.Free {
			p.Unread = append(p.Unread, r.Value)
		}
	}
	if p.Prompt != f.manifest.Prompt.Text {
		p.Read = f.manifest.Prompt.Text
	}
	if o.Best < 0 {
		p.Headline = "No image could be generated."
	} else {
		first := slices.IndexFunc(f.entries, entry.hasImage)
		was, is := f.entries[first].Score, f.entries[o.Best].Score
		p.First, p.Best, p.SameFirst = cards[first], cards[o.Best], o.Best == first
		p.Headline = headline(was, is)
		p.Requirements = rows(was, is)
		if p.Lineage = lineage(cards, o.Best); !p.Best.HasParent {
			p.Lineage = nil
		}
	}
	return render(reportTemplate, p)
}

// render executes a template. Control characters of texts that servers sent are escaped
// as on a terminal: a page that is copied or printed with cat is safe.
func render(source string, data any) ([]byte, error) {
	t, err := template.New("page").Parse(source)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(terminal.NewWriter(&b), data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (f *Folder) cards(best int) ([]*card, error) {
	cards := make([]*card, len(f.entries))
	embedded := 0
	for i, e := range f.entries {
		c := f.card(e)
		c.IsBest = i == best
		cards[i] = c
		if !e.hasImage() {
			continue
		}
		data, err := f.imageBytes(e)
		if err != nil {
			return nil, err
		}
		c.Source = template.URL(e.Image) //nolint:gosec // imagePath, checked on reading
		if embedded += len(data); embedded <= maxEmbedded || i == 0 || i == best {
			c.Source = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(data)) //nolint:gosec // our own PNG
		}
	}
	return cards, nil
}

func (f *Folder) card(e entry) *card {
	c := &card{
		Error: e.Error,
		ID:    e.ID, Parent: e.Parent, HasParent: e.Parent >= 0, FromNoise: e.Action != reflectionflow.Reflect, Round: e.Round, Unseeded: e.Unseeded,
		Seed:  e.Request.Seed,
		Width: e.Request.Width, Height: e.Request.Height,
		FontSize:   fontSize(e.Request),
		Score:      scoreText(e),
		Action:     action(e.Action),
		Warnings:   e.Warnings,
		Reason:     e.Reason,
		Abandoned:  abandoned(e.Abandoned),
		Reflection: e.Request.Reflection,
		Caption:    e.Request.ReferenceCaption,
	}
	if e.Request.Prompt != f.manifest.Prompt.Text {
		c.Prompt = e.Request.Prompt
	}
	var wrong []string
	for _, finding := range e.Score.Requirements {
		m := findingMark{mark: markOf(finding), Text: Words(finding.Requirement)}
		c.Marks = append(c.Marks, m)
		if finding.Verdict == reflectionflow.Met {
			c.Met++
		} else {
			wrong = append(wrong, m.Text)
		}
	}
	c.Asked = len(e.Score.Requirements)
	c.Alt = fmt.Sprintf("Image %d, score %s", e.ID, c.Score)
	if len(wrong) > 0 {
		c.Alt += "; not met: " + strings.Join(wrong, ", ")
	}
	c.Boxes = boxes(e)
	return c
}

// fontSize is that of the labels, in pixels of the image.
func fontSize(r reflectionflow.Request) float64 { return float64(min(r.Width, r.Height)) / 20 }

// boxes lists each object once, though several requirements may rest on it.
func boxes(e entry) []box {
	var seen []reflectionflow.Object
	var list []box
	w, h := float64(e.Request.Width), float64(e.Request.Height)
	for _, finding := range e.Score.Requirements {
		for _, o := range finding.Evidence {
			if slices.Contains(seen, o) {
				continue
			}
			seen = append(seen, o)
			b := box{X: o.Box[0] * w, Y: o.Box[1] * h, W: max(0, o.Box[2]-o.Box[0]) * w, H: max(0, o.Box[3]-o.Box[1]) * h}
			b.Label = strings.TrimSpace(o.Color + " " + o.Class)
			size := fontSize(e.Request)
			width := 0.6 * size * float64(len(b.Label)) // of bold text, about
			b.LabelX = max(0, min(b.X+size/4, w-width))
			b.LabelY = b.Y + size
			list = append(list, b)
		}
	}
	return list
}

// lineage lists the images that the best one was made from, oldest first: from the last
// one that started from noise, which owes nothing to earlier images but its prompt.
func lineage(cards []*card, best int) []*card {
	var list []*card
	for id := best; id >= 0; id = cards[id].Parent {
		list = append(list, cards[id])
		if cards[id].FromNoise {
			break
		}
	}
	slices.Reverse(list)
	return list
}

// warning reports images that their seed does not determine.
func (f *Folder) warning() string {
	unseeded := 0
	for _, e := range f.entries {
		if e.Unseeded {
			unseeded++
		}
	}
	switch {
	case unseeded == 0:
		return ""
	case unseeded == len(f.entries):
		return "This run cannot be reproduced: its generator takes no seed."
	}
	return fmt.Sprintf("This run cannot be reproduced: the generator did not use the seeds of %d of its %d images.", unseeded, len(f.entries))
}

// modelName names the models that servers named for the images, and the part that
// generated them.
func (f *Folder) modelName() string {
	var models []string
	for _, e := range f.entries {
		if e.Model != "" && !slices.Contains(models, e.Model) {
			models = append(models, e.Model)
		}
	}
	name := f.manifest.Model.Name
	if len(models) == 0 || len(models) == 1 && models[0] == name {
		return name
	}
	return strings.Join(models, ", ") + " (" + name + ")"
}

func (f *Folder) facts() []figure {
	var settings struct {
		Strategy string      `json:"strategy"`
		Seed     json.Number `json:"seed"`
	}
	facts := []figure{{"Model", f.modelName()}}
	if json.Unmarshal(f.manifest.Search, &settings) == nil {
		if settings.Strategy != "" {
			facts = append(facts, figure{"Strategy", settings.Strategy})
		}
		if settings.Seed != "" {
			facts = append(facts, figure{"Seed", settings.Seed.String()})
		}
	}
	if len(f.entries) > 0 {
		r := f.entries[0].Request
		facts = append(facts,
			figure{"Size", fmt.Sprintf("%d × %d", r.Width, r.Height)},
			figure{"Steps", fmt.Sprint(r.Steps)},
			figure{"Guidance", fmt.Sprint(r.Guidance)})
	}
	if f.manifest.NotReproducible {
		facts = append(facts, figure{"Reproducible", "no"})
	}
	return append(facts, figure{"Version", f.manifest.Program})
}
