package flux

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// Pack turns a latent image [B, h, w, C] into tokens [B, h/2·w/2, 4C], row by
// row. A token holds its 2×2 positions channel by channel, (c p q), which is the
// order of diffusers' FluxPipeline._pack_latents; h and w are even.
func Pack(x *Node) *Node {
	d := x.Shape().Dimensions
	batch, height, width, channels := d[0], d[1], d[2], d[3]
	x = Reshape(x, batch, height/2, 2, width/2, 2, channels) // [B, row, p, col, q, C]
	x = TransposeAllAxes(x, 0, 1, 3, 5, 2, 4)                // [B, row, col, C, p, q]
	return Reshape(x, batch, height/2*(width/2), 4*channels)
}

// Unpack is the inverse of [Pack]: tokens [B, N, 4C] on the grid to [B, 2·rows,
// 2·cols, C].
func Unpack(x *Node, grid Grid) *Node {
	d := x.Shape().Dimensions
	batch, channels := d[0], d[2]/4
	x = Reshape(x, batch, grid.Rows, grid.Cols, channels, 2, 2) // [B, row, col, C, p, q]
	x = TransposeAllAxes(x, 0, 1, 4, 2, 5, 3)                   // [B, row, p, col, q, C]
	return Reshape(x, batch, 2*grid.Rows, 2*grid.Cols, channels)
}
