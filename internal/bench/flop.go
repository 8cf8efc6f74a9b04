package bench

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// counter is a backend that builds graphs on the backend inside, and counts the
// multiplications and additions of their matrix products and convolutions.
type counter struct {
	compute.Backend
	flop float64
}

func (c *counter) Builder(name string) compute.Builder {
	return &countedBuilder{c.Backend.Builder(name), c}
}

type countedBuilder struct {
	compute.Builder
	counter *counter
}

func (b *countedBuilder) Main() compute.Function {
	return &countedFunction{b.Builder.Main(), b}
}

type countedFunction struct {
	compute.Function
	builder *countedBuilder
}

func (f *countedFunction) DotGeneral(x compute.Value, xContracting, xBatch []int, y compute.Value, yContracting, yBatch []int, config compute.DotGeneralConfig) (compute.Value, error) { //nolint:revive // the signature is GoMLX's
	out, err := f.Function.DotGeneral(x, xContracting, xBatch, y, yContracting, yBatch, config)
	if err != nil {
		return nil, err
	}
	shape, err := f.builder.OpShape(x)
	if err != nil {
		return nil, err
	}
	depth := 1
	for _, axis := range xContracting {
		depth *= shape.Dimensions[axis]
	}
	return f.count(out, depth)
}

func (f *countedFunction) ConvGeneral(x, kernel compute.Value, axes compute.ConvolveAxesConfig, strides []int, paddings [][2]int, inputDilations, kernelDilations []int, channelGroups, batchGroups int) (compute.Value, error) { //nolint:revive // the signature is GoMLX's
	out, err := f.Function.ConvGeneral(x, kernel, axes, strides, paddings, inputDilations, kernelDilations, channelGroups, batchGroups)
	if err != nil {
		return nil, err
	}
	shape, err := f.builder.OpShape(kernel)
	if err != nil {
		return nil, err
	}
	depth := shape.Dimensions[axes.KernelInputChannels]
	for _, axis := range axes.KernelSpatial {
		depth *= shape.Dimensions[axis]
	}
	return f.count(out, depth)
}

// count adds depth multiplications and depth additions for every element of out.
func (f *countedFunction) count(out compute.Value, depth int) (compute.Value, error) {
	var shape shapes.Shape
	shape, err := f.builder.OpShape(out)
	if err != nil {
		return nil, err
	}
	f.builder.counter.flop += 2 * float64(shape.Size()) * float64(depth)
	return out, nil
}
