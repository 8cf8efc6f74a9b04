// Package cpu is a backend for GoMLX that runs graphs on the processor, written in Go. It has kernels of its own for
// the operations of transformers, convolutional autoencoders and their training, and runs everything else on GoMLX's
// Go backend, so that no graph is too exotic.
//
//	backend, err := cpu.New("")
//
// or, to let GoMLX find it by name, [Register] once and compute.NewWithConfig("cpu").
//
// # How a graph becomes kernels
//
// While a graph is built, each operation becomes a node of this package and, at the same time, a node of a shadow
// graph in the Go backend. The shadow checks operands, infers shapes and finds common subexpressions: two operations
// that are one value in the shadow are one node here.
//
// Compile walks the nodes that the outputs need and lowers them to steps. Reshape, Transpose, Slice, BroadcastInDim
// and Reverse move nothing: they make another tensor (offset, dimensions, strides) over the same storage, and the
// kernels read through it. An operation without a kernel becomes a step that runs a one-operation program of the Go
// backend; [Backend.Fallbacks] counts these by operation. Control flow and sorting run there with all that is inside.
//
// At last every storage gets its lifetime in steps and a fixed place in one arena, where storages that never live at
// the same time share memory. An execution takes an arena, sets the addresses and runs the steps in order; each step
// shares its items with the pool of workers.
//
// # Results
//
// A result does not depend on the number of threads or on what else runs: work is divided by shapes alone, and partial
// sums are added in a fixed order. An element of a product does not depend on its place in the matrix: what a program
// computes for an entry of a batch is the same at any place in it. It may depend on how many entries there are.
//
// NaN and infinities are as in the Go backend; the padding of a convolution, which kernels multiply as zeros, makes none.
//
// A result does depend on the instruction set. AVX2 and AVX-512 differ in sums over rows and what is made of them. Portable
// Go differs from both by 2 ulp at most in functions; its products have their bits on arm64, where Go's compiler fuses
// multiply-adds, and not on amd64 at its default level.
package cpu
