package weights

import (
	"fmt"
	"maps"
	"slices"

	"reflectionflow"
)

// Cut is a part of a tensor: the indices from Begin to before End of its outermost
// dimension, or all of them if End is 0. Of a vector these are elements.
type Cut struct {
	From       string
	Begin, End int
}

// View is a Source with other names: each of its tensors consists of cuts of another
// Source's tensors, one below the other. It copies no data.
type View struct {
	source  Source
	tensors map[string]viewed
	names   []string
}

type viewed struct {
	info Info
	cuts []Cut // with End set
}

// NewView returns a view with the given tensors. Cuts that are outside their tensor, or
// do not fit one another, give an error wrapping [reflectionflow.ErrInvalid].
func NewView(source Source, tensors map[string][]Cut) (*View, error) {
	v := &View{source: source, tensors: make(map[string]viewed, len(tensors)), names: slices.Sorted(maps.Keys(tensors))}
	for _, name := range v.names {
		t, err := join(source, name, tensors[name])
		if err != nil {
			return nil, err
		}
		v.tensors[name] = t
	}
	return v, nil
}

// join checks the cuts of one tensor.
func join(source Source, name string, cuts []Cut) (viewed, error) {
	if len(cuts) == 0 {
		return viewed{}, fmt.Errorf("%w: tensor %q of the view has no cuts", reflectionflow.ErrInvalid, name)
	}
	t := viewed{info: Info{Name: name}, cuts: slices.Clone(cuts)}
	total := 0
	for i := range t.cuts {
		cut := &t.cuts[i]
		info, err := source.Info(cut.From)
		if err != nil {
			return viewed{}, err
		}
		if len(info.Shape) == 0 { // a scalar cannot be cut
			info.Shape = []int{1}
		}
		if cut.End == 0 {
			cut.End = info.Shape[0]
		}
		if cut.Begin < 0 || cut.Begin > cut.End || cut.End > info.Shape[0] {
			return viewed{}, fmt.Errorf("%w: tensor %q has shape %v: the rows %d to %d that %q needs are not there", reflectionflow.ErrInvalid, cut.From, info.Shape, cut.Begin, cut.End, name)
		}
		if i > 0 && (!slices.Equal(info.Shape[1:], t.info.Shape[1:]) || info.Type != t.info.Type) {
			return viewed{}, fmt.Errorf("%w: tensor %q of %s %v does not fit %q of %s %v", reflectionflow.ErrInvalid, cut.From, info.Type, info.Shape, cuts[0].From, t.info.Type, t.info.Shape)
		}
		total += cut.End - cut.Begin
		if i == 0 {
			t.info.Type, t.info.Shape = info.Type, slices.Clone(info.Shape)
		}
	}
	t.info.Shape[0] = total
	return t, nil
}

// Reshape gives a tensor of the view other dimensions of the same number of elements, of
// which the outermost is unchanged: a matrix for a 1×1 convolution. Another shape gives an
// error wrapping [reflectionflow.ErrInvalid].
func (v *View) Reshape(name string, shape ...int) error {
	info, err := v.Info(name)
	if err != nil {
		return err
	}
	if len(shape) < 2 || len(info.Shape) < 2 || shape[0] != info.Shape[0] || (Info{Shape: shape}).Elements() != info.Elements() {
		return fmt.Errorf("%w: tensor %q of shape %v cannot be read as %v", reflectionflow.ErrInvalid, name, info.Shape, shape)
	}
	t := v.tensors[name]
	t.info.Shape = slices.Clone(shape)
	v.tensors[name] = t
	return nil
}

// Names implements [Source].
func (v *View) Names() []string { return slices.Clone(v.names) }

// Info implements [Source].
func (v *View) Info(name string) (Info, error) {
	t, ok := v.tensors[name]
	if !ok {
		return Info{}, fmt.Errorf("%w: there is no tensor %q", reflectionflow.ErrInvalid, name)
	}
	info := t.info
	info.Shape = slices.Clone(info.Shape)
	return info, nil
}

func (v *View) find(name string) (*Tensor, error) {
	info, err := v.Info(name)
	if err != nil {
		return nil, err
	}
	t := &Tensor{info: info}
	for _, cut := range v.tensors[name].cuts {
		from, err := Find(v.source, cut.From)
		if err != nil {
			return nil, err
		}
		t.width = from.width
		t.parts = append(t.parts, from.cut(cut.Begin, cut.End)...)
	}
	return t, nil
}

// ReadRows implements [Source].
func (v *View) ReadRows(dst []float32, name string, row int) error {
	info, err := v.Info(name)
	if err != nil {
		return err
	}
	length, rows := info.RowLength(), info.Rows()
	if row < 0 || row > rows || length == 0 && len(dst) > 0 || length > 0 && (len(dst)%length != 0 || len(dst)/length > rows-row) {
		return fmt.Errorf("%w: tensor %q has %d rows of %d elements: %d elements from row %d on cannot be read", reflectionflow.ErrInvalid, name, rows, length, len(dst), row)
	}
	cuts := v.tensors[name].cuts
	if len(info.Shape) == 1 {
		return v.readVector(dst, cuts)
	}
	for _, cut := range cuts {
		n := cut.End - cut.Begin
		if row >= n {
			row -= n
			continue
		}
		take := min(len(dst), (n-row)*length)
		if take == 0 {
			return nil
		}
		if err := v.source.ReadRows(dst[:take], cut.From, cut.Begin+row); err != nil {
			return err
		}
		row, dst = 0, dst[take:]
	}
	return nil
}

// readVector joins parts of vectors, which sources read whole.
func (v *View) readVector(dst []float32, cuts []Cut) error {
	for _, cut := range cuts {
		if len(dst) == 0 {
			return nil
		}
		info, err := v.source.Info(cut.From)
		if err != nil {
			return err
		}
		if n := info.Elements(); cut.Begin > 0 || cut.End < n {
			whole := make([]float32, n)
			if err := v.source.ReadRows(whole, cut.From, 0); err != nil {
				return err
			}
			copy(dst, whole[cut.Begin:cut.End])
		} else if err := v.source.ReadRows(dst[:n], cut.From, 0); err != nil {
			return err
		}
		dst = dst[cut.End-cut.Begin:]
	}
	return nil
}
