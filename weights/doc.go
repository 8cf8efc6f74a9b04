// Package weights opens the files in which people have the weights of models, whatever
// their format, as one thing: named tensors whose rows can be read as float32.
//
// [Open] takes a safetensors file, a GGUF file, the index of a model in shards, or a
// folder with one of them. What a file is, is read from its content and not from its
// name:
//
//	f, err := weights.Open("flux1-dev-Q4_K_S.gguf")
//	defer f.Close()
//	for _, name := range f.Names() {
//		info, err := f.Info(name)                  // shape, and type as stored
//		row := make([]float32, info.RowLength())
//		err = f.ReadRows(row, name, 0)             // converted
//	}
//
// The data stays mapped in the format of the file. ReadRows converts the rows that
// are asked for into the caller's buffer, so that a model in 4 bits never takes the
// memory that it would take in 32.
//
// [Find] returns one tensor for a matrix product, which reads parts of rows where they lie.
// Package nn keeps such tensors as weights of networks.
//
// # Scaled fp8
//
// In safetensors files with 8-bit weights, the scale of X.weight is X.weight_scale or
// X.scale_weight, for the whole tensor or per row. ReadRows multiplies by it; Names and
// Info do not show scales, the scales of activations (X.input_scale, X.scale_input) and
// markers (X.comfy_quant, scaled_fp8).
//
// # What is rejected
//
// Other files, for instance a PyTorch pickle, a web page that was saved instead of the
// weights, or a git-lfs pointer, give an error that says what the file is. So do
// quantizations that this package does not decode, such as nvfp4, SVDQuant and
// bitsandbytes. Such errors wrap [reflectionflow.ErrInvalid].
//
// # Views
//
// A [View] gives tensors other names and cuts them into rows, as the conversion from
// one program's layout to another's needs, without copying data.
package weights
