// Package safetensors reads and writes the safetensors weight format of Hugging
// Face (https://github.com/huggingface/safetensors), on the standard library
// alone.
//
// A file is an 8-byte little-endian length, a JSON header of that length and the
// data of the tensors, row-major and little-endian. [Open] maps a file into memory,
// [OpenSharded] does so for a model that may be spread over several files with an
// index, and [FromBytes] takes an embedded file. All three hand out a [File], which
// looks tensors up by name. [Write] makes a file, byte for byte the one that the
// reference implementation makes of the same tensors.
//
// Every file is untrusted: all the header says is checked against the length of the
// file before anything is read or allocated. What is wrong with a file is reported
// as an error wrapping [reflectionflow.ErrInvalid] that begins with the file's name.
package safetensors
