// Package gguf reads GGUF, the weight format of llama.cpp and stable-diffusion.cpp
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3.
//
// A file is a header with metadata, a list of tensors, and their data, most of it
// quantized in blocks of 32 or 256 elements. [Open] maps a file into memory; the
// resulting [File] looks tensors up by name:
//
//	f, err := gguf.Open("flux1-schnell-Q4_K_S.gguf")
//	defer f.Close()
//	architecture, ok := f.Metadata("general.architecture") // any of GGUF's types
//	for _, name := range f.Names() {
//		info, err := f.Info(name)                           // type and shape
//		panel := make([]float32, 64*info.RowLength())
//		err = f.ReadRows(panel, name, 128)                  // rows 128 to 191
//	}
//
// [File.ReadRows] decodes rows into the caller's buffer, so that a large matrix is
// never expanded whole. [File.Bytes] returns the blocks in place, without a copy;
// [Decode] decodes blocks from anywhere.
//
// # Shapes
//
// Shapes are PyTorch's, outermost dimension first; the file stores them in reverse. A
// row is everything at one index of the outermost dimension; a vector or a scalar is
// one row. Where metadata has "comfy.gguf.orig_shape.NAME", it replaces the shape
// of tensor NAME.
//
// # Types
//
// F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL
// and IQ4_XS are decoded; every value is bit-identical to that of the reference
// implementation (the Python package gguf). A file with another type is rejected by
// the name of the type.
//
// # Untrusted files
//
// Everything that the file says is checked against its length before data is read or
// memory allocated: counts, strings, shapes, offsets, alignment. Tensors must follow
// one another without gaps or overlaps, as ggml requires. Errors caused by a file wrap
// [reflectionflow.ErrInvalid] and begin with its name.
package gguf
