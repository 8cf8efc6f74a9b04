// Package bench measures the engine on the machine it runs on: what the machine
// can do, and what the embedded model's graphs make of it on package cpu and on
// GoMLX's own Go backend ("go", one operation at a time: ops_sequential).
//
// Words: a workload is a compiled graph and its inputs: one guided denoising
// step (forward), one autoencoder decode, one training step. Its work is the
// multiplications and additions of its matrix products and convolutions, counted
// while the graph is built: 2·B·M·N·K for a product of B matrices M×K by K×N, and
// for a convolution the same of the product that it is. Elementwise work counts
// nothing, though it takes time. Speed is work by time, in GFLOP/s.
//
// Contestants run in turn, round after round, so that what else the machine does
// hits all of them alike. A ratio is taken within each round; what is reported is
// the median of the rounds with the least and the greatest. The peak is the
// fastest f32 matrix product of this run; it runs in every round too, and a share
// of the peak is the workload's speed by the peak product's in the same round.
package bench
