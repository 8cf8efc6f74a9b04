package assemble

import (
	"image"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/vision/composite"
)

// KnownPhotographs are the images with known answers for judges of photographs: three
// photographs, and composites of cut-outs for numbers, colors and positions.
func KnownPhotographs() ([]geneval.KnownScene, error) {
	known, err := geneval.KnownPhotos()
	if err != nil {
		return nil, err
	}
	cuts := make(map[string]composite.CutOut)
	for _, c := range composite.CutOuts() {
		cuts[c.Class] = c
	}
	at := func(class, color string, x, height float64) composite.Item {
		return composite.Item{CutOut: cuts[class], Color: color, Center: [2]float64{x, 0.88 - height/2}, Height: height}
	}
	for i, c := range []struct {
		items        []composite.Item
		right, wrong geneval.Metadata
	}{
		{[]composite.Item{at("cat", "", .25, .42), at("cat", "", .72, .42)}, counting("cat", 2), counting("cat", 3)},
		{[]composite.Item{at("cat", "", .3, .5), at("cup", "blue", .78, .32)}, positioned("cat", reflectionflow.LeftOf, "cup"), positioned("cat", reflectionflow.RightOf, "cup")},
		{[]composite.Item{at("cup", "blue", .5, .5)}, cupOf("blue"), cupOf("yellow")},
		{[]composite.Item{at("person", "", .28, .75), at("cat", "", .72, .42)}, both("person", "cat"), both("cup", "cat")},
	} {
		img, _ := composite.Scene{Items: c.items, Seed: uint64(i + 1)}.Render(320, 320)
		known = append(known, geneval.KnownScene{Metadata: c.right, Image: img, Right: true}, geneval.KnownScene{Metadata: c.wrong, Image: img})
	}
	return known, nil
}

// knownPhotographs are those, whatever the prompts and the size are.
func knownPhotographs([]geneval.Metadata, image.Point) ([]geneval.KnownScene, error) {
	return KnownPhotographs()
}

func counting(class string, n int) geneval.Metadata {
	return geneval.Metadata{
		Tag: "counting", Prompt: reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: class, Count: n}.String(),
		Include: []geneval.Include{{Class: class, Count: n}}, Exclude: []geneval.Exclude{{Class: class, Count: n + 1}},
	}
}

func cupOf(color string) geneval.Metadata {
	return geneval.Metadata{Tag: "colors", Prompt: "a photo of a " + color + " cup", Include: []geneval.Include{{Class: "cup", Count: 1, Color: color}}}
}

func both(first, second string) geneval.Metadata {
	return geneval.Metadata{
		Tag: "two_object", Prompt: "a photo of a " + first + " and a " + second, Include: []geneval.Include{{Class: first, Count: 1}, {Class: second, Count: 1}},
	}
}

func positioned(object string, relation reflectionflow.Relation, target string) geneval.Metadata {
	return geneval.Metadata{
		Tag: "position", Prompt: "a photo of a " + object + " " + string(relation) + " a " + target,
		Include: []geneval.Include{{Class: target, Count: 1}, {Class: object, Count: 1, Position: &geneval.Position{Relation: relation}}},
	}
}
