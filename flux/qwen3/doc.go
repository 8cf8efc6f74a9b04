// Package qwen3 is the text encoder of FLUX.2 [klein]: Qwen3 (arXiv 2505.09388), a language model whose hidden states
// describe a prompt. It equals transformers' Qwen3Model as diffusers' Flux2KleinPipeline calls it.
//
// A prompt becomes the words of a user in a chat ([Prompt]), then 512 token ids padded on the right ([Tokenizer]), then
// one vector per token: the hidden states behind three layers side by side ([Encode]). Layers above the last of them, the
// final norm and the output layer are never needed, so [Config.Variables] does not list them.
//
//	cfg, err := qwen3.ReadConfig(os.DirFS(folder), "text_encoder/config.json")
//	text, err := qwen3.NewTokenizer(opened, cfg) // of tokenizer.OpenFolder
//	ids, used, truncated := text.Encode(prompt, qwen3.Length)
//	states := qwen3.Encode(s.In("text_encoder"), cfg, qwen3.Taps, idNodes, usedNodes) // inside of a program
//
// Weights have the names of transformers' Qwen3Model, "layers.0.self_attn.q_proj.weight"; [Name] turns those of files of
// all kinds into them, and [Infer] reads the sizes of a model from its tensors.
package qwen3
