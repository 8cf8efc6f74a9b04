package cpu

import (
	"math"
	"unsafe"
)

// A product of integers multiplies weights that are stored as small integers with scales, as they are stored. The rows of A
// are quantized to 8 bits in blocks of 32 terms, or of 256 where the weights have blocks of 256, each with a scale of its own,
// so that dot products of a group of weights are exact in integers. They are added in f32 and in the order of the terms: the
// bytes of a result do not depend on the number of threads, nor on its place.
//
// The error is that of rounding A: at most 1/254 of the largest absolute value in a block, for every term of the block. In a
// block whose values are all below 2⁻¹⁰⁰ they count as zero. A row of A that has a value that is not finite gives NaN.

// Integers says how the values of [Quantized] are made: value = scale·(quant − Zero) − minimum, where scale and minimum are
// those of a group of elements of a row, and there are minima only with Mins.
type Integers struct {
	Block int // rows are read in whole blocks of so many elements: 32, or 256
	Group int // elements with one scale: 32, or 16 in blocks of 256
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
	intsBlock  = 32  // terms of a block
	superBlock = 256 // terms of a superblock
	intsDepth  = 512 // terms of a packed panel
	mostHeads  = 13  // numbers for 32 terms in the heads of a tile: see kernel_int8_amd64.s
	tilesACall = 64  // of a kernel, which the runtime cannot interrupt
)

// intsTiles are the operands of a micro-kernel, which changes a and tiles. Strides are in bytes.
type intsTiles struct {
	tiles, blocks int // tiles of rows, and the blocks or superblocks of terms of each
	a             *float32
	step          int // from a tile of A to the next
	heads, row    int // bytes of the heads of a tile, and of a row after them
	b             *uint8
	scales        *float32
	c             *float32
	ldc, acc      int
}

// intsRows is the number of rows of the micro-kernels for integers.
const intsRows = 6

// intsKernel are the micro-kernels of an instruction set, by the form of B. Their results are the same.
type intsKernel struct {
	cols                                       int
	blocks32, blocks32Mins                     func(p *intsTiles)
	super32, super32Mins, super16, super16Mins func(p *intsTiles)
}

var (
	ints512 = intsKernel{32, tileInts32, tileInts32Mins, tileIntsSuper32, tileIntsSuper32Mins, tileIntsSuper16, tileIntsSuper16Mins}
	ints256 = intsKernel{16, tileIntsY32, tileIntsY32Mins, tileIntsYSuper32, tileIntsYSuper32Mins, tileIntsYSuper16, tileIntsYSuper16Mins}
)

// of returns the kernel for a form.
func (k *intsKernel) of(form Integers) func(p *intsTiles) {
	switch {
	case form.Group == 16 && form.Mins:
		return k.super16Mins
	case form.Group == 16:
		return k.super16
	case form.Block == superBlock && form.Mins:
		return k.super32Mins
	case form.Block == superBlock:
		return k.super32
	case form.Mins:
		return k.blocks32Mins
	}
	return k.blocks32
}

// smallestScaled is the smallest absolute value of a block of A that is not taken as zero.
const smallestScaled = 0x1p-100

// withIntegers makes the product of integers for B that is [Quantized], beside the product g that reads [Rows].
func (g *gemm) withIntegers() {
	if g.integers == nil || g.ahead == nil || g.byTerm {
		return
	}
	ints := *g
	ints.kernel, ints.pairs, ints.asIntegers = tileKernel{rows: intsRows, cols: g.integers.cols, strips: true}, false, true
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
	known := form.Block == intsBlock && form.Group == intsBlock || form.Block == superBlock && (form.Group == 16 || form.Group == 32)
	return source, form, ok && known && g.ints.aligned%form.Block == 0
}

// headFloats is the number of floats that the heads of a tile of rows have room for.
func headFloats(terms int) int { return ceilDiv(terms, intsBlock) * mostHeads }

// intsTileFloats is the number of floats of a tile of rows for a chunk of terms: heads, then bytes.
func intsTileFloats(terms int) int { return headFloats(terms) + intsRows*terms/4 }

// panelFloats is the number of floats of a panel of B: bytes, then scales and minima of groups of 16.
func (g *gemm) panelFloats() int { return g.kernel.cols * (g.terms/4 + 2*g.terms/16) }

// quantizeTile quantizes rows i … i+rows of A for the current chunk of terms; missing rows are zero.
func (t *block) quantizeTile(i, rows int) {
	heads := t.s.a[:headFloats(t.terms)]
	bytes := bytesIn(t.s.a[len(heads):])
	if rows < t.kernel.rows {
		clear(heads)
		clear(bytes[rows*t.length : t.kernel.rows*t.length])
	}
	src, stats := t.s.wide[:t.length], t.s.wide[t.terms:][:3*t.length/intsBlock]
	for r := range rows {
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
		quantize(&bytes[r*t.length], &stats[0], &from[0], t.length/t.form.Block, t.form.Block/intsBlock)
		t.fillHeads(heads[r:], stats)
	}
}

// fillHeads writes the numbers of a row of A into the heads of its tile.
func (t *block) fillHeads(heads, stats []float32) {
	rows, halves, zero := t.kernel.rows, t.form.Block/16, int32(-t.form.Zero)
	for range t.length / t.form.Block {
		scale := scaleOf(stats[0])
		sums := stats[1 : 1+halves]
		factor := scale
		if t.form.Block == superBlock {
			factor = 1
		}
		for len(sums) > 0 {
			sum := int32(math.Float32bits(sums[0]))
			if sums = sums[1:]; t.form.Group == intsBlock {
				sum += int32(math.Float32bits(sums[0]))
				sums = sums[1:]
			}
			if t.form.Mins {
				heads[0] = factor * float32(sum)
			} else {
				heads[0] = math.Float32frombits(uint32(zero * sum))
			}
			heads = heads[rows:]
		}
		heads[0] = scale
		heads, stats = heads[min(rows, len(heads)):], stats[1+halves:]
	}
}

// scaleOf returns the scale of a block with the given largest absolute value.
func scaleOf(largest float32) float32 {
	switch {
	case largest < smallestScaled:
		return 0
	case !(largest <= math.MaxFloat32):
		return float32(math.NaN())
	}
	return largest / 127
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

// intsTile runs the kernel on tiles of A and the panel at column j.
func (t *block) intsTile(tiles, j int, c *float32, ldc, acc int) {
	panel := t.s.b[(j-t.n0)/t.kernel.cols*t.panelFloats():]
	p := intsTiles{
		tiles: tiles, blocks: t.length / t.form.Block, acc: acc, c: c, ldc: ldc,
		a: &t.s.a[0], step: 4 * t.tileFloats(), heads: 4 * headFloats(t.terms), row: t.length,
		b: &unsignedIn(panel)[0], scales: &panel[t.kernel.cols*t.length/4],
	}
	t.integers.of(t.form)(&p)
}

// passInts multiplies the panel at column j with whole tiles of rows from m0 on, whose rows of C are one step apart, and
// returns the row after them. tile returns the tile of A at a row.
func (t *block) passInts(j int, tile func(i int) []float32) int {
	mr := t.kernel.rows
	if j+t.kernel.cols > t.n1 || t.m1-t.m0 < mr {
		return t.m0
	}
	step, last := t.cRow[t.m0+1]-t.cRow[t.m0], t.m0+2
	for last < t.m1 && t.cRow[last]-t.cRow[last-1] == step {
		last++
	}
	last -= (last - t.m0) % mr
	acc := min(1, t.first-t.k0)
	for i := t.m0; i < last; i += tilesACall * mr {
		t.s.a = tile(i)
		t.intsTile(min(tilesACall, (last-i)/mr), j, &t.c[t.cOff+t.cRow[i]+j], 4*step, acc)
	}
	return last
}
