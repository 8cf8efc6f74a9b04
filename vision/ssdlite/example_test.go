package ssdlite_test

import (
	"context"
	"fmt"
	"image"
	_ "image/png"
	"os"

	"reflectionflow/vision/ssdlite"
)

func ExampleDetector_Detect() {
	file, err := os.Open("testdata/coffee.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	photo, _, err := image.Decode(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	detector, err := ssdlite.Open(ctx, ssdlite.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer detector.Close()
	found, err := detector.Detect(ctx, []image.Image{photo})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range found[0] {
		fmt.Printf("%s %.2f at %.2f\n", o.Class, o.Confidence, o.Box)
	}
	// Output:
	// cup 0.96 at [0.29 0.05 0.69 0.62]
	// dining table 0.82 at [0.00 0.01 1.00 0.99]
}
