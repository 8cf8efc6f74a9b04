package main

import (
	"context"
	"fmt"
	"image"
	"path/filepath"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/endpoint"
	"reflectionflow/verifier"
	"reflectionflow/vision/composite"
)

// comparedAtOnce bounds the pairs whose images are in memory.
const comparedAtOnce = 16

// pairs lets the model of a verifier compare right with wrong images of one prompt, in both
// orders, and describes how often it is right and how far it prefers a place. It is empty
// for a verifier without an endpoint, and where --pairs is 0.
func (s *calibration) pairs(ctx context.Context, name string) (string, error) {
	at := s.config.Verifiers[name].Endpoint
	if s.options.pairs == 0 || at == "" {
		return "", nil
	}
	model, err := s.builder.Chat(at)
	if err != nil {
		return "", err
	}
	comparer, err := verifier.NewPairwise(model)
	if err != nil {
		return "", err
	}
	chosen := s.choosePairs()
	if len(chosen) == 0 {
		return "", fmt.Errorf("%w: --pairs: no prompt of the labeled set has a right and a wrong image", reflectionflow.ErrInvalid)
	}
	var all []reflectionflow.Preference
	for start := 0; start < len(chosen); start += comparedAtOnce {
		var batch []reflectionflow.Pair
		for _, c := range chosen[start:min(start+comparedAtOnce, len(chosen))] {
			pair := reflectionflow.Pair{Prompt: s.prompts[c[0]]}
			if pair.First, err = s.image(c[0]); err != nil {
				return "", err
			}
			if pair.Second, err = s.image(c[1]); err != nil {
				return "", err
			}
			batch = append(batch, pair)
		}
		preferences, err := comparer.Compare(ctx, batch)
		if err != nil {
			return "", fmt.Errorf("compare the labeled images: %w", err)
		}
		all = append(all, preferences...)
	}
	return fmt.Sprintf("Comparing pairs, the model of %s: %s.", name, verifier.SumUp(all)), nil
}

// choosePairs pairs right with wrong images of one prompt, at most --pairs of them: first
// one of every prompt, then another.
func (s *calibration) choosePairs() [][2]int {
	right, wrong := make(map[string][]int), make(map[string][]int)
	var prompts []string
	for i, l := range s.labels {
		if len(right[l.Prompt])+len(wrong[l.Prompt]) == 0 {
			prompts = append(prompts, l.Prompt)
		}
		if *l.Right {
			right[l.Prompt] = append(right[l.Prompt], i)
		} else {
			wrong[l.Prompt] = append(wrong[l.Prompt], i)
		}
	}
	var chosen [][2]int
	for round := 0; ; round++ {
		before := len(chosen)
		for _, p := range prompts {
			if len(chosen) < s.options.pairs && round < min(len(right[p]), len(wrong[p])) {
				chosen = append(chosen, [2]int{right[p][round], wrong[p][round]})
			}
		}
		if len(chosen) == before {
			return chosen
		}
	}
}

// image reads the image of a label.
func (s *calibration) image(i int) (image.Image, error) {
	if s.options.composites > 0 {
		return composite.Label(uint64(i), compositeSide).Image, nil
	}
	path := s.labels[i].Image
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(s.options.labels), path)
	}
	img, err := readImage(path)
	if err != nil {
		return nil, fmt.Errorf("label %d: %w", i+1, err)
	}
	return img, nil
}

// readImage reads an image file; one that is none is an error wrapping
// [reflectionflow.ErrInvalid].
func readImage(path string) (image.Image, error) {
	data, err := assemble.ReadFile(path)
	if err != nil {
		return nil, err
	}
	img, err := endpoint.DecodeImage(data, endpoint.ImageLimits{Bytes: maxReadImage, Side: reflectionflow.MaxSide})
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", reflectionflow.ErrInvalid, path, err)
	}
	return img, nil
}

// maxReadImage is the most bytes of an image file.
const maxReadImage = 64 << 20
