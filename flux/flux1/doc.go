// Package flux1 is the FLUX.1 architecture: text encoders, transformer, corrector and
// the files of its models. [Model] is a [flux.Model].
//
// [OpenFolder] reads a model in the layout of diffusers' FluxPipeline, [LoadModel] its
// weights; [ReadTransformer] reads the transformer of a single file.
//
// The text encoders turn the prompt into vectors: [T5Encode] into one per token,
// [CLIPPooled] into one for the whole. [Transformer] predicts the velocity. A correction
// adds a reference image as a third stream of tokens, the [Condition], besides text and
// image. Only the condition stream passes through the corrector's [LoRA], unless the
// LoRA was trained on all streams.
//
// Text is [B, T, d], the pooled prompt [B, d']. A folder may have a reflectionflow.json,
// see [Settings]. LoRA files are those of diffusers and PEFT.
//
// The networks are plain graph functions sized by configuration structs ([Params],
// [flux.AutoencoderConfig], [CLIPConfig], [T5Config]): a small model and FLUX.1-dev run
// the same code, and package tuning trains with it.
package flux1
