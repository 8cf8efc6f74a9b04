package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// builder implements [compute.Builder]. It keeps two graphs: its own nodes, which are compiled, and the shadow, the
// same graph in the fallback backend, which checks every operation and infers its shape.
type builder struct {
	backend  *Backend
	shadow   compute.Builder
	main     *function
	dynamic  bool // it has a dynamic shape: the fallback backend executes the whole shadow
	compiled bool
}

var _ compute.Builder = (*builder)(nil)

// Name returns the name of the computation.
func (b *builder) Name() string { return b.shadow.Name() }

// Main returns the main function.
func (b *builder) Main() compute.Function { return b.main }

// NewFunction starts a named function that others can call.
func (b *builder) NewFunction(name string) (compute.Function, error) {
	shadow, err := b.shadow.NewFunction(name)
	if err != nil {
		return nil, err
	}
	return newFunction(b, nil, shadow), nil
}

// OpShape returns the shape of a value.
func (b *builder) OpShape(op compute.Value) (shapes.Shape, error) {
	n, err := b.node("OpShape", op)
	if err != nil {
		return shapes.Invalid(), err
	}
	return n.shape, nil
}

// DistributedSPMD is an error for more than one device.
func (b *builder) DistributedSPMD(devices int) error { return b.shadow.DistributedSPMD(devices) }

// DistributedAutoSharding is an error.
func (b *builder) DistributedAutoSharding(meshes ...compute.Mesh) error {
	return b.shadow.DistributedAutoSharding(meshes...)
}

// DeviceAssignment accepts device 0 only.
func (b *builder) DeviceAssignment(devices ...compute.DeviceNum) error {
	if !slices.Equal(devices, []compute.DeviceNum{0}) {
		return fmt.Errorf("cpu: cannot assign devices %v: there is only device 0", devices)
	}
	return nil
}

// Compile turns the graph into kernels. The builder cannot be used afterwards.
func (b *builder) Compile() (compute.Executable, error) {
	if b.backend.finalized.Load() {
		return nil, errFinalized
	}
	if b.compiled {
		return nil, fmt.Errorf("cpu: the computation %q is already compiled", b.Name())
	}
	if b.main.outputs == nil {
		return nil, fmt.Errorf("cpu: the main function of %q has not returned", b.Name())
	}
	b.compiled = true
	if b.dynamic {
		exe, err := b.shadow.Compile()
		if err != nil {
			return nil, err
		}
		return &delegate{backend: b.backend, exe: exe}, nil
	}
	exe, err := compile(b)
	b.shadow = nil // frees its constants and nodes
	return exe, err
}

// node returns the node behind a value of this builder.
func (b *builder) node(op string, v compute.Value) (*node, error) {
	if b.compiled {
		return nil, fmt.Errorf("cpu: %s: the computation is already compiled", op)
	}
	if v == nil {
		return nil, fmt.Errorf("cpu: %s: an operand is nil", op)
	}
	n, ok := v.(*node)
	if !ok {
		return nil, fmt.Errorf("cpu: %s: an operand (%T) is from another backend", op, v)
	}
	if n.fn.builder != b {
		return nil, fmt.Errorf("cpu: %s: an operand is from another computation", op)
	}
	return n, nil
}
