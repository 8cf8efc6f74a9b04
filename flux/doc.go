// Package flux is the image engine: the FLUX.1 architecture as plain graph
// functions, sized by its configuration files, so that FLUX.1-dev and a small
// checkpoint are rows of one table.
//
// A picture comes about in this order: the text encoders turn words into
// vectors; the transformer, told how noisy its input is, predicts the velocity
// from noise to picture; [Denoise] follows that velocity from pure noise in a
// few Euler steps of rectified flow; the autoencoder turns the latent image into
// pixels. A reference image joins the transformer's sequence as a third stream of
// tokens, the condition, which alone passes through the corrector's [LoRA]
// (ReflectionFlow, arXiv 2504.16080).
//
// Words: a latent image is [B, h, w, C] at an eighth of the picture's size; it is
// packed, 2×2 positions to a token, into [B, h/2·w/2, 4C]. sigma, in [0, 1], is
// how much of a latent is noise; the velocity is noise minus picture.
//
// Weight names, folder layout and configuration files are those of diffusers'
// FluxPipeline; LoRA files are PEFT's.
package flux
