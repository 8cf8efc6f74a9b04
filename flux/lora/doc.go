// Package lora reads LoRAs (arXiv 2106.09685) as the programs that train them write them, and applies them to the
// networks of a model. The weights of the network stay as they are: a layer becomes y + factor·B(A(x)) when it runs.
//
// A [Network] lists the linear layers of a network under all names that files have for them; [FLUX1], [FLUX2], [CLIP],
// [T5] and [Qwen3] make the known ones. [Load] reads any number of files, each with a weight, and [Adapters.Adapter] is
// the hook for the network's scope:
//
//	adapters, err := lora.Load(store, "lora", networks, []lora.File{{Weights: opened, Weight: 0.8}})
//	s = s.WithAdapter(adapters.Adapter(s)) // before the networks are built in s
//
// # Conventions
//
// The names of a file say which convention it has; nothing else has to be known. Read are those of diffusers and PEFT
// (with ranks and alphas by pattern, and rank-stabilized scales), kohya's sd-scripts, ComfyUI, OneTrainer, SimpleTuner,
// ai-toolkit, XLabs and fal, of Black Forest Labs' layer names or of diffusers', with a layer of queries, keys and values
// whole or in three parts. Differences of whole matrices and of biases (".diff", ".diff_b") are applied too.
//
// Refused by name, with an error wrapping [reflectionflow.ErrInvalid], are DoRA, LoKr, LoHa, OFT, GLoRA, control LoRAs
// and files for another model. A tensor that belongs to no layer of the model is an error; of a text encoder it is left
// out, with a warning.
package lora
