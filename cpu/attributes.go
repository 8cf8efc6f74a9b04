package cpu

import "github.com/gomlx/compute"

// The attributes of operations that have kernels: the values of node.attr. Slices are copies.

type axesAttr struct{ axes []int } // Reduce*, Transpose (the permutation), BroadcastInDim, Reverse, Concatenate, Iota (one axis)

type sliceAttr struct{ starts, limits, strides []int }

type padAttr struct{ axes []compute.PadAxis }

type dotAttr struct{ lhsContract, lhsBatch, rhsContract, rhsBatch []int }

type convAttr struct {
	axes                            compute.ConvolveAxesConfig
	strides                         []int
	paddings                        [][2]int
	inputDilations, kernelDilations []int
	channelGroups, batchGroups      int
}

type gatherAttr struct {
	indexVectorAxis                                 int
	offsetAxes, collapsedAxes, startMap, sliceSizes []int
}

type scatterAttr struct {
	indexVectorAxis                    int
	windowAxes, insertedAxes, startMap []int
}

type argAttr struct {
	axis  int
	least bool
}
