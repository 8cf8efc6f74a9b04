package cpu

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// fallbackCounter counts operations that the fallback backend executed.
type fallbackCounter struct {
	byOp [compute.OpTypeLast]atomic.Int64
}

func (c *fallbackCounter) add(op compute.OpType) { c.byOp[op].Add(1) }

func (c *fallbackCounter) counts() map[compute.OpType]int64 {
	m := make(map[compute.OpType]int64)
	for op := range c.byOp {
		if n := c.byOp[op].Load(); n > 0 {
			m[compute.OpType(op)] = n
		}
	}
	return m
}

// delegate is an executable that runs as a whole on the fallback backend: a graph with dynamic shapes.
type delegate struct {
	backend *Backend
	exe     compute.Executable
}

// Finalize frees the executable.
func (d *delegate) Finalize() { d.exe.Finalize() }

// Inputs returns the names and shapes of the parameters.
func (d *delegate) Inputs() ([]string, []shapes.Shape) { return d.exe.Inputs() }

// Outputs returns the shapes of the results.
func (d *delegate) Outputs() []shapes.Shape { return d.exe.Outputs() }

// Execute copies the inputs to the fallback backend, runs the graph there and copies the results back.
func (d *delegate) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	own, err := d.backend.ownBuffers(inputs)
	if err != nil {
		return nil, err
	}
	d.backend.counter.add(compute.OpTypeDynamicShape)
	in := make([]compute.Buffer, len(own))
	for i, u := range own {
		raw := u.bytes
		if u.rows != nil {
			values := make([]float32, u.shape.Size())
			if err := u.ToFlatData(values); err != nil {
				return nil, err
			}
			raw = dtypes.UnsafeByteSliceFromAny(values)
		}
		if in[i], err = d.backend.export(raw, u.shape); err != nil {
			return nil, err
		}
	}
	out, err := d.exe.Execute(in, slices.Repeat([]bool{true}, len(in)), device)
	if err != nil {
		return nil, err
	}
	results := make([]compute.Buffer, len(out))
	for i, o := range out {
		shape, err := o.Shape()
		if err != nil {
			return nil, err
		}
		u := d.backend.newBuffer(shape)
		if err := takeBack(u.bytes, o); err != nil {
			return nil, err
		}
		results[i] = u
	}
	return results, finalizeDonated(own, donate)
}

// export copies bytes into a buffer of the fallback backend.
func (b *Backend) export(raw []byte, shape shapes.Shape) (compute.Buffer, error) {
	u, flat, err := b.oracle.NewSharedBuffer(0, shape)
	if err != nil {
		return nil, err
	}
	copy(dtypes.UnsafeByteSliceFromAny(flat), raw)
	return u, nil
}

// takeBack copies a buffer of the fallback backend into dst and frees it.
func takeBack(dst []byte, u compute.Buffer) error {
	flat, err := u.Data()
	if err != nil {
		return err
	}
	copy(dst, dtypes.UnsafeByteSliceFromAny(flat))
	return u.Finalize()
}

// ownBuffers checks that all buffers are alive and from this backend.
func (b *Backend) ownBuffers(inputs []compute.Buffer) ([]*buffer, error) {
	if b.finalized.Load() {
		return nil, errFinalized
	}
	own := make([]*buffer, len(inputs))
	for i, in := range inputs {
		u, ok := in.(*buffer)
		if !ok || u == nil {
			return nil, fmt.Errorf("cpu: execute: input %d (%T) is not a buffer of this backend", i, in)
		}
		if u.backend != b {
			return nil, fmt.Errorf("cpu: execute: input %d is a buffer of another instance of the backend", i)
		}
		if err := u.alive(); err != nil {
			return nil, fmt.Errorf("cpu: execute: input %d: %w", i, err)
		}
		own[i] = u
	}
	return own, nil
}

func finalizeDonated(inputs []*buffer, donate []bool) error {
	for i, u := range inputs {
		if i < len(donate) && donate[i] && !u.dead.Load() {
			if err := u.Finalize(); err != nil {
				return err
			}
		}
	}
	return nil
}
