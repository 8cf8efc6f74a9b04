// Package clip says how well images fit texts: CLIP, SigLIP and SigLIP 2 from Hugging Face folders.
//
//	model, err := clip.Open(ctx, "clip-vit-large-patch14", clip.Options{})
//	defer model.Close()
//	images, err := model.Images(ctx, []image.Image{photo})
//	texts, err := model.Texts(ctx, []string{"a photo of a cat", "a photo of a dog"})
//	fits := model.Logit(images[0], texts[0])
//
// Images and texts become vectors of length 1. Their product is the similarity. The numbers equal those
// of transformers, resizing and tokens included.
package clip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/internal/pixels"
	"reflectionflow/nn"
	"reflectionflow/tokenizer"
	"reflectionflow/vision/internal/checkpoint"
	"reflectionflow/vision/internal/tower"
)

// Options say how a model computes.
type Options struct {
	// Backend is what the networks compute on: empty for the CPU, "cpu:bf16" or "cpu:int8" for another precision, or "xla:PLUGIN" in programs built with
	// -tags xla.
	Backend string
	// Family is the kind of network to expect; empty for any.
	Family Family
}

// Model is a pair of networks, for images and for texts. It is safe for concurrent use.
type Model struct {
	family    Family
	config    config
	processor pixels.Processor
	notes     []string
	tokens    *tokenizer.Tokenizer
	// firstSigLIP is set for the texts of SigLIP's first version.
	firstSigLIP bool
	padLeft     bool // as tokenizer_config.json says; only SigLIP's texts depend on it
	backend     compute.Backend
	store       *nn.Store
	close       func() error // the weights' file

	scale, bias float64 // of logits
	images      tower.Program

	mu    sync.Mutex
	texts map[int]tower.Program // by length in tokens
	known map[string][]float32  // embeddings of texts
}

// maxKnown bounds the texts whose embeddings are kept.
const maxKnown = 4096

// Open reads a folder and compiles its networks. Weights are used where they lie in
// the file, as they are stored. A folder of another model, files that are missing or damaged, and weights that are not finite give an
// error wrapping [reflectionflow.ErrInvalid].
func Open(ctx context.Context, path string, o Options) (*Model, error) {
	types := []string{string(CLIP), string(SigLIP)}
	if o.Family != "" {
		types = []string{string(o.Family)}
	}
	folder, err := checkpoint.Open(path, types...)
	if err != nil {
		return nil, fmt.Errorf("open image-text model: %w", err)
	}
	m := &Model{family: Family(folder.Kind), texts: map[int]tower.Program{}, known: map[string][]float32{}}
	if err := m.open(ctx, folder, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open image-text model: %w", err), m.Close())
	}
	return m, nil
}

func (m *Model) open(ctx context.Context, folder *checkpoint.Folder, o Options) error {
	if err := m.read(folder); err != nil {
		return folder.Invalid(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	if m.store, m.close, err = folder.Weights(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.backend, err = nn.OpenBackend(o.Backend); err != nil {
		return err
	}
	if err := m.compile(); err != nil {
		return folder.Invalid(err)
	}
	return nil
}

// read reads all but the weights.
func (m *Model) read(folder *checkpoint.Folder) error {
	m.config = defaults(m.family)
	if err := folder.Config(&m.config); err != nil {
		return err
	}
	if err := m.config.validate(m.family); err != nil {
		return err
	}
	side := m.config.Vision.Side
	m.processor = pixels.CLIP(side)
	if m.family == SigLIP {
		m.processor = pixels.SigLIP(side, pixels.Bicubic)
	}
	found, err := m.processor.Read(folder.FS)
	if err == nil {
		err = m.processor.Check(side)
	}
	if err != nil {
		return err
	}
	if !found {
		m.notes = append(m.notes, fmt.Sprintf("there is no %s: images are prepared by the defaults of %s", pixels.File, m.family))
	}
	return m.readTokenizer(folder.FS)
}

func (m *Model) readTokenizer(fsys fs.FS) error {
	var err error
	if m.tokens, err = tokenizer.OpenFolder(fsys, "."); err != nil {
		return err
	}
	var side struct {
		Padding string `json:"padding_side"`
	}
	if text, err := checkpoint.ReadFile(fsys, "tokenizer_config.json", 64<<20); err == nil {
		if err := json.Unmarshal(text, &side); err != nil {
			return fmt.Errorf("%w: tokenizer_config.json: %w", reflectionflow.ErrInvalid, err)
		}
	}
	m.padLeft = m.family == SigLIP && side.Padding == "left"
	_, err = fs.Stat(fsys, "spiece.model")
	m.firstSigLIP = m.family == SigLIP && err == nil
	if n := m.tokens.Size(); n > m.config.Text.Vocabulary {
		return fmt.Errorf("%w: the tokenizer has %d tokens and the network %d", reflectionflow.ErrInvalid, n, m.config.Text.Vocabulary)
	}
	if _, ok := m.tokens.Pad(); !ok && m.family == SigLIP {
		return fmt.Errorf("%w: the tokenizer has no pad_token: tokenizer_config.json must name it", reflectionflow.ErrInvalid)
	}
	return nil
}

func (m *Model) compile() error {
	scalar := func(name string) (float64, error) {
		values, err := m.store.Values(name)
		if err != nil || len(values) != 1 {
			return 0, fmt.Errorf("%w: weight %q is missing or no single number", reflectionflow.ErrInvalid, name)
		}
		return float64(values[0]), nil
	}
	scale, err := scalar("logit_scale")
	if err != nil {
		return err
	}
	m.scale = math.Exp(scale)
	if m.family == SigLIP {
		if m.bias, err = scalar("logit_bias"); err != nil {
			return err
		}
	}
	v := m.config.Vision
	m.images.Lanes = tower.Lanes(m.backend, v.Patches())
	in := []shapes.Shape{shapes.Make(dtypes.Float32, m.images.Lanes, v.Patches(), v.PatchValues())}
	m.images.Program, err = nn.Compile(m.backend, m.store, in, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{m.config.image(s, m.family, in[0])}, nil
	}, nn.Options{Name: "images"})
	if err != nil {
		return err
	}
	_, err = m.textProgram(m.config.Text.Positions) // finds weights that are missing
	return err
}

// textProgram is the program for texts of a length in tokens.
func (m *Model) textProgram(length int) (tower.Program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.texts[length]; ok {
		return p, nil
	}
	lanes := tower.Lanes(m.backend, length)
	in := []shapes.Shape{shapes.Make(dtypes.Int32, lanes, length), shapes.Make(dtypes.Int32, lanes)}
	p, err := nn.Compile(m.backend, m.store, in, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{m.config.text(s, m.family, in[0], in[1])}, nil
	}, nn.Options{Name: "texts"})
	if err != nil {
		return tower.Program{}, err
	}
	m.texts[length] = tower.Program{Program: p, Lanes: lanes}
	return m.texts[length], nil
}

// Close frees the networks. No other call may run or follow.
func (m *Model) Close() error {
	if m.images.Program != nil {
		m.images.Close()
	}
	for _, p := range m.texts {
		p.Close()
	}
	if m.backend != nil {
		m.backend.Finalize()
	}
	if m.close != nil {
		return m.close()
	}
	return nil
}

// Family returns the kind of network.
func (m *Model) Family() Family { return m.family }

// Width returns the length of the vectors.
func (m *Model) Width() int { return m.config.width(m.family) }

// Notes says, for people, what was assumed because the folder lacks files.
func (m *Model) Notes() []string { return m.notes }

// Logit is what the network was trained on: the similarity of two vectors, scaled. The softmax of CLIP's logits over
// texts says which of them fits best. The sigmoid of SigLIP's is the probability that image and text belong together.
func (m *Model) Logit(image, text []float32) float64 { return m.scale*Cosine(image, text) + m.bias }

// Cosine is the product of two vectors of length 1, their similarity in [-1, 1].
func Cosine(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// Mean is the mean direction of vectors, of length 1: that of several wordings stands for what they have in common.
func Mean(vectors [][]float32) []float32 {
	total, square := make([]float32, len(vectors[0])), 0.0
	for _, v := range vectors {
		for i := range v {
			total[i] += v[i]
		}
	}
	for _, x := range total {
		square += float64(x) * float64(x)
	}
	length := float32(max(math.Sqrt(square), 1e-12))
	for i := range total {
		total[i] /= length
	}
	return total
}

// Images returns a vector per image, in order. An image that is nil or empty gives an error wrapping
// [reflectionflow.ErrInvalid].
func (m *Model) Images(ctx context.Context, images []image.Image) ([][]float32, error) {
	v, width := m.config.Vision, m.Width()
	found := make([][]float32, len(images))
	size := v.Patches() * v.PatchValues()
	input := func(first, end int) ([]*tensors.Tensor, error) {
		all := make([]float32, m.images.Lanes*size)
		for i := first; i < end; i++ {
			values, _, err := m.processor.Pixels(images[i])
			if err != nil {
				return nil, fmt.Errorf("image %d: %w", i+1, err)
			}
			copy(all[(i-first)*size:], v.Cut(values))
		}
		return []*tensors.Tensor{tensors.FromFlatDataAndDimensions(all, m.images.Lanes, v.Patches(), v.PatchValues())}, nil
	}
	err := m.images.RunAll(ctx, len(images), input, func(first, end int, out [][]float32) {
		for i := first; i < end; i++ {
			found[i] = out[0][(i-first)*width:][:width:width]
		}
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Fits reports whether the network reads the whole text: longer ones are cut off.
func (m *Model) Fits(text string) bool {
	_, truncated := m.tokens.Encode(m.prepared(text), m.config.Text.Positions)
	return !truncated
}

// prepared is the text as the tokenizer takes it. SigLIP's training lowered the case; that of the first version also
// dropped ASCII punctuation.
func (m *Model) prepared(text string) string {
	if m.family == CLIP {
		return text
	}
	text = strings.ToLower(text)
	if m.firstSigLIP {
		text = strings.Map(func(r rune) rune {
			if r < utf8.RuneSelf && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
				return -1
			}
			return r
		}, text)
	}
	return text
}
