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
// Weight names and shapes are PyTorch's: a matrix is [out, in], a convolution [out,
// in, kh, kw]. Images are [batch, height, width, channels].
//
// Graph functions panic on a programming error, as GoMLX's do; [Compile] and
// [Program.Run] return it as an error.
package nn
