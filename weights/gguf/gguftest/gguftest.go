// Package gguftest writes GGUF files of random weights or of given blocks, for tests and measurements: no program of ours
// quantizes.
package gguftest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"

	"reflectionflow/weights/gguf"
	"reflectionflow/weights/internal/float"
)

// Tensor is a tensor of random values around 0, or of the blocks in Data.
type Tensor struct {
	Name  string
	Type  gguf.Type
	Shape []int   // outermost dimension first; rows must be whole blocks
	Std   float64 // standard deviation of the values, about
	Data  []byte  // the blocks; nil for random ones
}

// alignment of tensors in the file.
const alignment = 32

// Write writes a file of version 3. Its content depends on the arguments alone.
func Write(path string, tensors []Tensor, seed uint64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	if err := write(w, tensors, seed); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}

func write(w io.Writer, tensors []Tensor, seed uint64) error {
	le := binary.LittleEndian
	head := le.AppendUint32([]byte("GGUF"), 3)
	head = le.AppendUint64(le.AppendUint64(head, uint64(len(tensors))), 0)
	offset := 0
	for _, t := range tensors {
		head = append(le.AppendUint64(head, uint64(len(t.Name))), t.Name...)
		head = le.AppendUint32(head, uint32(len(t.Shape)))
		for _, n := range slices.Backward(t.Shape) {
			head = le.AppendUint64(head, uint64(n))
		}
		head = le.AppendUint64(le.AppendUint32(head, uint32(t.Type)), uint64(offset))
		offset += padded(t.bytes())
	}
	if _, err := w.Write(append(head, make([]byte, padded(len(head))-len(head))...)); err != nil {
		return err
	}
	for i, t := range tensors {
		elements, _ := t.Type.Block()
		if elements == 0 || t.elements()%elements != 0 {
			return fmt.Errorf("tensor %q: %v elements are no whole blocks of %s", t.Name, t.Shape, t.Type)
		}
		if err := t.write(w, rand.New(rand.NewPCG(seed, uint64(i)))); err != nil {
			return err
		}
		if _, err := w.Write(make([]byte, padded(t.bytes())-t.bytes())); err != nil {
			return err
		}
	}
	return nil
}

// write writes the blocks.
func (t Tensor) write(w io.Writer, rng *rand.Rand) error {
	elements, size := t.Type.Block()
	if t.Data != nil {
		if len(t.Data) != t.bytes() {
			return fmt.Errorf("tensor %q: %d bytes of %d", t.Name, len(t.Data), t.bytes())
		}
		_, err := w.Write(t.Data)
		return err
	}
	scale := unitScale(t.Type)
	chunk := make([]byte, size)
	for range t.elements() / elements {
		fill(chunk, t.Type, t.Std*scale, rng)
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

func padded(n int) int { return (n + alignment - 1) / alignment * alignment }

func (t Tensor) elements() int { return gguf.Info{Shape: t.Shape}.Elements() }

func (t Tensor) bytes() int {
	elements, size := t.Type.Block()
	return t.elements() / max(elements, 1) * size
}

// Blocks returns n random blocks of a type with values of the given standard deviation.
func Blocks(kind gguf.Type, n int, std float64, rng *rand.Rand) []byte {
	_, size := kind.Block()
	all := make([]byte, n*size)
	for i := range n {
		fill(all[i*size:][:size], kind, std*unitScale(kind), rng)
	}
	return all
}

// fill fills a block with random quants and sets its scales.
func fill(b []byte, kind gguf.Type, d float64, rng *rand.Rand) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	le := binary.LittleEndian
	half := func(at int, v float64) { le.PutUint16(b[at:], float.ToF16(float32(v))) }
	switch kind {
	case gguf.F32:
		le.PutUint32(b, math.Float32bits(float32(d*rng.NormFloat64())))
	case gguf.F16:
		half(0, d*rng.NormFloat64())
	case gguf.BF16:
		le.PutUint16(b, float.ToBF16(float32(d*rng.NormFloat64())))
	case gguf.Q4_1: // the minimum makes the mean 0
		half(0, d)
		half(2, -7.5*d)
	case gguf.Q5_1:
		half(0, d)
		half(2, -15.5*d)
	case gguf.Q4K:
		half(0, d)
		half(2, 7.5*d)
	case gguf.Q5K:
		half(0, d)
		half(2, 15.5*d)
	case gguf.Q2K:
		half(80, d)
		half(82, 1.5*d)
	case gguf.Q3K:
		half(108, d)
	case gguf.Q6K:
		half(208, d)
	default: // Q4_0, Q5_0, Q8_0, IQ4_NL, IQ4_XS
		half(0, d)
	}
}

// unitScale returns the d with which random quants have a standard deviation of 1.
func unitScale(kind gguf.Type) float64 {
	elements, _ := kind.Block()
	if elements <= 1 {
		return 1
	}
	rng := rand.New(rand.NewPCG(1, uint64(kind)))
	const blocks, d = 64, 0x1p-6
	values := make([]float32, elements)
	sum := 0.0
	_, size := kind.Block()
	b := make([]byte, size)
	for range blocks {
		fill(b, kind, d, rng)
		kind.DecodeAt(values, b, 0)
		for _, v := range values {
			sum += float64(v) * float64(v)
		}
	}
	return d / math.Sqrt(sum/float64(blocks*elements))
}
