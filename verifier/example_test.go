package verifier_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"strings"

	"reflectionflow"
	"reflectionflow/verifier"
)

// brightness is a verifier whose value is the red of the first pixel, from 0 to 255.
var brightness = reflectionflow.VerifierFunc(func(_ context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
	red, _, _, _ := p.Image.At(0, 0).RGBA()
	return reflectionflow.Score{Value: float64(red >> 8)}, nil
})

// Labels by people turn the values of a verifier into probabilities.
func ExampleCalibrate() {
	examples := func(yield func(verifier.Example, error) bool) {
		for level := range 200 {
			img := image.NewRGBA(image.Rect(0, 0, 1, 1))
			img.Set(0, 0, color.RGBA{R: uint8(level), A: 255})
			example := verifier.Example{
				Image: reflectionflow.PromptedImage{Prompt: reflectionflow.Prompt{Text: "a bright room"}, Image: img},
				Right: level%10 < level/20,
			}
			if !yield(example, nil) {
				return
			}
		}
	}
	c, _, err := verifier.Calibrate(context.Background(), "brightness", brightness, examples, verifier.Platt)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d of %d right, p(20) = %.1f, p(180) = %.1f\n", c.Right, c.Examples, c.Curve.Probability(20), c.Curve.Probability(180))
	calibrated := verifier.Calibrated(brightness, c)
	_ = calibrated // a verifier for a search
	// Output: 90 of 200 right, p(20) = 0.1, p(180) = 0.8
}

func ExampleReadLabels() {
	labels, err := verifier.ReadLabels(strings.NewReader(`{"image": "images/0001.png", "prompt": "two clocks", "right": true}`))
	fmt.Println(labels[0].Image, *labels[0].Right, err)
	_, err = verifier.ReadLabels(strings.NewReader(`{"image": "images/0002.png", "prompt": "two clocks"}`))
	fmt.Println(err)
	// Output:
	// images/0001.png true <nil>
	// invalid input: line 1: "right" is missing
}
