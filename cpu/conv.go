package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
)

// Convolution is one batched matrix product over the padded image: the element of the image under kernel position p for
// output pixel i is at offset(i) + offset(p), which the tables of gemm express. No patches are copied, and the gradients
// need no code of their own: GoMLX writes them as convolutions with other axes, strides and dilations.

// convAxis is one axis of the loops of a convolution: its length and the strides of image, kernel and result.
type convAxis struct {
	n, x, w, y int
	edge       []bool // which pixels touch padding, or nil
}

// convLoops are the axes of a convolution by role.
type convLoops struct {
	pixels  []convAxis // batch and space of the result, in the order of its memory
	channel convAxis   // output channels of a group
	groups  []convAxis
	depth   []convAxis // summed over: input channels of a group and kernel positions
}

// conv lowers ConvGeneral on f32. It returns false for other dtypes, negative padding and empty operands.
func (l *lowering) conv(n *node) bool {
	in, kernel := n.operand[0], n.operand[1]
	if in.shape.DType != dtypes.Float32 || kernel.shape.DType != dtypes.Float32 || n.shape.DType != dtypes.Float32 ||
		n.shape.Rank() > 16 || in.shape.Size() == 0 || kernel.shape.Size() == 0 || n.shape.Size() == 0 {
		return false
	}
	a := n.attr.(convAttr).complete()
	for _, p := range a.paddings {
		if p[0] < 0 || p[1] < 0 {
			return false
		}
	}
	given := l.forward(l.tensorOf(in))
	x, padding := l.padded(given, a)
	w := l.forward(l.tensorOf(kernel))
	y := l.define(n)
	loops := a.loops(x, w, y, padding)
	g := &gemm{kernel: l.backend.level.kernel(), c: y.s, padding: padding}
	cols := loops.pixelsLast(y)
	g.m, g.n = loops.channel.n, 1
	table := func(of func(convAxis) int, first int, axes ...convAxis) []int { return l.offsetTable(first, axes, of) }
	if cols == 0 { // channels are last in the result: its rows are pixels
		g.a, g.b = x.s, w.s
		g.aBatch, g.bBatch, g.cBatch = table(ofImage, x.off, loops.groups...), table(ofKernel, w.off, loops.groups...), table(ofResult, 0, loops.groups...)
		g.aRow, g.cRow = table(ofImage, 0, loops.pixels...), table(ofResult, 0, loops.pixels...)
		g.bCol = table(ofKernel, 0, loops.channel)
		g.aDepth, g.bDepth = table(ofImage, 0, loops.depth...), table(ofKernel, 0, loops.depth...)
		padding.find(true, nil, loops.pixels)
	} else { // pixels are last: the rows of the result are channels
		g.a, g.b = w.s, x.s
		outer := slices.Concat(loops.groups, loops.pixels[:len(loops.pixels)-cols])
		g.aBatch, g.bBatch, g.cBatch = table(ofKernel, w.off, outer...), table(ofImage, x.off, outer...), table(ofResult, 0, outer...)
		g.aRow, g.cRow = table(ofKernel, 0, loops.channel), table(ofResult, 0, loops.channel)
		g.bCol = table(ofImage, 0, loops.pixels[len(loops.pixels)-cols:]...)
		g.aDepth, g.bDepth = table(ofKernel, 0, loops.depth...), table(ofImage, 0, loops.depth...)
		padding.find(false, outer, loops.pixels[len(loops.pixels)-cols:])
	}
	g.m, g.n, g.k = len(g.aRow), len(g.bCol), len(g.aDepth)
	if x != given {
		if cols == 0 && g.halvesFit(l.backend, given) {
			x.s.dtype, x.s.bytes = dtypes.BFloat16, 2*x.s.elems
		}
		l.surround(x, given, a)
	}
	l.emitGemm("ConvGeneral", g)
	return true
}

// complete returns the attributes with the defaults filled in.
func (a convAttr) complete() convAttr {
	space := len(a.axes.InputSpatial)
	if len(a.strides) == 0 {
		a.strides = ones(space)
	}
	if len(a.paddings) == 0 {
		a.paddings = make([][2]int, space)
	}
	if len(a.inputDilations) == 0 {
		a.inputDilations = ones(space)
	}
	if len(a.kernelDilations) == 0 {
		a.kernelDilations = ones(space)
	}
	a.channelGroups, a.batchGroups = max(a.channelGroups, 1), max(a.batchGroups, 1)
	return a
}

// padded returns the layout of the image with zeros around it and, for an input dilation, between its elements, and
// where these are; the image itself and nil if there are none. [lowering.surround] fills it.
func (l *lowering) padded(x *tensor, a convAttr) (*tensor, *padding) {
	starts, steps, dims := a.place(x)
	if slices.Equal(dims, x.dims) {
		return x, nil
	}
	p := denseTensor(l.rawStorage(dtypes.Float32, product(dims)), dims)
	around := new(padding)
	for _, axis := range a.axes.InputSpatial {
		around.axes = append(around.axes, paddedAxis{p.strides[axis], dims[axis], starts[axis], steps[axis], x.dims[axis]})
	}
	return p, around
}

// place returns where the elements of the image are in the padded image, and the dimensions of that.
func (a convAttr) place(x *tensor) (starts, steps, dims []int) {
	starts, steps, dims = make([]int, len(x.dims)), ones(len(x.dims)), slices.Clone(x.dims)
	for i, axis := range a.axes.InputSpatial {
		starts[axis], steps[axis] = a.paddings[i][0], max(a.inputDilations[i], 1)
		dims[axis] = (x.dims[axis]-1)*steps[axis] + 1 + a.paddings[i][0] + a.paddings[i][1]
	}
	return starts, steps, dims
}

// surround emits the steps that fill the padded image p with the image x.
func (l *lowering) surround(p, x *tensor, a convAttr) {
	starts, steps, _ := a.place(x)
	size := p.s.dtype.Size()
	zero := &storage{id: len(l.storages), dtype: p.s.dtype, elems: 1, bytes: size, kind: inConstant, constant: make([]byte, size)}
	l.storages = append(l.storages, zero)
	l.fill(p, denseTensor(zero, nil))
	l.copyInto(p.part(starts, steps, x.dims), x)
}

// loops returns the axes of the convolution of the padded image x with the kernel w into y.
func (a convAttr) loops(x, w, y *tensor, around *padding) convLoops {
	ax := a.axes
	batch := y.dims[ax.OutputBatch]
	groups := a.channelGroups * a.batchGroups // one of them is 1
	channels, perGroup := y.dims[ax.OutputChannels]/groups, x.dims[ax.InputChannels]/a.channelGroups
	c := convLoops{channel: convAxis{n: channels, w: w.strides[ax.KernelOutputChannels], y: y.strides[ax.OutputChannels]}}
	group := convAxis{n: groups, x: perGroup * x.strides[ax.InputChannels], w: channels * c.channel.w, y: channels * c.channel.y}
	if a.batchGroups > 1 {
		group.x = batch * x.strides[ax.InputBatch]
	}
	c.groups = []convAxis{group}
	c.pixels = []convAxis{{n: batch, x: x.strides[ax.InputBatch], y: y.strides[ax.OutputBatch]}}
	c.depth = []convAxis{{n: perGroup, x: x.strides[ax.InputChannels], w: w.strides[ax.KernelInputChannels]}}
	for i, axis := range ax.InputSpatial {
		step, out, k := x.strides[axis], ax.OutputSpatial[i], ax.KernelSpatial[i]
		pixel := convAxis{n: y.dims[out], x: a.strides[i] * step, y: y.strides[out]}
		window := convAxis{n: w.dims[k], x: max(a.kernelDilations[i], 1) * step, w: w.strides[k]}
		if around != nil {
			pixel.edge = around.axes[i].edge(pixel, window, step)
		}
		c.pixels, c.depth = append(c.pixels, pixel), append(c.depth, window)
	}
	slices.SortStableFunc(c.pixels, func(p, q convAxis) int { return q.y - p.y })
	slices.SortStableFunc(c.depth, func(p, q convAxis) int { return q.x - p.x })
	return c
}

// pixelsLast returns how many axes of pixels follow the channels in the memory of the result, so that they form dense
// rows; 0 if the channels are last.
func (c *convLoops) pixelsLast(y *tensor) int {
	count, run := 0, 1
	for _, p := range slices.Backward(c.pixels) {

		if p.n != 1 && p.y != run {
			break
		}
		run *= p.n
		count++
	}
	if run == 1 && (c.channel.y == 1 || y.size() == 1) {
		return 0
	}
	return count
}

func ofImage(a convAxis) int  { return a.x }
func ofKernel(a convAxis) int { return a.w }
func ofResult(a convAxis) int { return a.y }

// offsetTable returns the offsets, from first on, of all indices of the axes, in row-major order, in image, kernel or
// result. It must not be changed: the convolutions of a program that have the same share it, since the tables of an image
// of a million pixels are as large as the image.
func (l *lowering) offsetTable(first int, axes []convAxis, step func(convAxis) int) []int {
	shape := []int{first}
	for _, a := range axes {
		shape = append(shape, a.n, step(a))
	}
	key := fmt.Sprint(shape)
	if known, ok := l.offsetTables[key]; ok {
		return known
	}
	all := []int{first}
	for _, a := range axes {
		next := make([]int, 0, len(all)*a.n)
		for _, o := range all {
			for i := range a.n {
				next = append(next, o+i*step(a))
			}
		}
		all = next
	}
	l.offsetTables[key] = all
	return all
}
