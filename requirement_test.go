package reflectionflow_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
)

type requirement = reflectionflow.Requirement

// Run folders of earlier versions hold the first four kinds in exactly this form.
func TestRequirementJSON(t *testing.T) {
	for want, r := range map[string]requirement{
		`{"kind":"at_least","object":"cup","color":"red","count":1}`: {Kind: reflectionflow.AtLeast, Object: "cup", Color: "red", Count: 1},
		`{"kind":"exactly","object":"clock","count":2}`:              {Kind: reflectionflow.Exactly, Object: "clock", Count: 2},
		`{"kind":"absent","object":"dog"}`:                           {Kind: reflectionflow.Absent, Object: "dog"},
		`{"kind":"position","object":"cup","color":"red","relation":"left of","target":"bowl","target_color":"blue"}`: {
			Kind: reflectionflow.Position, Object: "cup", Color: "red", Relation: reflectionflow.LeftOf, Target: "bowl", TargetColor: "blue",
		},
		`{"kind":"scene","value":"a beach","weight":"should","words":"on a beach"}`: {Kind: reflectionflow.Scene, Value: "a beach", Weight: reflectionflow.Should, Words: "on a beach"},
	} {
		data, err := json.Marshal(r)
		if err != nil || string(data) != want {
			t.Errorf("%s, %v, want %s", data, err, want)
		}
		var back requirement
		if err := json.Unmarshal(data, &back); err != nil || back != r {
			t.Errorf("read back as %+v, %v", back, err)
		}
	}
}

func TestNothingWrong(t *testing.T) {
	must, should := requirement{Kind: reflectionflow.AtLeast, Object: "dog", Count: 1}, requirement{Kind: reflectionflow.Style, Value: "oil", Weight: reflectionflow.Should}
	type finding = reflectionflow.Finding
	unjudged := finding{Requirement: requirement{Kind: reflectionflow.Text, Value: "OPEN"}, Verdict: reflectionflow.Unsure, Unjudged: true}
	for name, c := range map[string]struct {
		findings []finding
		nothing  bool
	}{
		"none":                    {nil, false},
		"unjudged alone":          {[]finding{unjudged}, false},
		"unjudged, but seen":      {[]finding{unjudged, {Requirement: must, Verdict: reflectionflow.Unsure, Unjudged: true, Evidence: []reflectionflow.Object{{Class: "dog"}}}}, false},
		"met, and unjudged":       {[]finding{{Requirement: must, Verdict: reflectionflow.Met}, unjudged}, true},
		"not met, and unjudged":   {[]finding{{Requirement: must, Verdict: reflectionflow.NotMet}, unjudged}, false},
		"in doubt":                {[]finding{{Requirement: must, Verdict: reflectionflow.Unsure}, unjudged}, false},
		"met, should is not":      {[]finding{{Requirement: must, Verdict: reflectionflow.Met}, {Requirement: should, Verdict: reflectionflow.NotMet}, unjudged}, true},
		"only a should is judged": {[]finding{{Requirement: should, Verdict: reflectionflow.NotMet}, unjudged}, false},
	} {
		s := reflectionflow.Score{Requirements: c.findings}
		if got := s.NothingWrong(); got != c.nothing {
			t.Errorf("%s: nothing wrong is %v", name, got)
		}
		if s.Right() && !s.NothingWrong() {
			t.Errorf("%s: right, and something is wrong", name)
		}
	}
}

func TestEnough(t *testing.T) {
	type finding = reflectionflow.Finding
	met := func(r requirement) finding { return finding{Requirement: r, Verdict: reflectionflow.Met} }
	unjudged := func(r requirement) finding {
		return finding{Requirement: r, Verdict: reflectionflow.Unsure, Unjudged: true}
	}
	object := func(name string) requirement {
		return requirement{Kind: reflectionflow.Exactly, Object: name, Count: 7}
	}
	nobody := requirement{Kind: reflectionflow.Absent, Object: "person"}
	red := requirement{Kind: reflectionflow.Color, Object: "balloon", Color: "red"}
	oil := requirement{Kind: reflectionflow.Style, Value: "oil"}
	for name, c := range map[string]struct {
		findings []finding
		enough   bool
	}{
		"none":                                {nil, false},
		"nobody alone":                        {[]finding{met(nobody)}, true},
		"nobody, and balloons unjudged":       {[]finding{unjudged(object("balloon")), unjudged(red), met(nobody)}, false},
		"nobody, and a style unjudged":        {[]finding{met(nobody), unjudged(oil)}, false},
		"a dog, and a style unjudged":         {[]finding{met(object("dog")), unjudged(oil), unjudged(red)}, true},
		"a dog, and a dragon unjudged":        {[]finding{met(object("dog")), unjudged(object("dragon"))}, true},
		"a dog, a dragon and a fay unjudged":  {[]finding{met(object("dog")), unjudged(object("dragon")), unjudged(object("fay"))}, false},
		"a dog that is missing":               {[]finding{{Requirement: object("dog"), Verdict: reflectionflow.NotMet}}, false},
		"a color of what cannot be judged":    {[]finding{unjudged(object("balloon")), met(red)}, false},
		"a color, and nothing about a number": {[]finding{met(red)}, true},
	} {
		s := reflectionflow.Score{Requirements: c.findings}
		if got := s.Enough(); got != c.enough {
			t.Errorf("%s: enough is %v", name, got)
		}
		if s.Right() && !s.Enough() || s.Enough() && !s.NothingWrong() {
			t.Errorf("%s: right %v, enough %v, nothing wrong %v", name, s.Right(), s.Enough(), s.NothingWrong())
		}
	}
}

// examples has a valid requirement of every kind, with its words.
func examples() map[string]requirement {
	return map[string]requirement{
		"at least 2 red cup":                         {Kind: reflectionflow.AtLeast, Object: "cup", Color: "red", Count: 2},
		"exactly 2 clock":                            {Kind: reflectionflow.Exactly, Object: "clock", Count: 2},
		"at most 3 dog":                              {Kind: reflectionflow.AtMost, Object: "dog", Count: 3},
		"no dog":                                     {Kind: reflectionflow.Absent, Object: "dog"},
		"red cup left of blue bowl":                  {Kind: reflectionflow.Position, Object: "cup", Color: "red", Relation: reflectionflow.LeftOf, Target: "bowl", TargetColor: "blue"},
		"cat between dog and tree":                   {Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.Between, Target: "dog", Second: "tree"},
		"every cup is blue":                          {Kind: reflectionflow.Color, Object: "cup", Color: "blue"},
		"at least 2 cup that is blue":                {Kind: reflectionflow.Color, Object: "cup", Color: "blue", Count: 2},
		"every red table is wooden":                  {Kind: reflectionflow.Attribute, Object: "table", Color: "red", Value: "wooden", Aspect: reflectionflow.Material},
		"astronaut riding horse":                     {Kind: reflectionflow.Interaction, Object: "astronaut", Relation: "riding", Target: "horse"},
		"dog in the top left of the image":           {Kind: reflectionflow.Place, Object: "dog", Value: "top left"},
		`sign with the text "OPEN"`:                  {Kind: reflectionflow.Text, Object: "sign", Value: "OPEN"},
		`the text "OPEN"`:                            {Kind: reflectionflow.Text, Value: "OPEN"},
		"dog sleeping":                               {Kind: reflectionflow.Activity, Object: "dog", Value: "sleeping"},
		"the scene: a beach":                         {Kind: reflectionflow.Scene, Value: "a beach"},
		"the style: watercolor":                      {Kind: reflectionflow.Style, Value: "watercolor"},
		"as if it were the last day of the holidays": {Kind: reflectionflow.Free, Value: "as if it were the last day of the holidays"},
		"mood happy":                                 {Kind: "mood", Value: "happy"},
	}
}

func TestRequirementInWords(t *testing.T) {
	var seen []reflectionflow.Kind
	for want, r := range examples() {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		seen = append(seen, r.Kind)
	}
	for _, k := range reflectionflow.Kinds() {
		if !slices.Contains(seen, k) {
			t.Errorf("no example of %s", k)
		}
	}
}

func TestInvalidRequirements(t *testing.T) {
	for says, r := range map[string]requirement{
		"no kind":                        {Object: "dog"},
		"without an object":              {Kind: reflectionflow.Activity, Value: "running"},
		"must be from 1":                 {Kind: reflectionflow.Exactly, Object: "dog"},
		"must be from 0":                 {Kind: reflectionflow.AtMost, Object: "dog", Count: reflectionflow.MaxCount + 1},
		"without a color":                {Kind: reflectionflow.Color, Object: "dog"},
		"without a relation":             {Kind: reflectionflow.Interaction, Object: "dog", Target: "cat"},
		`unknown relation "riding"`:      {Kind: reflectionflow.Position, Object: "dog", Relation: "riding", Target: "cat"},
		"without a target":               {Kind: reflectionflow.Position, Object: "dog", Relation: reflectionflow.On},
		"without a second target":        {Kind: reflectionflow.Position, Object: "dog", Relation: reflectionflow.Between, Target: "cat"},
		"without a value":                {Kind: reflectionflow.Style, Value: " "},
		`unknown place "nearby"`:         {Kind: reflectionflow.Place, Object: "dog", Value: "nearby"},
		`unknown weight "may"`:           {Kind: reflectionflow.AtLeast, Object: "dog", Count: 1, Weight: "may"},
		`unknown aspect "smell"`:         {Kind: reflectionflow.Attribute, Object: "dog", Value: "wet", Aspect: "smell"},
		"has 513 bytes, at most 512 are": {Kind: reflectionflow.Free, Value: strings.Repeat("a", 513)},
		"is not valid UTF-8":             {Kind: reflectionflow.Free, Value: "\xff"},
	} {
		p := reflectionflow.Prompt{Text: "a dog", Requirements: []requirement{r}}
		err := p.Validate()
		if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "requirement 1: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	many := reflectionflow.Prompt{Text: "dogs", Requirements: make([]requirement, reflectionflow.MaxRequirements+1)}
	if err := many.Validate(); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "65 requirements") {
		t.Error(err)
	}
}

func TestNeeds(t *testing.T) {
	p := reflectionflow.Prompt{Text: "a prompt", Requirements: []requirement{
		{Kind: reflectionflow.Exactly, Object: "dog", Count: 2},
		{Kind: reflectionflow.AtLeast, Object: "cup", Count: 2},
		{Kind: reflectionflow.Color, Object: "cup", Color: "blue", Count: 1},
		{Kind: reflectionflow.Color, Object: "cup", Color: "red", Count: 1},
		{Kind: reflectionflow.Position, Object: "dog", Relation: reflectionflow.LeftOf, Target: "cup", TargetColor: "red"},
		{Kind: reflectionflow.AtLeast, Object: "cup", Color: "red", Count: 1},
		{Kind: reflectionflow.Text, Value: "OPEN"},
		{Kind: reflectionflow.Absent, Object: "cat"},
		{Kind: reflectionflow.Activity, Object: "cat", Value: "sleeping"},
		{Kind: reflectionflow.Position, Object: "bird", Relation: reflectionflow.Between, Target: "dog", Second: "cup"},
	}}
	for i, want := range [][]int{nil, nil, {1}, {1, 5}, {0, 1, 3, 5}, {1}, nil, nil, nil, {0, 1}} {
		if got := p.Needs(i); !slices.Equal(got, want) {
			t.Errorf("requirement %d needs %v, want %v", i, got, want)
		}
	}
	if p.Needs(-1) != nil || p.Needs(10) != nil {
		t.Error("an index out of range needs something")
	}
}

func TestRight(t *testing.T) {
	must, should := requirement{Kind: reflectionflow.AtLeast, Object: "dog", Count: 1}, requirement{Kind: reflectionflow.Style, Value: "oil", Weight: reflectionflow.Should}
	type finding = reflectionflow.Finding
	for name, c := range map[string]struct {
		findings []finding
		right    bool
	}{
		"none":                       {nil, false},
		"met":                        {[]finding{{Requirement: must, Verdict: reflectionflow.Met}}, true},
		"unsure":                     {[]finding{{Requirement: must, Verdict: reflectionflow.Unsure}}, false},
		"should does not block":      {[]finding{{Requirement: must, Verdict: reflectionflow.Met}, {Requirement: should, Verdict: reflectionflow.NotMet}}, true},
		"should does not help":       {[]finding{{Requirement: must, Verdict: reflectionflow.NotMet}, {Requirement: should, Verdict: reflectionflow.Met}}, false},
		"should alone, met":          {[]finding{{Requirement: should, Verdict: reflectionflow.Met}}, true},
		"should alone, nobody knows": {[]finding{{Requirement: should, Verdict: reflectionflow.Unsure}}, false},
	} {
		if got := (reflectionflow.Score{Requirements: c.findings}).Right(); got != c.right {
			t.Errorf("%s: right is %v", name, got)
		}
	}
}
