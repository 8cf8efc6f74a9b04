package flux

import (
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/nn"
)

// maxPrograms bounds the compiled programs that are kept: enough for about five image
// sizes, each with and without reference and guidance.
const maxPrograms = 24

// programs caches compiled programs by name, the least recently used first. Runs of a
// program that is evicted are not affected.
type programs struct {
	backend compute.Backend
	store   *nn.Store
	mu      sync.Mutex // held while compiling: one at a time
	kept    []namedProgram
}

type namedProgram struct {
	name    string
	program *nn.Program
}

// get returns the program of that name and compiles it on first use.
func (p *programs) get(name string, inputs []shapes.Shape, build nn.Func) (*nn.Program, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := slices.IndexFunc(p.kept, func(n namedProgram) bool { return n.name == name }); at >= 0 {
		found := p.kept[at]
		p.kept = append(slices.Delete(p.kept, at, at+1), found)
		return found.program, nil
	}
	program, err := nn.Compile(p.backend, p.store, inputs, build, nn.Options{Name: name})
	if err != nil {
		return nil, err
	}
	if len(p.kept) >= maxPrograms {
		p.kept = slices.Delete(p.kept, 0, 1)
	}
	p.kept = append(p.kept, namedProgram{name, program})
	return program, nil
}

func floats(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }

// texts returns the number of prompts per lane: 2 with classifier-free guidance, which
// has a negative prompt.
func (s shape) texts() int {
	if s.guided {
		return 2
	}
	return 1
}

// referenceProgram encodes references [lanes, H, W, 3] in [-1, 1] to tokens
// [lanes, M, C].
func (p *Pipeline) referenceProgram(grid Grid) (*nn.Program, error) {
	inputs := []shapes.Shape{floats(p.lanes, grid.Rows*p.spec.Unit, grid.Cols*p.spec.Unit, 3)}
	return p.programs.get("encoder for "+grid.String(), inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{p.model.Encode(s, in[0])}, nil
	})
}

// decodeProgram decodes tokens [lanes, N, C] to images [lanes, H, W, 3].
func (p *Pipeline) decodeProgram(grid Grid) (*nn.Program, error) {
	inputs := []shapes.Shape{floats(p.lanes, grid.Tokens(), p.spec.Channels)}
	return p.programs.get("decoder for "+grid.String(), inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{p.model.Decode(s, Packed{in[0], grid})}, nil
	})
}

// StepProgram returns the compiled denoising step for requests of r's shape, for
// benchmarks. [Pipeline.Generate] compiles what it needs.
func (p *Pipeline) StepProgram(r reflectionflow.Request) (*nn.Program, error) {
	sh, err := p.shape(r)
	if err != nil {
		return nil, err
	}
	return p.stepProgram(sh)
}

// DecodeProgram is [Pipeline.StepProgram] for the autoencoder's decoder.
func (p *Pipeline) DecodeProgram(r reflectionflow.Request) (*nn.Program, error) {
	return p.decodeProgram(p.spec.grid(r))
}

// stepProgram is one denoising step. Inputs: x [lanes, N, C], sigma, next,
// guidance [lanes], the values of the embedding [texts·lanes, …] and, with
// references, the tokens [lanes, M, C] of each. The output is the next x.
func (p *Pipeline) stepProgram(sh shape) (*nn.Program, error) {
	lanes, texts := p.lanes, sh.texts()
	inputs := []shapes.Shape{floats(lanes, sh.grid.Tokens(), p.spec.Channels), floats(lanes), floats(lanes), floats(lanes)}
	for _, d := range p.spec.Embedding {
		inputs = append(inputs, floats(append([]int{texts * lanes}, d...)...))
	}
	conditions := sh.conditions()
	for _, g := range conditions {
		inputs = append(inputs, floats(lanes, g.Tokens(), p.spec.Channels))
	}
	if sh.noised { // its reference is in x
		sh.references[0], sh.noised = Grid{}, false
	}
	sh.steps, sh.start = 0, 0 // the program is the same for any number of steps
	return p.programs.get(fmt.Sprintf("step %v", sh), inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		x, sigma, next, guidance, embedding := in[0], in[1], in[2], in[3], in[4:4+len(p.spec.Embedding)]
		inputs := Inputs{
			Image: Packed{repeat(x, texts), sh.grid}, Embedding: embedding,
			Sigma: repeat(sigma, texts), Guidance: repeat(guidance, texts),
		}
		for i, reference := range in[4+len(embedding):] {
			inputs.References = append(inputs.References, Packed{repeat(reference, texts), conditions[i]})
		}
		velocity := p.model.Velocity(s, inputs)
		if sh.guided {
			both := Split(velocity, 0, 2)
			velocity = RescaleGuidance(x, both[0], Guide(both[0], both[1], guidance), sigma, p.spec.GuidanceRescale)
		}
		return []*Node{EulerStep(x, velocity, sigma, next)}, nil
	})
}

// repeat concatenates n copies of x along the batch.
func repeat(x *Node, n int) *Node {
	return Concatenate(slices.Repeat([]*Node{x}, n), 0)
}
