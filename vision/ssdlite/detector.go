// Package ssdlite detects objects in photographs: SSDLite on MobileNetV2 (arXiv 1801.04381), trained
// on COCO's 80 classes. The weights are embedded (package models/coco).
//
//	detector, err := ssdlite.Open(ctx, ssdlite.Options{})
//	defer detector.Close()
//	found, err := detector.Detect(ctx, []image.Image{photo})
//
// found[0] lists the objects of the photo: class, box and confidence. [Classes] are the classes. The
// network reads 300×300 pixels, so it misses small objects and crowds: COCO's mean average
// precision is 22%.
package ssdlite

import (
	"context"
	"fmt"
	"image"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/models/coco"
	"reflectionflow/nn"
	"reflectionflow/vision/detection"
	"reflectionflow/weights/safetensors"
)

// Options say how a detector computes and what it lists. The defaults are a threshold of 0.5 and an overlap
// of 0.6, as in the configuration of the training. The limit is per image.
type Options = detection.Options

// Detector detects the objects of photographs. It is safe for concurrent use.
type Detector struct {
	options Options
	anchors []anchor
	program *nn.Program
	close   func()
}

// Open compiles the network with the embedded weights. A detector takes about 25 MB of memory, and as
// much again for each image that it works on at once. Options out of range give an error wrapping
// [reflectionflow.ErrInvalid].
func Open(ctx context.Context, o Options) (*Detector, error) {
	o, err := o.Resolve("photo detector", 0.5, 0.6)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	backend, err := nn.OpenBackend(o.Backend)
	if err != nil {
		return nil, fmt.Errorf("open photo detector: %w", err)
	}
	d, err := open(backend, o)
	if err != nil {
		backend.Finalize()
		return nil, fmt.Errorf("open photo detector: %w", err)
	}
	d.close = backend.Finalize
	return d, nil
}

func open(backend compute.Backend, o Options) (*Detector, error) {
	store, err := weights()
	if err != nil {
		return nil, err
	}
	// One image per execution: its detections cannot depend on other images.
	inputs := []shapes.Shape{shapes.Make(dtypes.Float32, 1, side, side, 3)}
	program, err := nn.Compile(backend, store, inputs, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		logits, boxes := predict(s, in[0])
		return []*graph.Node{logits, boxes}, nil
	}, nn.Options{Name: "ssdlite"})
	if err != nil {
		return nil, err
	}
	return &Detector{options: o, anchors: anchors(), program: program}, nil
}

// weights returns the embedded weights in float32.
func weights() (*nn.Store, error) {
	file, err := safetensors.FromBytes(coco.Name, coco.Weights)
	if err != nil {
		return nil, err
	}
	store := nn.NewStore()
	for _, name := range file.Names() {
		info, err := file.Info(name)
		if err != nil {
			return nil, err
		}
		values, err := file.Float32(name)
		if err != nil {
			return nil, err
		}
		store.SetInPlace(name, values, info.Shape...)
	}
	return store, file.Close()
}

// Close frees the network. No Detect may run or follow.
func (d *Detector) Close() error {
	d.program.Close()
	if d.close != nil {
		d.close()
	}
	return nil
}

// Detect returns the objects of each image in order, the most confident first; an object's class is one
// of [Classes], and its color is empty. Images may have any size and color model: they are stretched
// to a square, deep colors are cut to 8 bits, transparent ones lie over white. An image that is nil
// or empty gives an error wrapping [reflectionflow.ErrInvalid]. ctx follows the rules of
// [reflectionflow.Verifier].
func (d *Detector) Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found, errs := make([][]reflectionflow.Object, len(images)), make([]error, len(images))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(len(images), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(images) {
					return
				}
				found[i], errs[i] = d.detect(images[i])
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("detect objects in image %d: %w", i+1, err)
		}
	}
	return found, nil
}

func (d *Detector) detect(img image.Image) ([]reflectionflow.Object, error) {
	out, err := d.run(img)
	if err != nil {
		return nil, err
	}
	return out.objects(d.anchors, d.options), nil
}

// run executes the network on one image.
func (d *Detector) run(img image.Image) (output, error) {
	values, err := stretched(img)
	if err != nil {
		return output{}, err
	}
	results, err := d.program.Run(tensors.FromFlatDataAndDimensions(values, 1, side, side, 3))
	if err != nil {
		return output{}, err
	}
	var out output
	for i, into := range []*[]float32{&out.logits, &out.codes} {
		if *into, err = tensors.CopyFlatData[float32](results[i]); err != nil {
			return output{}, fmt.Errorf("read the network's output: %w", err)
		}
	}
	return out, nil
}
