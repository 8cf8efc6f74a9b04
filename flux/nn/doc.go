// Package nn is the thin layer between the networks of this project and GoMLX:
// named weights ([Store]), graph functions that ask for them by name ([Scope]),
// compiled computations ([Program]), and the few layers FLUX is made of.
//
// A network is a plain function of a Scope and nodes. The same function serves
// inference, where the weights are read from a store, and training, where
// missing weights are drawn by their initialiser and updated by the program.
// Weight names are the checkpoint's own ("transformer_blocks.0.attn.to_q.weight");
// a matrix is stored as [out, in], a convolution as [out, in, kh, kw], as
// PyTorch does. Images run through the graph as [batch, height, width, channels].
//
// Graph functions panic on a programming error, as GoMLX's own do; [Compile] and
// [Program.Run] turn that into an error, so no panic leaves this package.
package nn
