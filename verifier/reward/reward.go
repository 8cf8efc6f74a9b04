// Package reward scores how well an image fits a prompt by one number, learned from pairs of a
// better and a worse image of the same prompt (Bradley–Terry, as in arXiv 1706.03741 §2.2.3): the
// probability that one is better than the other is the sigmoid of the difference of their scores.
package reward

import (
	"fmt"
	"image"
	"io/fs"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/nn"
	"reflectionflow/verifier/detect"
	"reflectionflow/verifier/internal/component"
	"reflectionflow/weights/safetensors"
)

// Config describes a reward network: its size and vocabulary. Its JSON form is the network's
// config.json.
type Config struct {
	Side       int      `json:"side"`       // of the square input, in pixels
	Patch      int      `json:"patch"`      // side of a patch in pixels; divides Side
	Width      int      `json:"width"`      // channels
	Depth      int      `json:"depth"`      // blocks over the patches
	TextDepth  int      `json:"text_depth"` // blocks over the words, which attend to the patches
	Heads      int      `json:"heads"`      // of attention; divides Width
	Hidden     int      `json:"hidden"`     // width of the blocks' middle layer
	Length     int      `json:"length"`     // tokens of a prompt; the rest is cut off
	Vocabulary []string `json:"vocabulary"` // as package clipart splits words
}

// Bounds against mistakes and hostile files.
const (
	maxSide       = 1024
	maxWidth      = 4096
	maxDepth      = 64
	maxLength     = 1024
	maxVocabulary = 1 << 16
)

// Validate reports a network that cannot be built, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c Config) Validate() error {
	sorted := slices.Sorted(slices.Values(c.Vocabulary))
	for _, bad := range []struct {
		is   bool
		what string
	}{
		{c.Side < 16 || c.Side > maxSide || c.Patch < 4 || c.Side%c.Patch != 0, fmt.Sprintf("side %d and patch %d", c.Side, c.Patch)},
		{c.Width < 1 || c.Width > maxWidth || c.Heads < 1 || c.Width%c.Heads != 0, fmt.Sprintf("width %d and heads %d", c.Width, c.Heads)},
		{c.Depth < 1 || c.Depth > maxDepth || c.TextDepth < 1 || c.TextDepth > maxDepth, fmt.Sprintf("depth %d and text_depth %d", c.Depth, c.TextDepth)},
		{c.Hidden < 1 || c.Hidden > maxWidth, fmt.Sprintf("hidden %d", c.Hidden)},
		{c.Length < 1 || c.Length > maxLength, fmt.Sprintf("length %d", c.Length)},
		{len(sorted) == 0 || len(sorted) > maxVocabulary || len(slices.Compact(sorted)) != len(c.Vocabulary), "vocabulary"},
	} {
		if bad.is {
			return fmt.Errorf("%w: reward network: %s out of range", reflectionflow.ErrInvalid, bad.what)
		}
	}
	return nil
}

// The ids before those of the vocabulary.
const (
	padID     = 0
	unknownID = 1
	firstID   = 2
)

// Words returns the word ids of texts for [Score]: [texts, Length]. Words beyond Length are cut
// off; an empty text is one unknown word.
func (c Config) Words(texts []string) []int32 {
	ids := make(map[string]int32, len(c.Vocabulary))
	for i, word := range c.Vocabulary {
		ids[word] = int32(firstID + i)
	}
	all := make([]int32, 0, len(texts)*c.Length)
	for _, text := range texts {
		row := make([]int32, c.Length)
		row[0] = unknownID
		for i, word := range clipart.Words(text) {
			if i == c.Length {
				break
			}
			row[i] = unknownID
			if id, known := ids[word]; known {
				row[i] = id
			}
		}
		all = append(all, row...)
	}
	return all
}

// Model scores images. It is safe for concurrent use.
type Model struct {
	config  Config
	program *nn.Program
}

// New returns a model with the weights below prefix in the store, which it keeps using. The error
// wraps [reflectionflow.ErrInvalid] if the weights do not fit the configuration.
func New(backend compute.Backend, config Config, store *nn.Store, prefix string) (*Model, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	inputs := []shapes.Shape{shapes.Make(dtypes.Uint8, 1, config.Side, config.Side, 3), shapes.Make(dtypes.Int32, 1, config.Length)}
	program, err := nn.Compile(backend, store, inputs, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{Score(s.In(prefix), config, nn.Images(in[0]), in[1])}, nil
	}, nn.Options{Name: prefix})
	if err != nil {
		return nil, err
	}
	return &Model{config: config, program: program}, nil
}

// prefix is the scope of a loaded model's weights in its store.
const prefix = "verifier"

// Load reads a model from the folder dir of fsys. The error wraps [reflectionflow.ErrInvalid] if
// files are missing or damaged.
func Load(backend compute.Backend, fsys fs.FS, dir string) (*Model, error) {
	var config Config
	store := nn.NewStore()
	if err := component.Read(fsys, dir, &config, store, prefix); err != nil {
		return nil, fmt.Errorf("load verifier: %w", err)
	}
	m, err := New(backend, config, store, prefix)
	if err != nil {
		return nil, fmt.Errorf("load verifier: %w", err)
	}
	return m, nil
}

// Save writes a model's folder: its configuration, and the weights below prefix in the store
// rounded to dtype.
func Save(dir string, config Config, store *nn.Store, prefix string, dtype safetensors.DType) error {
	if err := config.Validate(); err != nil {
		return fmt.Errorf("save verifier: %w", err)
	}
	if err := component.Write(dir, config, store, prefix, dtype); err != nil {
		return fmt.Errorf("save verifier: %w", err)
	}
	return nil
}

// Close frees the compiled network.
func (m *Model) Close() error {
	m.program.Close()
	return nil
}

// Score scores how well the image fits the text. Only differences between images of one text are
// meaningful. An image that is nil or empty gives an error wrapping [reflectionflow.ErrInvalid].
func (m *Model) Score(text string, img image.Image) (float64, error) {
	c := m.config
	pixels, err := detect.Pixels(img, c.Side)
	if err != nil {
		return 0, err
	}
	out, err := m.program.Run(
		tensors.FromFlatDataAndDimensions(pixels, 1, c.Side, c.Side, 3),
		tensors.FromFlatDataAndDimensions(c.Words([]string{text}), 1, c.Length))
	if err != nil {
		return 0, err
	}
	values, err := tensors.CopyFlatData[float32](out[0])
	if err != nil {
		return 0, fmt.Errorf("read the verifier's output: %w", err)
	}
	return float64(values[0]), nil
}
