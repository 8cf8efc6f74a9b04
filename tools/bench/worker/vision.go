package main

import (
	"context"
	"errors"
	"image"
	_ "image/png"
	"os"

	"reflectionflow/internal/bench"
	"reflectionflow/vision/clip"
	"reflectionflow/vision/owlv2"
)

// look opens the network of a folder for one image: what it makes of the image, and a job that does so.
func look(do, folder, file string) ([]float32, bench.Job, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, bench.Job{}, err
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, bench.Job{}, err
	}
	ctx, images := context.Background(), []image.Image{img}
	switch do {
	case "clip":
		model, err := clip.Open(ctx, folder, clip.Options{})
		if err != nil {
			return nil, bench.Job{}, err
		}
		vectors, err := model.Images(ctx, images)
		if err != nil {
			return nil, bench.Job{}, err
		}
		run := func() error { _, err := model.Images(ctx, images); return err }
		return vectors[0], bench.Job{Run: run, Close: func() { _ = model.Close() }}, nil
	case "owlv2":
		detector, err := owlv2.Open(ctx, folder, owlv2.Options{Threshold: 1e-9, Overlap: 1, Limit: 1})
		if err != nil {
			return nil, bench.Job{}, err
		}
		found, err := detector.Detect(ctx, images, []string{"cat"})
		if err != nil {
			return nil, bench.Job{}, err
		}
		var scores []float32
		for _, o := range found[0] {
			scores = append(scores, float32(o.Confidence))
		}
		run := func() error { _, err := detector.Detect(ctx, images, []string{"cat"}); return err }
		return scores, bench.Job{Run: run, Close: func() { _ = detector.Close() }}, nil
	}
	return nil, bench.Job{}, errors.New("unknown network " + do)
}
