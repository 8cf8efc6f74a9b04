// Package bench measures the engine on the current machine: the machine's peaks, and the
// speed of the embedded model's graphs on package cpu and on GoMLX's Go backend ("go",
// with ops_sequential: one operation at a time).
//
// Terms: a workload is a compiled graph and its inputs: one guided denoising
// step (forward), one autoencoder decode, one training step. Its work is the
// multiplications and additions of its matrix products and convolutions, counted
// while the graph is built: 2·B·M·N·K for a product of B matrices M×K by K×N, and
// for a convolution that of the equivalent product. Elementwise work is not counted,
// though it takes time. Speed is work divided by time, in GFLOP/s.
//
// Contestants alternate, round after round, so that other load on the machine affects
// all of them alike. Ratios are taken within a round; the report has the median, minimum
// and maximum over the rounds. The peak is the fastest f32 matrix product of the run. It
// runs in every round too, and a share of the peak is the workload's speed divided by the
// peak product's in the same round.
package bench
