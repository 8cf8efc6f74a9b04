package preference

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"reflectionflow"
	"reflectionflow/weights"
)

// affine maps a vector to a number.
type affine struct {
	weights []float64
	bias    float64
}

func (a affine) of(vector []float32) float64 {
	sum := a.bias
	for i, w := range a.weights {
		sum += w * float64(vector[i])
	}
	return sum
}

// linearLayers are the numbers of the layers of LAION's aesthetic predictor (sac+logos+ava1-l14-linearMSE). There are
// no activations between them, only dropout in training, so together they are one affine map. The predictor with
// activations numbers its layers otherwise.
var linearLayers = []int{0, 2, 4, 6, 7}

// maxHead bounds the numbers of a head.
const maxHead = 1 << 24

// readHead reads the layers "layers.N.weight" and "layers.N.bias" of a file and multiplies them out.
func readHead(path string, width int) (affine, error) {
	file, err := weights.Open(path)
	if err != nil {
		return affine{}, err
	}
	defer func() { _ = file.Close() }() // it was only read
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", reflectionflow.ErrInvalid, path, fmt.Sprintf(format, args...))
	}
	numbers := map[int]bool{}
	for _, name := range file.Names() {
		number, ok := strings.CutPrefix(strings.TrimSuffix(strings.TrimSuffix(name, ".weight"), ".bias"), "layers.")
		n, err := strconv.Atoi(number)
		if !ok || err != nil {
			return affine{}, fail("tensor %q belongs to no aesthetic predictor", name)
		}
		numbers[n] = true
	}
	if have := slices.Sorted(maps.Keys(numbers)); !slices.Equal(have, linearLayers) {
		return affine{}, fail("it has the layers %v, the linear aesthetic predictor has %v", have, linearLayers)
	}
	// From the last layer to the first: (w, b) becomes (w·W, w·c + b).
	head := affine{weights: []float64{1}}
	for _, n := range slices.Backward(linearLayers) {
		w, shape, err := readTensor(file, fmt.Sprintf("layers.%d.weight", n))
		if err != nil {
			return affine{}, err
		}
		c, _, err := readTensor(file, fmt.Sprintf("layers.%d.bias", n))
		if err != nil {
			return affine{}, err
		}
		if len(shape) != 2 || shape[0] != len(head.weights) || len(c) != shape[0] {
			return affine{}, fail("layer %d has the shape %v and %d biases, want %d rows", n, shape, len(c), len(head.weights))
		}
		head = head.after(w, c, shape[1])
	}
	if len(head.weights) != width {
		return affine{}, fail("it rates vectors of %d numbers, those of the network have %d", len(head.weights), width)
	}
	return head, nil
}

// after is the map that applies a layer [rows, columns] first.
func (a affine) after(w, c []float32, columns int) affine {
	next := affine{weights: make([]float64, columns), bias: a.bias}
	for row, factor := range a.weights {
		next.bias += factor * float64(c[row])
		for column, v := range w[row*columns:][:columns] {
			next.weights[column] += factor * float64(v)
		}
	}
	return next
}

func readTensor(file *weights.File, name string) ([]float32, []int, error) {
	t, err := weights.Find(file, name)
	if err != nil {
		return nil, nil, err
	}
	if n := t.Info().Elements(); n > maxHead {
		return nil, nil, fmt.Errorf("%w: %s: tensor %q has %d numbers, at most %d are allowed", reflectionflow.ErrInvalid, file.Name(), name, n, maxHead)
	}
	if err := t.CheckFinite(); err != nil {
		return nil, nil, err
	}
	values, err := t.Values()
	return values, t.Info().Shape, err
}
