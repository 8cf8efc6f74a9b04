// Package cpu is a backend for GoMLX that runs graphs on the processor, written in Go. It has kernels of its own for
// the operations of transformers, convolutional autoencoders and their training, and runs everything else on GoMLX's
// Go backend, so that every graph runs.
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
// Finally, every storage gets a lifetime in steps and a fixed place in one arena; storages with disjoint lifetimes share
// memory. An execution takes an arena, sets the addresses and runs the steps in order; the pool of workers shares the
// items of each step. README.md in this folder describes the passes in between: fusion, attention, epilogues, group norm.
//
// # Results
//
// A result does not depend on the number of threads or on what else runs: work is divided by shapes alone, and partial
// sums are added in a fixed order. An element of a product does not depend on its place in the matrix: what a program
// computes for an entry of a batch is the same at any place in it. It may depend on how many entries there are.
//
// NaN and infinities are those of the Go backend. The padding of a convolution, which kernels multiply as zeros, adds none.
//
// A result does depend on the instruction set. AVX2 and AVX-512 differ in sums over rows and in what depends on them.
// Portable Go differs from both by at most 2 ulp in functions. Its products equal theirs byte for byte on arm64, where
// Go's compiler fuses multiply-adds, and not on amd64 at the default level.
package cpu
