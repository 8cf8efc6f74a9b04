// Package flux2 is the FLUX.2 architecture: its transformer, its autoencoder of 32
// channels and the files of FLUX.2 [klein], whose text encoder is package qwen3.
// [Model] is a [flux.Model].
//
// [OpenFolder] reads a model in the layout of diffusers' Flux2KleinPipeline and
// [LoadModel] its weights.
//
//	folder, err := flux2.OpenFolder("FLUX.2-klein-4B")
//	model, err := flux2.LoadModel(folder)
//	pipeline := flux.NewPipeline(backend, model, flux.Options{})
//
// FLUX.2 edits natively: references are further tokens of the sequence, at a place of
// their own on the first axis of the position embedding ([Transformer]). A reflection is
// worded as an instruction. A distilled model ignores guidance; a base model takes
// classifier-free guidance against the empty prompt above 1, as diffusers does.
//
// The keys and values of references depend on the noise level and on the noisy tokens in
// the double blocks, so they are computed in every step: a cache would change the image.
package flux2
