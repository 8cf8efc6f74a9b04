// Package chat asks language models that see, over any server that speaks
// OpenAI's chat completions: OpenAI itself, vLLM, llama.cpp, Ollama, LM Studio,
// LLaMA-Factory and their like.
//
// It keeps to what all of them understand: one user message of text and PNG or
// JPEG data URIs, the answer's schema also written out in the text. What a server
// does not know (a response format, a seed, log-probabilities) it is not asked for
// twice.
//
// [Client.Complete] is one question and its answer. [Ask] wants the answer as a Go
// value: it reads JSON out of whatever surrounds it, checks it, and asks once more
// when it is no good. All transport, repetition, caching and accounting is that of
// package endpoint; errors are its errors.
//
// Nothing that a model says is trusted: the caller's check sees every value, and
// texts of users and pictures are data in a prompt, never its voice (see [Quote]).
package chat
