package tuning

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg" // the images of GenRef are JPEG

	"reflectionflow"
	"reflectionflow/genref"
)

// decodeTriplet decodes the images of a triplet.
func decodeTriplet(t genref.Triplet) (pair, error) {
	p := pair{prompt: t.Prompt, reflection: t.Reflection}
	for _, side := range []struct {
		data []byte
		into *image.Image
	}{{t.Flawed, &p.flawed}, {t.Enhanced, &p.enhanced}} {
		m, _, err := image.Decode(bytes.NewReader(side.data))
		if err != nil {
			return pair{}, fmt.Errorf("%w: image of a triplet: %v", reflectionflow.ErrInvalid, err)
		}
		*side.into = m
	}
	return p, nil
}

// readTriplets reads the GenRef set in a folder into memory, in its order.
func readTriplets(dir string) ([]genref.Triplet, error) {
	set, err := genref.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("read triplets: %w", err)
	}
	var triplets []genref.Triplet
	for sample, err := range set.All() {
		if err != nil {
			return nil, fmt.Errorf("read triplets in %s: %w", dir, err)
		}
		triplets = append(triplets, sample.Triplet)
	}
	return triplets, nil
}
