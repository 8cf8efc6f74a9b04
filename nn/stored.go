package nn

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"reflectionflow/cpu"
	"reflectionflow/weights"
)

// AddSource keeps the tensors of a source in the store without reading them, under their names below prefix: "a.weight"
// becomes "prefix.a.weight", or "a.weight" for an empty prefix. Integers, such as position ids, are left out. The source
// must stay open as long as the store is used. A [weights.View] gives the tensors the names that a network asks for.
//
// Errors are those of [weights.Find]; the store is then unchanged.
func (s *Store) AddSource(prefix string, source weights.Source) error {
	var found []*weights.Tensor
	for _, name := range source.Names() {
		info, err := source.Info(name)
		if err != nil {
			return err
		}
		if !info.Float() {
			continue
		}
		t, err := weights.Find(source, name)
		if err != nil {
			return err
		}
		found = append(found, t)
	}
	root := Scope{path: prefix}
	for _, t := range found {
		s.SetStored(root.join(t.Info().Name), t)
	}
	return nil
}

// SetStored keeps a tensor of a file under name, in the format of the file: nothing is read and no memory is taken for
// it now. A tensor of that name is replaced. Graphs see the weight in float32, and results are those of the converted
// weight, bit by bit. How it is read depends on what it is:
//
//   - F32, and matrices in BF16: in place.
//   - Other matrices (F16, fp8, GGUF's blocks, rows from several places): a product reads and converts the panel that it
//     needs next, and [Embedding] the rows of its ids, on package cpu. A backend without that gets the matrix converted
//     once, when a program first uses it: to float32, or to bfloat16 for one whose products are in bfloat16 (see
//     [OpenBackend]), which gets F32 so too.
//   - Everything else, such as biases and convolutions: converted at first use, until [Store.Release].
//
// When a program first comes to use the tensor, its values are checked: one that is not finite gives an error wrapping
// [reflectionflow.ErrInvalid] that names tensor and file. The table of an Embedding is not checked, since all of it
// would have to be read.
//
// A program that trains ([Options.Seed]) converts the weights that it updates to float32, for good, and no others.
func (s *Store) SetStored(name string, t *weights.Tensor) {
	w := &borrowed{tensor: t, shape: shapes.Make(dtypes.Float32, t.Info().Shape...)}
	if values, ok := t.Float32(); ok {
		w.flat = values
	} else if bits, ok := t.BFloat16(); ok && w.shape.Rank() == 2 {
		w.flat, w.shape.DType = bfloats16(bits), dtypes.BFloat16
	}
	s.borrow(name, w)
}

// Release gives the memory of stored weights (see [Store.SetStored]) whose names begin with prefix back to the system:
// mapped pages, and what was converted. A program that uses them later reads them again, with the same results. No
// program that uses them may be running.
func (s *Store) Release(prefix string) {
	for _, w := range s.stored(prefix) {
		w.mu.Lock()
		for at, u := range w.on {
			_, isDirect := at.backend.(lender)
			if isDirect && (w.flat != nil || w.shape.Rank() == 2) {
				continue // in place
			}
			_ = u.Finalize() //nolint:errcheck // of a backend that is finalized: nothing is left to free
			delete(w.on, at)
		}
		w.mu.Unlock()
		w.tensor.Release()
	}
}

// Bytes returns the memory of the weights whose names begin with prefix: what is mapped from files, which the system can
// take back at any time, and what is allocated, now or at first use on package cpu.
func (s *Store) Bytes(prefix string) (mapped, allocated int) {
	for _, name := range s.Names(prefix) {
		w := s.borrowed[name]
		if w != nil && w.tensor != nil {
			mapped += w.tensor.Bytes()
		}
		if w == nil || w.tensor != nil && w.flat == nil && w.shape.Rank() != 2 {
			allocated += 4 * size(s.Dims(name))
		}
	}
	return mapped, allocated
}

// stored returns the stored weights whose names begin with prefix, in the order of the names.
func (s *Store) stored(prefix string) []*borrowed {
	var list []*borrowed
	for _, name := range s.Names(prefix) {
		if w := s.borrowed[name]; w != nil && w.tensor != nil {
			list = append(list, w)
		}
	}
	return list
}

// checkOnce checks the values of the named weights that are stored and not checked yet, in parallel.
func (s *Store) checkOnce(names []string) error {
	var list []*borrowed
	for _, name := range slices.Sorted(slices.Values(names)) {
		if w := s.borrowed[name]; w != nil && w.tensor != nil {
			list = append(list, w)
		}
	}
	errs := make([]error, len(list))
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(list)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(list)); i = next.Add(1) - 1 {
				errs[i] = list[i].check()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Ready implements [cpu.Owner]: it checks the values once.
func (w *borrowed) Ready() error {
	if err := w.check(); err != nil {
		return unfitError{err}
	}
	return nil
}

// unfitError says what is wrong with a weight, within the error of an execution.
type unfitError struct{ error }

func (e unfitError) Unwrap() error { return e.error }

// check checks the values of a stored weight, once.
func (w *borrowed) check() error {
	if w.tensor == nil {
		return nil
	}
	w.checking.Lock()
	defer w.checking.Unlock()
	if w.checked {
		return nil
	}
	if err := w.tensor.CheckFinite(); err != nil {
		return err
	}
	w.checked = true
	return nil
}

// rowsOf implements [cpu.Quantized].
type rowsOf struct{ *weights.Tensor }

// Integers returns the form of the tensor's integers.
func (r rowsOf) Integers() (cpu.Integers, bool) {
	form, ok := r.Tensor.Integers()
	return cpu.Integers(form), ok
}

var (
	_ cpu.Quantized = rowsOf{}
	_ cpu.Owner     = (*borrowed)(nil)
	_ lender        = (*cpu.Backend)(nil)
)
