package assemble

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/weights"
)

// tokenCounts are the tokens of the parts of a denoising step.
type tokenCounts struct {
	text  int
	image int // of the image and its references
}

// stepWork counts the multiplications and additions of a denoising step, two each, by
// the shapes of the transformer's weights: every matrix is applied to the tokens of its
// stream, and every block attends once, over all tokens.
func stepWork(variables []nn.Variable, tokens tokenCounts) float64 {
	work, width := 0.0, 0
	blocks := map[string]bool{}
	for _, v := range variables {
		if len(v.Shape) != 2 {
			continue
		}
		work += 2 * float64(v.Size()) * float64(tokens.of(v.Name))
		if block, ok := blockOf(v.Name); ok {
			blocks[block] = true
		}
		if v.Name == "x_embedder.weight" {
			width = v.Shape[0]
		}
	}
	all := float64(tokens.text + tokens.image)
	return work + float64(len(blocks))*4*all*all*float64(width)
}

// of is how many tokens a weight of the transformer is applied to.
func (t tokenCounts) of(name string) int {
	contains := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(name, part) })
	}
	switch {
	case contains("norm", "modulation", "time_"): // of the noise level, once per image
		return 1
	case contains("context", "add_"):
		return t.text
	case strings.HasPrefix(name, "single_transformer_blocks."):
		return t.text + t.image
	}
	return t.image
}

// blockOf names the block of a weight.
func blockOf(name string) (string, bool) {
	parts := strings.SplitN(name, ".", 3)
	if len(parts) < 3 || !strings.HasSuffix(parts[0], "transformer_blocks") {
		return "", false
	}
	return parts[0] + "." + parts[1], true
}

// measuredTokens is how many tokens the product has that a speed is measured by: as many
// as the text of an image.
const measuredTokens = 512

// measureSpeed returns the multiplications and additions per second, two each, of a
// product with the source's largest matrix as it is stored.
func measureSpeed(backendName string, source weights.Source) (float64, error) {
	name, err := largestMatrix(source)
	if err != nil {
		return 0, err
	}
	stored, err := weights.Find(source, name)
	if err != nil {
		return 0, err
	}
	backend, err := nn.OpenBackend(backendName)
	if err != nil {
		return 0, err
	}
	shape := stored.Info().Shape
	store := nn.NewStore()
	store.SetStored("weight", stored)
	input := shapes.Make(dtypes.Float32, measuredTokens, shape[1])
	program, err := nn.Compile(backend, store, []shapes.Shape{input}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{nn.LinearNoBias(s, in[0], shape[0])}, nil
	}, nn.Options{Name: "measure"})
	if err != nil {
		return 0, err
	}
	defer program.Close()
	x := tensors.FromFlatDataAndDimensions(make([]float32, measuredTokens*shape[1]), measuredTokens, shape[1])
	defer x.FinalizeAll() //nolint:errcheck // the garbage collector tries again
	best := time.Duration(0)
	for range 3 { // the first reads the weights from the disk
		begin := time.Now()
		out, err := program.Run(x)
		if err != nil {
			return 0, err
		}
		took := time.Since(begin)
		_ = out[0].FinalizeAll() // the garbage collector tries again
		if best == 0 || took < best {
			best = took
		}
	}
	return 2 * measuredTokens * float64(shape[0]*shape[1]) / best.Seconds(), nil
}

// largestMatrix is the matrix of a source with the most elements.
func largestMatrix(source weights.Source) (string, error) {
	largest, most := "", 0
	for _, name := range source.Names() {
		info, err := source.Info(name)
		if err != nil {
			return "", err
		}
		if len(info.Shape) == 2 && info.Elements() > most {
			largest, most = name, info.Elements()
		}
	}
	if largest == "" {
		return "", fmt.Errorf("%w: there is no matrix among the weights", reflectionflow.ErrInvalid)
	}
	return largest, nil
}

// precision is that of [Model] for the transformer's largest matrix.
func (f *fluxFamily) precision(backend string) (string, error) {
	transformer, file, err := f.components[0].Open(f.files)
	if err != nil {
		return "", err
	}
	precision, err := precisionFor(backend, transformer)
	return precision, errors.Join(err, file.Close())
}

func precisionFor(backend string, source weights.Source) (string, error) {
	name, err := largestMatrix(source)
	if err != nil {
		return "", err
	}
	stored, err := weights.Find(source, name)
	if err != nil {
		return "", err
	}
	return nn.AutoPrecision(backend, stored), nil
}
