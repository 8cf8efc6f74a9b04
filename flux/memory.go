package flux

import (
	"fmt"
	"sync"

	"github.com/gomlx/compute/shapes"

	"reflectionflow"
	"reflectionflow/nn"
)

// boundedTexts is how many embeddings of texts are kept where memory is bounded.
const boundedTexts = 4

// needs are the results of [Pipeline.Memory] by shape.
type needs struct {
	mu    sync.Mutex
	bytes map[string]int64
}

// maxNeeds bounds the results that are kept.
const maxNeeds = 1000

// Memory returns the bytes that an image like that of r takes on the backend at the peak,
// beside weights that are mapped: the largest of the programs that encode its text and its
// reference, denoise and decode it, for each of Options.Workers; the weights that are
// converted at their first use; and the embeddings of a few texts. The programs are
// compiled for it, and nothing is run. Of a reference only the size matters, and the texts
// do not matter. The result is 0 for a backend that does not say what a program takes;
// package cpu does.
//
// A size or a reference that the model cannot serve gives an error wrapping
// [reflectionflow.ErrInvalid].
func (p *Pipeline) Memory(r reflectionflow.Request) (int64, error) {
	r.Prompt = "any"
	if err := r.CheckReferences(p.spec.references()); err != nil {
		return 0, err
	}
	sh, err := p.shape(r)
	if err != nil {
		return 0, err
	}
	texts, err := p.model.Texts(reflectionflow.Request{}) // as long as any others
	if err != nil {
		return 0, err
	}
	return p.memory(texts, sh)
}

func (p *Pipeline) memory(texts Texts, sh shape) (int64, error) {
	sh.steps, sh.start = 0, 0 // any number of steps takes the same
	p.needs.mu.Lock()
	defer p.needs.mu.Unlock()
	if need, ok := p.needs.bytes[sh.String()]; ok {
		return need, nil
	}
	largest, err := p.largestProgram(texts, sh)
	if err != nil || largest == 0 {
		return 0, err
	}
	_, converted := p.spec.Store.Bytes("")
	need := int64(p.workers*largest) + int64(converted) + int64(boundedTexts*p.spec.embeddingBytes())
	if p.needs.bytes == nil || len(p.needs.bytes) >= maxNeeds {
		p.needs.bytes = map[string]int64{}
	}
	p.needs.bytes[sh.String()] = need
	return need, nil
}

// largestProgram returns the bytes of the program that takes most, of those for images of a
// shape; 0 if the backend does not say.
func (p *Pipeline) largestProgram(texts Texts, sh shape) (int, error) {
	compile := []func() (*nn.Program, error){
		func() (*nn.Program, error) { return p.textProgram(texts.Prompt) },
		func() (*nn.Program, error) { return p.stepProgram(sh) },
		func() (*nn.Program, error) { return p.decodeProgram(sh.grid) },
	}
	for _, g := range sh.encoded() {
		compile = append(compile, func() (*nn.Program, error) { return p.referenceProgram(g) })
	}
	largest, known := 0, false
	for _, get := range compile {
		program, err := get()
		if err != nil {
			return 0, err
		}
		arena := program.Memory()
		known = known || arena > 0
		// Inputs and results are in memory twice: as tensors, and as the slices that they are made from or copied to.
		largest = max(largest, arena+2*(byteSize(program.Inputs())+byteSize(program.Outputs())))
	}
	if !known {
		return 0, nil
	}
	return largest, nil
}

func byteSize(list []shapes.Shape) int {
	n := 0
	for _, s := range list {
		n += s.DType.SizeForDimensions(s.Size())
	}
	return n
}

// fits reports an image that takes more than Options.Memory.
func (p *Pipeline) fits(r reflectionflow.Request, texts Texts, sh shape) error {
	if p.bound <= 0 {
		return nil
	}
	need, err := p.memory(texts, sh)
	if err == nil && need > p.bound {
		err = fmt.Errorf("%w: an image of %d×%d pixels takes %.2f GB of memory beside the mapped weights, and the bound is %.2f GB: raise the bound, or use a smaller size",
			reflectionflow.ErrInvalid, r.Width, r.Height, float64(need)/1e9, float64(p.bound)/1e9)
	}
	return err
}
