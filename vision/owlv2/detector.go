// Package owlv2 finds objects that any phrase names: OWLv2 (arXiv 2306.09683) from Hugging Face folders.
//
//	detector, err := owlv2.Open(ctx, "owlv2-base-patch16-ensemble", owlv2.Options{})
//	defer detector.Close()
//	found, err := detector.Detect(ctx, []image.Image{photo}, []string{"dog", "red sofa"})
//
// found[0] lists the objects in the photo: their phrase, box and confidence. Logits and boxes equal those of
// transformers, resizing and tokens included.
package owlv2

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/internal/pixels"
	"reflectionflow/nn"
	"reflectionflow/tokenizer"
	"reflectionflow/vision/detection"
	"reflectionflow/vision/internal/checkpoint"
	"reflectionflow/vision/internal/tower"
)

// Options say how a detector computes and what it lists. The defaults are a threshold of 0.2 and an overlap
// of 0.5. The network's confidences are low: 0.1 to 0.3 are usual thresholds. The limit is per image and phrase.
type Options = detection.Options

// Detector finds objects in images. It is safe for concurrent use.
type Detector struct {
	options   Options
	config    config
	processor pixels.Processor
	notes     []string
	tokens    *tokenizer.Tokenizer
	backend   compute.Backend
	store     *nn.Store
	close     func() error // the weights' file

	images, texts tower.Program

	mu    sync.Mutex
	known map[string][]float32 // vectors of phrases
}

// maxKnown bounds the phrases whose vectors are kept.
const maxKnown = 4096

// Open reads a folder and compiles its networks. Weights are used where they lie in
// the file, as they are stored. A folder of another model, files that are missing or damaged, weights that are not finite, and options
// out of range give an error wrapping [reflectionflow.ErrInvalid].
func Open(ctx context.Context, path string, o Options) (*Detector, error) {
	o, err := o.Resolve("open-vocabulary detector", 0.2, 0.5)
	if err != nil {
		return nil, err
	}
	folder, err := checkpoint.Open(path, "owlv2")
	if err != nil {
		return nil, fmt.Errorf("open OWLv2: %w", err)
	}
	d := &Detector{options: o, known: map[string][]float32{}}
	if err := d.open(ctx, folder); err != nil {
		return nil, errors.Join(fmt.Errorf("open OWLv2: %w", err), d.Close())
	}
	return d, nil
}

func (d *Detector) open(ctx context.Context, folder *checkpoint.Folder) error {
	if err := d.read(folder); err != nil {
		return folder.Invalid(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	if d.store, d.close, err = folder.Weights(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.backend, err = nn.OpenBackend(d.options.Backend); err != nil {
		return err
	}
	if err := d.compile(); err != nil {
		return folder.Invalid(err)
	}
	return nil
}

// read reads all but the weights.
func (d *Detector) read(folder *checkpoint.Folder) error {
	d.config = defaults()
	if err := folder.Config(&d.config); err != nil {
		return err
	}
	if err := d.config.validate(); err != nil {
		return err
	}
	side := d.config.Vision.Side
	d.processor = pixels.OWLv2(side)
	found, err := d.processor.Read(folder.FS)
	if err == nil {
		err = d.processor.Check(side)
	}
	if err != nil {
		return err
	}
	if !found {
		d.notes = append(d.notes, fmt.Sprintf("there is no %s: images are prepared by the defaults of OWLv2", pixels.File))
	}
	return d.readTokenizer(folder.FS)
}

func (d *Detector) readTokenizer(fsys fs.FS) (err error) {
	if d.tokens, err = tokenizer.OpenFolder(fsys, "."); err != nil {
		return err
	}
	if n := d.tokens.Size(); n > d.config.Text.Vocabulary {
		return fmt.Errorf("%w: the tokenizer has %d tokens and the network %d", reflectionflow.ErrInvalid, n, d.config.Text.Vocabulary)
	}
	return nil
}

func (d *Detector) compile() error {
	v, t := d.config.Vision, d.config.Text
	d.images.Lanes, d.texts.Lanes = tower.Lanes(d.backend, v.Patches()), tower.Lanes(d.backend, t.Positions)
	var err error
	d.images.Program, err = nn.Compile(d.backend, d.store, []shapes.Shape{shapes.Make(dtypes.Float32, d.images.Lanes, v.Patches(), v.PatchValues())},
		func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			return d.config.image(s, in[0])[:4], nil // the logits of "something" have no use here
		}, nn.Options{Name: "images"})
	if err != nil {
		return err
	}
	d.texts.Program, err = nn.Compile(d.backend, d.store, []shapes.Shape{shapes.Make(dtypes.Int32, d.texts.Lanes, t.Positions), shapes.Make(dtypes.Int32, d.texts.Lanes)},
		func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			return []*graph.Node{d.config.text(s, in[0], in[1])}, nil
		}, nn.Options{Name: "texts"})
	return err
}

// Close frees the networks. No other call may run or follow.
func (d *Detector) Close() error {
	for _, p := range []*nn.Program{d.images.Program, d.texts.Program} {
		if p != nil {
			p.Close()
		}
	}
	if d.backend != nil {
		d.backend.Finalize()
	}
	if d.close != nil {
		return d.close()
	}
	return nil
}

// Notes says, for people, what was assumed because the folder lacks files.
func (d *Detector) Notes() []string { return d.notes }

// Fits reports whether the network can read a phrase: it reads some 12 words.
func (d *Detector) Fits(phrase string) bool {
	_, truncated := d.tokens.Encode(d.prompt(phrase), d.config.Text.Positions)
	return !truncated && strings.TrimSpace(phrase) != ""
}

// prompt is how the network is asked for a phrase, in the words of its paper.
func (d *Detector) prompt(phrase string) string { return "a photo of a " + phrase }

// Detect returns the objects of each image in order, for one phrase after the other and the most confident first. An
// object's class is its phrase, and its color is empty. An image that is nil or empty, and a phrase for which Fits is
// false, give an error wrapping [reflectionflow.ErrInvalid].
func (d *Detector) Detect(ctx context.Context, images []image.Image, phrases []string) ([][]reflectionflow.Object, error) {
	vectors, err := d.vectors(ctx, phrases)
	if err != nil {
		return nil, err
	}
	found := make([][]reflectionflow.Object, len(images))
	err = d.look(ctx, images, func(i int, s seen) {
		for k, phrase := range phrases {
			found[i] = append(found[i], s.objects(phrase, vectors[k], images[i].Bounds().Size(), d.options)...)
		}
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// look runs the image network.
func (d *Detector) look(ctx context.Context, images []image.Image, keep func(i int, s seen)) error {
	v := d.config.Vision
	size := v.Patches() * v.PatchValues()
	input := func(first, end int) ([]*tensors.Tensor, error) {
		all := make([]float32, d.images.Lanes*size)
		for i := first; i < end; i++ {
			values, err := d.processor.Padded(images[i])
			if err != nil {
				return nil, fmt.Errorf("image %d: %w", i+1, err)
			}
			copy(all[(i-first)*size:], v.Cut(values))
		}
		return []*tensors.Tensor{tensors.FromFlatDataAndDimensions(all, d.images.Lanes, v.Patches(), v.PatchValues())}, nil
	}
	return d.images.RunAll(ctx, len(images), input, func(first, end int, out [][]float32) {
		lane := func(values []float32, i int) []float32 {
			n := len(values) / d.images.Lanes
			return values[(i-first)*n:][:n]
		}
		for i := first; i < end; i++ {
			keep(i, seen{classes: lane(out[0], i), shifts: lane(out[1], i), scale: lane(out[2], i), boxes: lane(out[3], i)})
		}
	})
}

// vectors returns the vectors of phrases.
func (d *Detector) vectors(ctx context.Context, phrases []string) ([][]float32, error) {
	found := make([][]float32, len(phrases))
	var fresh []int
	d.mu.Lock()
	for i, p := range phrases {
		if found[i] = d.known[p]; found[i] == nil {
			fresh = append(fresh, i)
		}
	}
	d.mu.Unlock()
	for _, i := range fresh {
		if !d.Fits(phrases[i]) {
			return nil, fmt.Errorf("%w: the detector cannot look for %q: use a phrase of 1 to some 12 words", reflectionflow.ErrInvalid, phrases[i])
		}
	}
	length := d.config.Text.Positions
	input := func(first, end int) ([]*tensors.Tensor, error) {
		ids, last := make([]int32, d.texts.Lanes*length), make([]int32, d.texts.Lanes)
		for k, i := range fresh[first:end] {
			tokens, _ := d.tokens.Encode(d.prompt(phrases[i]), length)
			copy(ids[k*length:], tokens)
			last[k] = int32(max(len(tokens)-1, 0))
		}
		return []*tensors.Tensor{tensors.FromFlatDataAndDimensions(ids, d.texts.Lanes, length), tensors.FromFlatDataAndDimensions(last, d.texts.Lanes)}, nil
	}
	err := d.texts.RunAll(ctx, len(fresh), input, func(first, end int, out [][]float32) {
		for k, i := range fresh[first:end] {
			found[i] = out[0][k*d.config.Projection:][:d.config.Projection:d.config.Projection]
		}
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known)+len(fresh) > maxKnown {
		clear(d.known)
	}
	for _, i := range fresh {
		d.known[phrases[i]] = found[i]
	}
	return found, nil
}
