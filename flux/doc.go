// Package flux generates images with the models of the FLUX families, and corrects them
// by ReflectionFlow (arXiv 2504.16080): a reference image and a reflection guide the
// model to a better image.
//
// A [Model] is an architecture with its weights. Packages flux1 and flux2 have FLUX.1 and
// FLUX.2; package flux has what all architectures share, first of all the [Pipeline] that
// generates images with any of them:
//
//	folder, err := flux1.OpenFolder("FLUX.1-dev")
//	model, err := flux1.LoadModel(folder, nil)
//	backend, err := nn.OpenBackend("")
//	pipeline := flux.NewPipeline(backend, model, flux.Options{})
//	images, err := pipeline.Generate(ctx, []reflectionflow.Request{{
//		Prompt: "a photo of two clocks", Width: 1024, Height: 1024, Steps: 28, Guidance: 3.5,
//	}})
//
// # How an image is generated
//
// The model's [TextEncoder] turns the prompt into an embedding, once for all images of
// the prompt. Starting from [Noise], [Denoise] takes Euler steps of rectified flow
// (arXiv 2209.03003): in each, the [Denoiser] predicts the velocity, noise minus image,
// at the noise level sigma, which falls from 1 to 0. The [Autoencoder] turns the
// resulting latents into pixels. A correction adds a reference image, encoded by the
// autoencoder, to the inputs of the denoiser; a model that cannot take one may start from
// its noised latents instead ([Options].Img2Img).
//
// # Shapes
//
// B is the batch. Images are [B, H, W, 3] in [-1, 1]; latents of the autoencoder
// [B, H/8, W/8, C]; [Pack] makes a token of 2×2 latent positions: [B, N, 4C] for N
// tokens of a [Grid]. sigma is in [0, 1].
//
// # Files
//
// Folder layouts, configuration files and tensor names are diffusers'. [Files] is a
// model folder and [Component] one network of it: Check compares a weight file with what
// the network needs. [VerifyChecksums] compares SHA-256 sums. Errors about files and
// requests wrap [reflectionflow.ErrInvalid].
//
// # Another architecture
//
// A family of models is a package that implements [Model] with graph functions, sized by
// configuration structs: a small model and a published one run the same code. Nothing in
// this package or in the search knows which it is.
package flux
