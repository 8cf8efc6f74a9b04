package clipart_test

import (
	"fmt"
	"math/rand/v2"

	"reflectionflow"
	"reflectionflow/clipart"
)

func ExampleParse() {
	prompt, err := clipart.Parse("A picture of two dogs to the left of a red sofa, and no cat")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range prompt.Requirements {
		fmt.Println(r)
	}
	_, err = clipart.Parse("a photo of a clok")
	fmt.Println(err)
	// Output:
	// exactly 2 dog
	// at least 1 red couch
	// no cat
	// at least 2 dog left of red couch
	// unknown object "clok": did you mean "clock"?
}

func ExampleInstruction() {
	prompt, _ := clipart.Parse("three clocks and a blue cup")
	seen := []reflectionflow.Object{
		{Class: "clock", Confidence: 0.9},
		{Class: "clock", Confidence: 0.8},
		{Class: "cup", Color: "red", Confidence: 0.7},
	}
	fmt.Println(clipart.Instruction(clipart.Fixes(prompt, seen)))
	// Output: add one more clock and make the cup blue
}

func ExampleLayout() {
	prompt, _ := clipart.Parse("two dogs")
	scene, err := clipart.Layout(prompt.Requirements, rand.New(rand.NewPCG(4, 0)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(clipart.LongCaption(scene))
	// Output: a photo of two dogs. dog top right, dog bottom right.
}

func ExampleParse_places() {
	for _, text := range []string{
		"a clock at the top and a car at the bottom",
		"two dogs, one black and one white",
		"a dog on the right",
	} {
		prompt, err := clipart.Parse(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(clipart.ShortCaption(prompt.Requirements))
	}
	// Output:
	// a photo of a clock above a car
	// a photo of one black dog and one white dog
	// "on the right" can only be checked against another object: put one at the left, or say for example "a dog right of a cat"
}

func ExampleScene_Render() {
	scene := clipart.Scene{Objects: []clipart.Placement{
		{Class: "clock", X: 0.25, Y: 0.25, Size: 0.375},
		{Class: "cup", Color: "red", X: 0.75, Y: 0.75, Size: 0.375},
	}}
	img, err := scene.Render(128, 128) // an image for png.Encode
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(img.Bounds())
	truth, err := scene.Truth(128, 128)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range truth {
		fmt.Printf("%s %s %.2f\n", o.Class, o.Color, o.Box)
	}
	// Output:
	// (0,0)-(128,128)
	// clock  [0.07 0.07 0.43 0.43]
	// cup red [0.57 0.58 0.93 0.92]
}

func ExampleCheckAll() {
	prompt, _ := clipart.Parse("a dog left of a cat")
	dog := reflectionflow.Object{Class: "dog", Confidence: 0.9, Box: [4]float64{0.6, 0.1, 0.9, 0.4}}
	cat := reflectionflow.Object{Class: "cat", Confidence: 0.8, Box: [4]float64{0.1, 0.1, 0.4, 0.4}}
	seen := []reflectionflow.Object{dog, cat}
	fmt.Println(clipart.CheckAll(prompt.Requirements, seen))
	fmt.Println(clipart.Instruction(clipart.Corrections(prompt, seen)))
	fixes, outline := clipart.LocatedCorrections(prompt, seen, 1)
	fmt.Println(clipart.Directions(outline, clipart.Instruction(fixes)))
	// Output:
	// false
	// move the dog to the left of the cat
	// dog top left, cat top right. move the dog to the top left and move the cat to the top right
}

func ExampleSampler() {
	sampler, err := clipart.NewSampler("dog", "cat", "cup")
	if err != nil {
		fmt.Println(err)
		return
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, p := range sampler.Prompts(clipart.ColorAttr, clipart.Train, 2, rng) {
		fmt.Println(p.Text)
	}
	// Output:
	// a photo of a blue dog and an orange cat
	// a photo of a blue dog and a white cat
}
