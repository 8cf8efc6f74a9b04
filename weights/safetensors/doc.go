// Package safetensors reads and writes the safetensors weight format of Hugging Face
// (https://github.com/huggingface/safetensors), with the standard library only.
//
// A file is an 8-byte little-endian length, a JSON header of that length, and the data
// of the tensors, row-major and little-endian. [Open] maps a file into memory,
// [OpenSharded] the file or the shards of a model in a diffusers or transformers
// folder, and [FromBytes] reads an embedded file. The resulting [File] looks tensors up
// by name:
//
//	f, err := safetensors.Open("model.safetensors")
//	defer f.Close()
//	for _, name := range f.Names() {
//		info, err := f.Info(name)        // shape and dtype
//		values, err := f.Float32(name)   // converted, a copy
//	}
//
// [File.ReadRows] converts a few rows of a large matrix into the caller's buffer.
// [File.Float32InPlace], [File.BFloat16] and [File.Bytes] return data without a copy,
// valid until [File.Close]. [Write] and [Encode] make a file that is byte-identical to
// that of the reference implementation for the same tensors.
//
// Files are untrusted: everything the header says is checked against the length of the
// file before data is read or memory allocated. Errors caused by a file wrap
// [reflectionflow.ErrInvalid] and begin with its name.
package safetensors
