package chat_test

import (
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
)

func TestQuestions(t *testing.T) {
	type r = reflectionflow.Requirement
	for want, q := range map[string]r{
		"Is there at most one bird in the image? Yes":                             {Kind: reflectionflow.AtMost, Object: "bird", Count: 1},
		"Are there any birds in the image? No":                                    {Kind: reflectionflow.AtMost, Object: "bird"},
		"Is there any snow in the image? No":                                      {Kind: reflectionflow.Absent, Object: "snow"},
		"Is there a wooden red table in the image? Yes":                           {Kind: reflectionflow.Attribute, Object: "table", Color: "red", Value: "wooden", Count: 1},
		"Is there a table in the image that is made of wood? Yes":                 {Kind: reflectionflow.Attribute, Object: "table", Value: "made of wood", Count: 1},
		"Is the cat between two trees in the image? Yes":                          {Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.Between, Target: "tree", Second: "tree"},
		"Is the cat next to the tree in the image? Yes":                           {Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.NextTo, Target: "tree"},
		"Are the scissors under the table in the image? Yes":                      {Kind: reflectionflow.Position, Object: "scissors", Relation: reflectionflow.Under, Target: "table"},
		"Is there a man in the background of the image? Yes":                      {Kind: reflectionflow.Place, Object: "man", Value: "background"},
		"Is there a dog at the top of the image? Yes":                             {Kind: reflectionflow.Place, Object: "dog", Value: "top"},
		"Do the pants in the image show the text \"OK\", letter for letter? Yes":  {Kind: reflectionflow.Text, Object: "pants", Value: "OK"},
		"Is it night in the image? Yes":                                           {Kind: reflectionflow.Scene, Value: "night"},
		"Is the setting of the image a garden? Yes":                               {Kind: reflectionflow.Scene, Value: "garden"},
		"Is the setting of the image outer space? Yes":                            {Kind: reflectionflow.Scene, Value: "outer space"},
		"Is the image an oil painting? Yes":                                       {Kind: reflectionflow.Style, Value: "oil painting"},
		"Is the image in the style of van gogh? Yes":                              {Kind: reflectionflow.Style, Value: "in the style of van gogh"},
		"Is there a red cup in the image? Yes":                                    {Kind: reflectionflow.AtLeast, Object: "cup", Color: "red", Count: 1},
		"Are there scissors in the image? Yes":                                    {Kind: reflectionflow.AtLeast, Object: "scissors", Count: 1},
		"Are there at least two red cups in the image? Yes":                       {Kind: reflectionflow.AtLeast, Object: "cup", Color: "red", Count: 2},
		"How many clocks are in the image? two":                                   {Kind: reflectionflow.Exactly, Object: "clock", Count: 2},
		"Are there exactly 12 people in the image? Yes":                           {Kind: reflectionflow.Exactly, Object: "person", Count: 12},
		"Are there at most three dogs in the image? Yes":                          {Kind: reflectionflow.AtMost, Object: "dog", Count: 3},
		"Are there any dogs in the image? No":                                     {Kind: reflectionflow.Absent, Object: "dog"},
		"Is the red cup to the left of the blue bowl in the image? Yes":           {Kind: reflectionflow.Position, Object: "cup", Color: "red", Relation: reflectionflow.LeftOf, Target: "bowl", TargetColor: "blue"},
		"Is the cat between the dog and the tree in the image? Yes":               {Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.Between, Target: "dog", Second: "tree"},
		"Is the cat in front of the tree in the image? Yes":                       {Kind: reflectionflow.Position, Object: "cat", Relation: reflectionflow.InFrontOf, Target: "tree"},
		"Are all cups in the image blue? Yes":                                     {Kind: reflectionflow.Color, Object: "cup", Color: "blue"},
		"Is there a blue cup in the image? Yes":                                   {Kind: reflectionflow.Color, Object: "cup", Color: "blue", Count: 1},
		"Are at least two of the cups in the image blue? Yes":                     {Kind: reflectionflow.Color, Object: "cup", Color: "blue", Count: 2},
		"Are all red tables in the image wooden? Yes":                             {Kind: reflectionflow.Attribute, Object: "table", Color: "red", Value: "wooden", Aspect: reflectionflow.Material},
		"Is there an open umbrella in the image? Yes":                             {Kind: reflectionflow.Attribute, Object: "umbrella", Value: "open", Count: 1},
		"Is the astronaut riding the horse in the image? Yes":                     {Kind: reflectionflow.Interaction, Object: "astronaut", Relation: "riding", Target: "horse"},
		"Is there a dog in the top left corner of the image? Yes":                 {Kind: reflectionflow.Place, Object: "dog", Value: "top left"},
		"Is there a dog on the left side of the image? Yes":                       {Kind: reflectionflow.Place, Object: "dog", Value: "left"},
		`Does the sign in the image show the text "OPEN", letter for letter? Yes`: {Kind: reflectionflow.Text, Object: "sign", Value: "OPEN"},
		`Does the image show the text "OPEN", letter for letter? Yes`:             {Kind: reflectionflow.Text, Value: "OPEN"},
		"Is the dog sleeping in the image? Yes":                                   {Kind: reflectionflow.Activity, Object: "dog", Value: "sleeping"},
		"Is the setting of the image a beach at sunset? Yes":                      {Kind: reflectionflow.Scene, Value: "a beach at sunset"},
		"Is the style or medium of the image watercolor? Yes":                     {Kind: reflectionflow.Style, Value: "watercolor"},
		"Does the image show this: as if it were the last day? Yes":               {Kind: reflectionflow.Free, Value: "as if it were the last day"},
		"Does the image show this: mood happy? Yes":                               {Kind: "mood", Value: "happy"},
	} {
		if got := chat.QuestionOf(reflectionflow.Prompt{Requirements: []r{q}}, 0); got.Text+" "+got.Answer != want {
			t.Errorf("%s %s, want %s", got.Text, got.Answer, want)
		}
	}
}

// Objects of which a prompt asks for several are asked about in the plural.
func TestQuestionsInThePlural(t *testing.T) {
	type r = reflectionflow.Requirement
	p := reflectionflow.Prompt{Requirements: []r{
		{Kind: reflectionflow.Exactly, Object: "dog", Count: 2},
		{Kind: reflectionflow.AtLeast, Object: "person", Count: 3},
		{Kind: reflectionflow.Position, Object: "dog", Relation: reflectionflow.On, Target: "sofa"},
		{Kind: reflectionflow.Interaction, Object: "person", Relation: "holding", Target: "dog", TargetColor: "brown"},
		{Kind: reflectionflow.Activity, Object: "dog", Value: "sleeping"},
		{Kind: reflectionflow.Place, Object: "dog", Value: "left"},
		{Kind: reflectionflow.Text, Object: "dog", Value: "A"},
	}}
	for i, want := range []string{
		"How many dogs are in the image?", "Are there at least three people in the image?", "Are the dogs on the sofa in the image?",
		"Are the people holding the brown dogs in the image?", "Are the dogs sleeping in the image?", "Are there dogs on the left side of the image?",
		`Do the dogs in the image show the text "A", letter for letter?`,
	} {
		if got := chat.QuestionOf(p, i); got.Text != want {
			t.Errorf("%s, want %s", got.Text, want)
		}
	}
}

// Every kind and every relation has a wording of its own.
func TestEveryKindIsAsked(t *testing.T) {
	seen := map[string]bool{}
	ask := func(r reflectionflow.Requirement) {
		q := chat.QuestionOf(reflectionflow.Prompt{Requirements: []reflectionflow.Requirement{r}}, 0)
		if seen[q.Text] || !strings.HasSuffix(q.Text, "?") || q.Answer == "" {
			t.Errorf("%s: %s %s", r.Kind, q.Text, q.Answer)
		}
		seen[q.Text] = true
	}
	for _, k := range reflectionflow.Kinds() {
		if k != reflectionflow.Position {
			ask(reflectionflow.Requirement{Kind: k, Object: "cup", Color: "red", Count: 2, Relation: "holding", Target: "dog", Value: "left"})
		}
	}
	for _, relation := range reflectionflow.Relations() {
		ask(reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "cup", Relation: relation, Target: "dog", Second: "cat"})
	}
	for _, p := range reflectionflow.Places()[1:] {
		ask(reflectionflow.Requirement{Kind: reflectionflow.Place, Object: "cup", Value: p})
	}
}
