// Package flux generates images with the FLUX.1 architecture, and corrects them by
// ReflectionFlow (arXiv 2504.16080): a reference image and a reflection guide the
// model to a better image.
//
// [OpenFolder] reads a model in the layout of diffusers' FluxPipeline, [LoadModel]
// its weights, and [NewPipeline] makes a generator of it:
//
//	folder, err := flux.OpenFolder("FLUX.1-dev")
//	model, err := flux.LoadModel(folder, nil)
//	backend, err := nn.OpenBackend("")
//	pipeline := flux.NewPipeline(backend, model, flux.Options{})
//	images, err := pipeline.Generate(ctx, []reflectionflow.Request{{
//		Prompt: "a photo of two clocks", Width: 1024, Height: 1024, Steps: 28, Guidance: 3.5,
//	}})
//
// # How an image is generated
//
// The text encoders turn the prompt into vectors: [T5Encode] into one per token,
// [CLIPPooled] into one for the whole. Starting from [Noise], [Denoise] takes Euler
// steps of rectified flow (arXiv 2209.03003): in each, [Transformer] predicts the
// velocity, noise minus image, at the noise level sigma, which falls from 1 to 0.
// [Decode] turns the resulting latents into pixels.
//
// A correction adds a reference image as a third stream of tokens, the [Condition],
// besides text and image. Only the condition stream passes through the corrector's
// [LoRA], unless the LoRA was trained on all streams.
//
// # Shapes
//
// B is the batch. Images are [B, H, W, 3] in [-1, 1]; latents of the autoencoder
// [B, H/8, W/8, C]; [Pack] makes a token of 2×2 latent positions: [B, N, 4C] for N
// tokens of a [Grid]. Text is [B, T, d], the pooled prompt [B, d']. sigma is in
// [0, 1].
//
// # Files
//
// Folder layout, configuration files and tensor names are diffusers'; LoRA files are
// those of diffusers and PEFT. [Folder.CheckWeights] compares weight files with what
// the networks need, [Folder.VerifyChecksums] with their SHA-256 sums. A folder may
// have a reflectionflow.json, see [Settings]. Errors about files and requests wrap
// [reflectionflow.ErrInvalid].
//
// The networks are plain graph functions sized by configuration structs ([Params],
// [AutoencoderConfig], [CLIPConfig], [T5Config]): a small model and FLUX.1-dev run
// the same code, and package tuning trains with it.
package flux
