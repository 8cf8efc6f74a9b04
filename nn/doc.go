// Package nn connects the networks of this project to GoMLX: named weights ([Store]),
// graph functions that ask for weights by name ([Scope]), compiled computations
// ([Program]), and the layers that FLUX and the verifiers are made of.
//
// A network is a function of a Scope and nodes. [Compile] builds and compiles it for
// inputs of fixed shapes, [Program.Run] executes it:
//
//	p, err := nn.Compile(backend, store, shapes, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
//		hidden := nn.SiLU(nn.Linear(s.In("fc1"), in[0], 64))
//		return []*Node{nn.Linear(s.In("fc2"), hidden, 10)}, nil
//	}, nn.Options{Name: "classifier"})
//	out, err := p.Run(x)
//
// The same function serves inference and training. In inference the weights come from
// the store ("fc1.weight", "fc1.bias", …), and one that is missing or of another shape
// is an error. In training ([Options].Seed) missing weights are initialized at random,
// and the function returns their new values as updates. [Variables] lists the weights
// of a function without any.
//
// # Weights as their files have them
//
// A model of billions of parameters stays in its mapped file, in whatever type it is stored. [Store.AddSource] puts the
// tensors of a [weights.Source] into a store and reads none of them:
//
//	file, err := weights.Open("flux-2-klein-4b-Q4_K_S.gguf")
//	view, err := weights.NewView(file, cuts) // the names and rows that the network asks for
//	err = store.AddSource("transformer", view)
//
// The network does not change: [Linear] multiplies by panels of the matrix that are converted on the way, [Embedding]
// reads the rows of its ids, and the results are those of weights in float32, bit by bit. [Store.Bytes] says what that
// takes. Between the parts of a pipeline, [Store.Release] gives the pages of one part back to the system. A value that is
// not finite, and a file that is cut short while in use, end [Program.Run] with an error that names the tensor.
//
// # Names and shapes
//
// Weight names and shapes are PyTorch's: a matrix is [out, in], a convolution [out,
// in, kh, kw]. Images are [batch, height, width, channels].
//
// Graph functions panic on a programming error, as GoMLX's do; [Compile] and
// [Program.Run] return it as an error.
package nn
