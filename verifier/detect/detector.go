package detect

import (
	"context"
	"fmt"
	"image"
	"io/fs"
	"strconv"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/nn"
	"reflectionflow/verifier/internal/component"
	"reflectionflow/weights/safetensors"
)

func digits(i int) string { return strconv.Itoa(i) }

// Detector detects the objects of images. It is safe for concurrent use.
type Detector struct {
	config  Config
	program *nn.Program
}

// New returns a detector with the weights below prefix in the store, which it keeps using. The
// error wraps [reflectionflow.ErrInvalid] if the weights do not fit the configuration.
func New(backend compute.Backend, config Config, store *nn.Store, prefix string) (*Detector, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	// One image per execution: its detections cannot depend on other images.
	inputs := []shapes.Shape{shapes.Make(dtypes.Uint8, 1, config.Side, config.Side, 3)}
	program, err := nn.Compile(backend, store, inputs, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		p := predict(s.In(prefix), config, nn.Images(in[0]))
		return []*graph.Node{p.presence, p.box, p.class, p.color}, nil
	}, nn.Options{Name: prefix})
	if err != nil {
		return nil, err
	}
	return &Detector{config: config, program: program}, nil
}

// prefix is the scope of a loaded detector's weights in its store.
const prefix = "detector"

// Load reads a detector from the folder dir of a model. The error wraps
// [reflectionflow.ErrInvalid] if files are missing or damaged.
func Load(backend compute.Backend, fsys fs.FS, dir string) (*Detector, error) {
	var config Config
	store := nn.NewStore()
	if err := component.Read(fsys, dir, &config, store, prefix); err != nil {
		return nil, fmt.Errorf("load detector: %w", err)
	}
	d, err := New(backend, config, store, prefix)
	if err != nil {
		return nil, fmt.Errorf("load detector: %w", err)
	}
	return d, nil
}

// Save writes a detector's folder: its configuration, and the weights below prefix in the store
// rounded to dtype.
func Save(dir string, config Config, store *nn.Store, prefix string, dtype safetensors.DType) error {
	if err := config.Validate(); err != nil {
		return fmt.Errorf("save detector: %w", err)
	}
	if err := component.Write(dir, config, store, prefix, dtype); err != nil {
		return fmt.Errorf("save detector: %w", err)
	}
	return nil
}

// Config returns the configuration with classes, colors and thresholds.
func (d *Detector) Config() Config { return d.config }

// Close frees the compiled network.
func (d *Detector) Close() error {
	d.program.Close()
	return nil
}

// Read returns the possible objects of an image in order of presence. An image that is nil or
// empty gives an error wrapping [reflectionflow.ErrInvalid].
func (d *Detector) Read(img image.Image) ([]Detection, error) {
	pixels, err := Pixels(img, d.config.Side)
	if err != nil {
		return nil, err
	}
	input := tensors.FromFlatDataAndDimensions(pixels, 1, d.config.Side, d.config.Side, 3)
	out, err := d.program.Run(input)
	if err != nil {
		return nil, err
	}
	var r raw
	for i, into := range []*[]float32{&r.presence, &r.box, &r.class, &r.color} {
		if *into, err = tensors.CopyFlatData[float32](out[i]); err != nil {
			return nil, fmt.Errorf("read the detector's output: %w", err)
		}
	}
	return decode(d.config, r), nil
}

// Detect returns the objects of each image, in order, as [Config.Objects] does. An image that is
// nil or empty gives an error wrapping [reflectionflow.ErrInvalid]. ctx follows the rules of
// [reflectionflow.Verifier].
func (d *Detector) Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found := make([][]reflectionflow.Object, len(images))
	err := ForEach(ctx, len(images), func(i int) error {
		detections, err := d.Read(images[i])
		found[i] = d.config.Objects(detections)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
