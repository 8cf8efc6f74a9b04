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

// encodeProgram encodes n prompts: ids for T5 [n, T] and CLIP [n, L], int32, to
// [n, T, d] and [n, d'].
func (p *Pipeline) encodeProgram(n int) (*nn.Program, error) {
	f := p.model.Folder
	inputs := []shapes.Shape{
		shapes.Make(dtypes.Int32, n, p.model.Settings.TextLength), shapes.Make(dtypes.Int32, n, f.CLIP.Positions),
	}
	return p.programs.get(fmt.Sprintf("text encoders for %d texts", n), inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{T5Encode(s.In(T5Prefix), f.T5, in[0]), CLIPPooled(s.In(CLIPPrefix), f.CLIP, in[1])}, nil
	})
}

// referenceProgram encodes references [lanes, H, W, 3] in [-1, 1] to the condition's
// tokens [lanes, M, C]. It uses the mean of the latent distribution instead of a
// sample, so that a request determines its image.
func (p *Pipeline) referenceProgram(grid Grid) (*nn.Program, error) {
	vae := p.model.Folder.VAE
	unit := 2 * vae.Factor()
	inputs := []shapes.Shape{floats(p.lanes, grid.Rows*unit, grid.Cols*unit, 3)}
	return p.programs.get(fmt.Sprintf("encoder for %v", grid), inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		mean, _ := Encode(s.In(VAEPrefix), vae, in[0])
		return []*Node{Pack(vae.Scale(mean))}, nil
	})
}

// decodeProgram decodes tokens [lanes, N, C] to images [lanes, H, W, 3].
func (p *Pipeline) decodeProgram(grid Grid) (*nn.Program, error) {
	vae := p.model.Folder.VAE
	inputs := []shapes.Shape{floats(p.lanes, grid.Tokens(), p.model.Folder.Transformer.InChannels)}
	return p.programs.get(fmt.Sprintf("decoder for %v", grid), inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{Decode(s.In(VAEPrefix), vae, vae.Unscale(Unpack(in[0], grid)))}, nil
	})
}

// StepProgram returns the compiled denoising step for requests of r's shape, for
// benchmarks. [Pipeline.Generate] compiles what it needs.
func (p *Pipeline) StepProgram(r reflectionflow.Request) (*nn.Program, error) {
	return p.stepProgram(p.shape(r))
}

// DecodeProgram is [Pipeline.StepProgram] for the autoencoder's decoder.
func (p *Pipeline) DecodeProgram(r reflectionflow.Request) (*nn.Program, error) {
	return p.decodeProgram(p.shape(r).grid)
}

// stepProgram is one denoising step. Inputs: x [lanes, N, C], sigma, next,
// guidance [lanes], text [texts·lanes, T, d], pooled [texts·lanes, d'] and, with a
// condition, its tokens [lanes, M, C]. The output is the next x.
func (p *Pipeline) stepProgram(sh shape) (*nn.Program, error) {
	m, lanes, texts := p.model, p.lanes, sh.texts()
	params := m.Folder.Transformer
	inputs := []shapes.Shape{
		floats(lanes, sh.grid.Tokens(), params.InChannels), floats(lanes), floats(lanes), floats(lanes),
		floats(texts*lanes, m.Settings.TextLength, params.JointAttentionDim), floats(texts*lanes, params.PooledProjectionDim),
	}
	if sh.conditioned {
		inputs = append(inputs, floats(lanes, m.Settings.ConditionGrid(sh.grid).Tokens(), params.InChannels))
	}
	sh.steps = 0 // the program is the same for any number of steps
	return p.programs.get(fmt.Sprintf("step %+v", sh), inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		x, sigma, next, guidance := in[0], in[1], in[2], in[3]
		inputs := Inputs{
			Latents: repeat(x, texts), Grid: sh.grid, Text: in[4], Pooled: in[5],
			Timestep: repeat(sigma, texts), Guidance: repeat(guidance, texts),
		}
		base := s.In(TransformerPrefix)
		if sh.conditioned {
			inputs.Condition = &Condition{
				Latents: repeat(in[6], texts), Grid: m.Settings.ConditionGrid(sh.grid), Aligned: m.Settings.AlignedReference,
				Adapter: m.Corrector.Adapter(s.In(CorrectorPrefix), base), AllStreams: m.Corrector.AllStreams, Scale: m.Settings.ReferenceScale,
			}
		}
		velocity := Transformer(base, params, inputs)
		if sh.guided {
			both := Split(velocity, 0, 2)
			velocity = RescaleGuidance(x, both[0], Guide(both[0], both[1], guidance), sigma, m.Settings.GuidanceRescale)
		}
		return []*Node{EulerStep(x, velocity, sigma, next)}, nil
	})
}

// repeat concatenates n copies of x along the batch.
func repeat(x *Node, n int) *Node {
	return Concatenate(slices.Repeat([]*Node{x}, n), 0)
}
