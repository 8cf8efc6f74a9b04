package chat_test

import (
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
)

func TestQuestions(t *testing.T) {
	type r = reflectionflow.Requirement
	for want, q := range map[string]r{
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
		"Is there an umbrella in the image that is open? Yes":                     {Kind: reflectionflow.Attribute, Object: "umbrella", Value: "open", Count: 1},
		"Is the astronaut riding the horse in the image? Yes":                     {Kind: reflectionflow.Interaction, Object: "astronaut", Relation: "riding", Target: "horse"},
		"Is there a dog in the top left corner of the image? Yes":                 {Kind: reflectionflow.Place, Object: "dog", Value: "top left"},
		"Is there a dog on the left side of the image? Yes":                       {Kind: reflectionflow.Place, Object: "dog", Value: "left"},
		`Does the sign in the image show the text "OPEN", letter for letter? Yes`: {Kind: reflectionflow.Text, Object: "sign", Value: "OPEN"},
		`Does the image show the text "OPEN", letter for letter? Yes`:             {Kind: reflectionflow.Text, Value: "OPEN"},
		"Is the dog sleeping in the image? Yes":                                   {Kind: reflectionflow.Activity, Object: "dog", Value: "sleeping"},
		"Is the setting of the image: a beach at sunset? Yes":                     {Kind: reflectionflow.Scene, Value: "a beach at sunset"},
		"Is this the style or medium of the image: watercolor? Yes":               {Kind: reflectionflow.Style, Value: "watercolor"},
		"Does the image show this: as if it were the last day? Yes":               {Kind: reflectionflow.Free, Value: "as if it were the last day"},
		"Does the image show this: mood happy? Yes":                               {Kind: "mood", Value: "happy"},
	} {
		if got := chat.QuestionOf(q); got.Text+" "+got.Answer != want {
			t.Errorf("%s %s, want %s", got.Text, got.Answer, want)
		}
	}
}
