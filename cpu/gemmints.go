package cpu

import (
	"math"
	"unsafe"
)

// A product of integers multiplies weights that are stored as small integers with scales, as they are stored. The rows of A
// are quantized to 8 bits in blocks of 32 terms, each with a scale of its own, so that dot products of blocks are exact in
// integers. Blocks are added in f32 and in the order of the terms: the bytes of a result do not depend on the number of
// threads, nor on its place.
//
// The error is that of rounding A: at most 1/254 of the largest absolute value in a block, for every term of the block. In a
// block whose values are all below 2⁻¹⁰⁰ they count as zero. A row of A that has a value that is not finite gives NaN.

// Integers says how the values of [Quantized] are made: value = scale·(quant − Zero) − minimum, where scale and minimum are
// those of a group of elements of a row, and there are minima only with Mins.
type Integers struct {
	Block int // rows are read in whole blocks of so many elements, which Group divides
	Group int // elements with one scale: 16 or 32
	Zero  int // 0 to 255
	Mins  bool
}

// Quantized is a matrix of [Rows] whose values are made of integers. Products of integers read it so: see [New].
type Quantized interface {
	Rows
	// Integers returns the form of all rows, or false if they can only be read as numbers.
	Integers() (form Integers, ok bool)
	// ReadIntegers reads whole blocks of a row, from the given column on: quants gets an integer an element, scales and
	// mins a number a group. It is called as ReadRow is.
	ReadIntegers(quants []uint8, scales, mins []float32, row, column int)
}

const (
	intsBlock = 32  // terms of A with one scale
	intsDepth = 512 // terms of a packed panel
	headSize  = 18  // numbers of a block in the heads of a tile: see kernel_int8_amd64.s
)

// intsKernel are the rows and columns of the micro-kernels for integers.
var intsKernel = tileKernel{rows: 6, cols: 32, strips: true}

// smallestScaled is the smallest absolute value of a block of A that is not taken as zero.
const smallestScaled = 0x1p-100

// withIntegers makes the product of integers for B that is [Quantized], beside the product g that reads [Rows].
func (g *gemm) withIntegers() {
	if !g.integers || g.ahead == nil || g.byTerm {
		return
	}
	ints := *g
	ints.kernel, ints.pairs, ints.asIntegers = intsKernel, false, true
	ints.chunk, ints.terms = intsDepth, min(intsDepth, g.k)
	ints.aligned = g.k
	for _, o := range g.bCol {
		ints.aligned = divisor(ints.aligned, (g.bBatch[0]+o+g.bDepth[0])%g.b.width)
	}
	g.ints = &ints
}

func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// quantized returns B if it can be multiplied as integers.
func (g *gemm) quantized(x *execution) (Quantized, Integers, bool) {
	if g.ints == nil {
		return nil, Integers{}, false
	}
	source, ok := x.rows(g.b).(Quantized)
	if !ok {
		return nil, Integers{}, false
	}
	form, ok := source.Integers()
	ok = ok && (form.Group == 16 || form.Group == 32) && form.Block%intsBlock == 0 && intsDepth%form.Block == 0 && g.ints.aligned%form.Block == 0
	return source, form, ok
}

// intsTileFloats is the number of floats of a tile of rows for a chunk of terms: heads, then bytes.
func intsTileFloats(terms int) int {
	return ceilDiv(terms, intsBlock)*headSize + intsKernel.rows*terms/4
}

// panelFloats is the number of floats of a panel of B: bytes, then scales and minima of groups of 16.
func panelFloats(terms int) int {
	return intsKernel.cols * (terms/4 + 2*terms/16)
}

// quantizeTile quantizes rows i … i+rows of A for the current chunk of terms; missing rows are zero.
func (t *block) quantizeTile(i, rows int) {
	heads := t.s.a[:t.length/intsBlock*headSize]
	bytes := bytesIn(t.s.a[len(heads):])
	src, stats := t.s.wide[:t.length], t.s.wide[t.terms:][:3*t.length/intsBlock]
	for r := range t.kernel.rows {
		row := bytes[r*t.length:][:t.length]
		if r >= rows {
			clear(row)
			for b := r; b < len(heads); b += headSize {
				heads[b], heads[b+6], heads[b+12] = 0, 0, 0
			}
			continue
		}
		base, last := t.aOff+t.aRow[i+r], t.first+t.length
		from := src
		for _, run := range t.pairRuns {
			lo, hi := max(run.from, t.first), min(run.to, last)
			if lo >= hi {
				continue
			}
			values := t.a[base+t.aDepth[lo]:][:hi-lo]
			if len(values) == t.length {
				from = values
				break
			}
			copy(src[lo-t.first:], values)
		}
		quantize32(&row[0], &stats[0], &from[0], t.length/intsBlock)
		t.fillHeads(heads[r:], stats)
	}
}

// fillHeads writes the numbers of a row of A into the heads of its tile.
func (t *block) fillHeads(heads, stats []float32) {
	zero := int32(-t.form.Zero)
	for b := 0; 3*b < len(stats); b++ {
		largest := stats[3*b]
		one, two := int32(math.Float32bits(stats[3*b+1])), int32(math.Float32bits(stats[3*b+2]))
		if t.form.Group == intsBlock {
			one, two = one+two, 0
		}
		scale := largest / 127
		switch {
		case largest < smallestScaled:
			scale = 0
		case !(largest <= math.MaxFloat32):
			scale = float32(math.NaN())
		}
		head := heads[b*headSize:]
		head[0] = scale
		if t.form.Mins {
			head[6], head[12] = scale*float32(one), scale*float32(two)
		} else {
			head[6], head[12] = math.Float32frombits(uint32(zero*one)), math.Float32frombits(uint32(zero*two))
		}
	}
}

// bytesIn returns the memory of floats as bytes.
func bytesIn[T int8 | uint8 | float32](v []T) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(*new(T))))
}

func unsignedIn(v []float32) []uint8 {
	return unsafe.Slice((*uint8)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// groupFloats is the number of floats between the scales of two groups of a panel.
func (t *block) groupFloats() int {
	if t.form.Mins {
		return 2 * t.kernel.cols
	}
	return t.kernel.cols
}

// packInts packs the panel of B at column j; missing columns are zero.
func (t *block) packInts(dst []float32, j int) {
	cols, groups := t.kernel.cols, t.length/t.form.Group
	n := min(cols, t.n1-j)
	data := dst[:cols*t.length/4]
	scales := dst[len(data):][:groups*t.groupFloats()]
	if n < cols {
		clear(data)
		clear(scales)
	}
	words, one := t.s.wide[:2*t.length], t.s.wide[2*t.length:]
	two := one[8*groups:]
	quants := unsignedIn(words)
	for q := 0; q < n; q += 8 {
		rows := min(8, n-q)
		for r, o := range t.bCol[j+q : j+q+rows] {
			off := t.bOff + t.bDepth[t.first] + o
			var mins []float32
			if t.form.Mins {
				mins = two[r*groups:][:groups]
			}
			t.quants.ReadIntegers(quants[r*t.length:][:t.length], one[r*groups:][:groups], mins, off/t.gemm.b.width, off%t.gemm.b.width)
		}
		t.transposeColumns(data[q:], words, rows, t.length/4, cols)
		t.transposeColumns(scales[q:], one, rows, groups, t.groupFloats())
		if t.form.Mins {
			t.transposeColumns(scales[cols+q:], two, rows, groups, t.groupFloats())
		}
	}
}

// transposeColumns writes rows of n floats as columns of rows that are step floats apart.
func (t *block) transposeColumns(dst, src []float32, rows, n, step int) {
	whole := 0
	if rows == 8 {
		whole = n / 8 * 8
		transpose8(&dst[0], 4*step, &src[0], 4*n, n/8)
	}
	for r := range rows {
		for p := whole; p < n; p++ {
			dst[p*step+r] = src[r*n+p]
		}
	}
}

// intsTile runs the kernel on a tile of A and the panel at column j.
func (t *block) intsTile(j int, c *float32, ldc, acc int) {
	blocks := t.length / intsBlock
	panel := t.s.b[(j-t.n0)/t.kernel.cols*panelFloats(t.terms):]
	heads, data := t.s.a, bytesIn(t.s.a[blocks*headSize:])
	bytes, scales := unsignedIn(panel), panel[t.kernel.cols*t.length/4:]
	kernel := tileInts32
	switch {
	case t.form.Group == 16 && t.form.Mins:
		kernel = tileInts16Mins
	case t.form.Group == 16:
		kernel = tileInts16
	case t.form.Mins:
		kernel = tileInts32Mins
	}
	kernel(blocks, &data[0], t.length, &heads[0], &bytes[0], &scales[0], c, ldc, acc)
}
