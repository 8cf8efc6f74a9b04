// Package tokenizer turns text into token ids with the tokenizers of FLUX.1, CLIP's and
// T5's, that of FLUX.2, Qwen3's, that of SigLIP 2, Gemma's, and with word-level tokenizers for small models. It reads
// the tokenizer.json files of Hugging Face's tokenizers library
// (https://github.com/huggingface/tokenizers) and gives the same ids.
//
// [OpenFolder] reads the tokenizer folder of a model, [Load] and [FromBytes] a single
// tokenizer.json, and [NewWordLevel] makes a tokenizer from a vocabulary:
//
//	t, err := tokenizer.OpenFolder(os.DirFS("FLUX.1-dev"), "tokenizer_2")
//	ids, used, truncated := t.EncodePadded("a photo of two clocks", 512, 0)
//
// # Stages
//
// Text passes five stages. Added tokens, such as "</s>", are cut out. A normalizer
// rewrites the text between them (Unicode form, lower case). A pre-tokenizer splits it
// into words. The model turns each word into tokens. A template adds special tokens
// before and after.
//
// There are three models. In WordLevel every word is one token; words that the
// vocabulary lacks become the unknown token, and [Tokenizer.Unknown] lists them. BPE is
// the byte-pair encoding of CLIP, Qwen and Gemma, which can spell any text. Unigram is the model of
// SentencePiece and T5; a character that is in no token becomes the unknown token.
//
// # Compatibility
//
// A file with a stage that this package does not implement is rejected by name. This
// and all errors caused by a file wrap [reflectionflow.ErrInvalid].
//
// In place of tokenizer.json a folder may have CLIP's or Qwen's vocab.json and merges.txt,
// or T5's or SigLIP's spiece.model. They are read as transformers 5 does; a folder of Qwen's that lists
// no added tokens has Qwen3's. Added tokens match inside of any text, also in a prompt. The Python classes of
// transformers 4 differ for CLIP: they also drop control characters, separate Chinese
// characters and repair text with ftfy where it is installed. Ids can differ for
// characters that were added to Unicode after version 15, the version of Go's tables.
package tokenizer
