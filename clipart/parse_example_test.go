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
	// dog left of red couch
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
