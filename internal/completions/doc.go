// Package completions is the client of OpenAI's chat completions, for OpenAI itself and for
// the servers with the same API: vLLM, llama.cpp, Ollama, LM Studio, LLaMA-Factory.
//
// It sends what all of them understand: one user message of text and PNG or JPEG data URIs.
// When a server rejects an optional parameter (response format, seed, log-probabilities,
// temperature), the client repeats the request without it and omits it from then on.
// Transport, retries, cache and accounting are those of package endpoint.
package completions
