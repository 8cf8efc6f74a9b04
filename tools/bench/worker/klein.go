package main

import (
	"context"
	"fmt"
	"image"

	"github.com/gomlx/compute"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux2"
	"reflectionflow/internal/bench"
	"reflectionflow/weights/safetensors"
)

// generate opens a folder of FLUX.2 [klein] for images of one size in four steps: a job that generates one. The first
// image goes to the file, with the noise that it begins with; its text is encoded for good.
func generate(backend compute.Backend, folder, file string, size int) (bench.Job, error) {
	opened, err := flux2.OpenFolder(folder)
	if err != nil {
		return bench.Job{}, err
	}
	model, err := flux2.LoadModel(opened)
	if err != nil {
		return bench.Job{}, err
	}
	request := reflectionflow.Request{Prompt: "a photo of two red clocks", Seed: 1, Width: size, Height: size, Steps: 4, Guidance: 1}
	pipeline := flux.NewPipeline(backend, model, flux.Options{Workers: 1})
	run := func() (image.Image, error) {
		out, err := pipeline.Generate(context.Background(), []reflectionflow.Request{request})
		if err != nil {
			return nil, err
		}
		return out[0].Image, nil // of random weights it may be of NaN: no error
	}
	first, err := run()
	if err != nil {
		return bench.Job{}, err
	}
	spec := model.Spec()
	tokens := size / spec.Unit * (size / spec.Unit)
	noise := flux.Noise(request.Seed, tokens*spec.Channels)
	err = safetensors.Write(file, []safetensors.Tensor{
		{Name: "noise", Shape: []int{1, tokens, spec.Channels}, DType: safetensors.F32, Values: noise},
		{Name: "image", Shape: []int{size, size, 3}, DType: safetensors.F32, Values: values(first, size)},
	}, nil)
	if err != nil {
		return bench.Job{}, fmt.Errorf("write the first image: %w", err)
	}
	return bench.Job{Run: func() error { _, err := run(); return err }}, nil
}

// values returns the channels of an image, 0 to 255; zeros for none.
func values(img image.Image, size int) []float32 {
	all := make([]float32, 0, 3*size*size)
	for y := range size {
		for x := range size {
			var r, g, b uint32
			if img != nil {
				r, g, b, _ = img.At(x, y).RGBA()
			}
			all = append(all, float32(r>>8), float32(g>>8), float32(b>>8))
		}
	}
	return all
}
