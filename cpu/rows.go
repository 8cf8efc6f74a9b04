package cpu

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// Rows is a matrix of f32 that is stored in another form, such as quantized weights in a mapped file, and whose values
// are computed when they are read.
type Rows interface {
	// ReadRow writes elements of a row into dst, from the given column on. The values do not depend on how a row is
	// divided into calls. It is called from several goroutines at once. It may panic: the execution then ends with the
	// panic as its error.
	ReadRow(dst []float32, row, column int)
}

// BufferOverRows returns a buffer of the shape [rows, columns] in f32 whose values are computed when they are read. A
// matrix product whose right operand it is, in whole or in part and in either order of the axes, reads the panel that a
// worker needs next; Gather of rows reads these rows. The results are the same as for a buffer with the values. Any other
// operation makes the execution expand the whole matrix into memory first.
func (b *Backend) BufferOverRows(rows Rows, shape shapes.Shape) (compute.Buffer, error) {
	if err := b.check(0, shape); err != nil {
		return nil, err
	}
	if shape.DType != dtypes.Float32 || shape.Rank() != 2 {
		return nil, fmt.Errorf("cpu: rows of shape %s: only matrices of Float32 can be read by rows", shape)
	}
	return &buffer{backend: b, shape: shape.Clone(), rows: rows, lent: true}, nil
}

// storedDepth is the number of terms that a block sums at a time if B is in Rows: no block of a quantized format is
// decoded twice.
const storedDepth = 256

// rows returns what computes the values of a storage, or nil if they are in memory.
func (x *execution) rows(s *storage) Rows {
	if s.kind != inInput || x.base[s.id] != nil {
		return nil
	}
	return x.inputs[s.index].rows
}

// readsRows lets the product of the last step read B from Rows, if B is an input and the offsets allow it.
func (l *lowering) readsRows(g *gemm) {
	if g.b.kind != inInput || g.b.width == 0 || g.a == g.b || len(g.bBatch) != 1 || g.n == 0 || g.k == 0 {
		return
	}
	stored := *g
	switch {
	case increasing(g.bDepth) && g.inRows(g.bCol, g.bDepth[0], g.k):
	case increasing(g.bCol) && g.inRows(g.bDepth, g.bCol[0], g.n):
		stored.byTerm, stored.few = true, false
	default:
		return
	}
	if g.ahead == nil {
		stored.bPacked = true
		stored.chunk, stored.terms = storedDepth, min(storedDepth, g.k)
		if g.pairs {
			stored.chunk, stored.terms = 2*storedDepth, min(storedDepth, words(g.k))
		}
		stored.runs = []run{{0, g.k, 0, 0}}
		if !g.aPacked {
			stored.runs, _ = runsOf(g.aDepth, nil)
		}
	}
	stored.withIntegers()
	g.stored = &stored
	l.steps[len(l.steps)-1].byRows = g.b
}

// inRows reports whether n elements from first on lie in one row of B, for every start.
func (g *gemm) inRows(starts []int, first, n int) bool {
	for _, o := range starts {
		if (g.bBatch[0]+o+first)%g.b.width+n > g.b.width {
			return false
		}
	}
	return true
}

// readRow reads elements of B, the first of which is at off.
func (g *gemm) readRow(source Rows, dst []float32, off int) {
	source.ReadRow(dst, off/g.b.width, off%g.b.width)
}

// plainInputs reports for every input whether a step reads it that cannot read Rows.
func plainInputs(n int, steps []*step) []bool {
	plain := make([]bool, n)
	for _, st := range steps {
		for _, s := range st.reads {
			if s.kind == inInput && s != st.byRows {
				plain[s.index] = true
			}
		}
	}
	return plain
}

// expansions are inputs that an execution has expanded into memory.
type expansions [][]byte

func (e expansions) release(m *memory) {
	for _, raw := range e {
		m.put(raw)
	}
}

// expand computes the values of the inputs in Rows that a step needs in memory.
func (p *program) expand(x *execution) (done expansions, err error) {
	for _, s := range p.storages {
		if s.kind != inInput || x.inputs[s.index].rows == nil || !p.plain[s.index] {
			continue
		}
		raw := p.backend.memory.reuse(s.bytes)
		if raw == nil {
			if err := p.backend.memory.room(fmt.Sprintf("execute %q: parameter %q", p.name, p.names[s.index]), s.bytes); err != nil {
				return done, err
			}
			raw = p.backend.memory.get(s.bytes)
		}
		done = append(done, raw)
		x.base[s.id] = raw
		if owner := x.inputs[s.index].owner; owner != nil {
			if err := owner.Ready(); err != nil {
				return done, fmt.Errorf("cpu: execute %q: parameter %q: %w", p.name, p.names[s.index], err)
			}
		}
		if err := p.backend.readAll(slice[float32](x, s, 0), x.inputs[s.index]); err != nil {
			return done, fmt.Errorf("cpu: execute %q: parameter %q: %w", p.name, p.names[s.index], err)
		}
	}
	return done, nil
}

// readAll reads all rows of a buffer.
func (b *Backend) readAll(dst []float32, u *buffer) error {
	width := u.shape.Dimensions[1]
	if len(dst) == 0 {
		return nil
	}
	per := max(1, bytesPerItem/4/width)
	rows := u.shape.Dimensions[0]
	return guard(func() error {
		b.pool.run(ceilDiv(rows, per), func(item int) {
			for row := item * per; row < min((item+1)*per, rows); row++ {
				u.rows.ReadRow(dst[row*width:][:width], row, 0)
			}
		})
		return nil
	})
}

// readPanel is packPanel for Rows whose rows are columns of B.
func (t *block) readPanel(dst []float32, cols, depthOff []int, width int) {
	for q := 0; q < len(cols); q += 8 {
		n := min(8, len(cols)-q)
		for r, o := range cols[q : q+n] {
			t.readRow(t.source, t.s.wide[r*t.length:][:t.length], t.bOff+depthOff[0]+o)
		}
		if n == 8 && t.kernel.strips {
			t.packStrips(dst[q:], t.s.wide, t.length, width)
			continue
		}
		for r := range n {
			for p, v := range t.s.wide[r*t.length:][:t.length] {
				dst[p*width+q+r] = v
			}
		}
	}
}

// packTerms packs all panels of the block from Rows whose rows are terms.
func (t *block) packTerms() {
	n := t.n1 - t.n0
	terms := t.bDepth[t.first : t.first+t.length]
	one, two := t.s.wide[:n], t.s.wide[n:2*n]
	for p, d := range terms {
		into := one
		if t.pairs && p%2 == 1 {
			into = two
		}
		t.readRow(t.source, into, t.bOff+d+t.bCol[t.n0])
		if t.pairs && p%2 == 0 {
			if p+1 < len(terms) {
				continue
			}
			clear(two)
		}
		for j := 0; j < n; j += t.kernel.cols {
			width := t.panelWidth(t.n0 + j)
			if t.pairs {
				zip(t.s.b[j*t.terms+p/2*width:][:width], one[j:], two[j:])
				continue
			}
			to := t.s.b[j*t.terms+p*width:][:width]
			clear(to[copy(to, one[j:]):])
		}
	}
}

// zip packs two terms of the columns of a panel as pairs; missing columns are zero.
func zip(dst, one, two []float32) {
	n := min(len(dst), len(one))
	whole := n / 16 * 16
	if whole > 0 {
		zip16(&dst[0], &one[0], &two[0], whole/16)
	}
	to := halves(dst)
	for q := whole; q < n; q++ {
		to[2*q], to[2*q+1] = nearest(one[q]), nearest(two[q])
	}
	clear(dst[n:])
}

// wholeRows reports whether the windows are rows of a whole matrix, which is an input, and are dense in the result.
func (g *gathering) wholeRows() bool {
	s := g.x.s
	return s.kind == inInput && s.width > 0 && g.x.whole() && len(g.x.dims) == 2 && g.index.t.s != s &&
		len(g.index.axes) == 1 && g.index.axes[0] == 0 && g.perWindow == s.width && g.window.dense()
}

// readRows gathers rows from Rows.
func (g *gathering) readRows(x *execution, source Rows) {
	dst, index := slice[float32](x, g.y.s, 0), readIndices(x, g.index.t.s)
	k := &g.index
	per := max(1, elementChunk/g.perWindow)
	x.parallel(ceilDiv(k.count, per), func(item int) {
		var at, out walker
		at.start(k.batch.dims, item*per)
		out.start(g.batch.dims, item*per)
		i, d := k.t.off+at.offset(k.batch.strides), out.offset(g.batch.strides)
		for range min(per, k.count-item*per) {
			source.ReadRow(dst[d:][:g.perWindow], min(max(index(i), 0), k.limits[0]), 0)
			i, _ = at.next(k.batch.dims, k.batch.strides, k.batch.strides, i, 0)
			d, _ = out.next(g.batch.dims, g.batch.strides, g.batch.strides, d, 0)
		}
	})
}
