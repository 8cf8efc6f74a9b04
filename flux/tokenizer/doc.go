// Package tokenizer turns text into token ids as the tokenizer.json files of
// Hugging Face describe it (https://github.com/huggingface/tokenizers).
//
// Text passes five stages. Added tokens, such as "</s>", are cut out where they
// stand. A normalizer rewrites what is left (Unicode form, lower case). A
// pre-tokenizer splits it into words. The model turns each word into tokens. A
// template puts special tokens before and after.
//
// There are three models. WordLevel: every word is one token, and a word that is not
// in the vocabulary becomes the unknown token; which words those are,
// [Tokenizer.Unknown] says. BPE, of bytes in the way of CLIP: any text can be spelt
// out. Unigram, SentencePiece's, which T5 has: a character that is in no token
// becomes the unknown token.
//
// [NewWordLevel] makes a tokenizer from a vocabulary. [Load] and [FromBytes] read a
// tokenizer.json, [OpenFolder] a model's tokenizer folder, in which CLIP's vocab.json
// and merges.txt or T5's spiece.model may stand in its place. A file that asks for a
// stage this package does not have is refused by name rather than read differently
// from its author's intent. Such errors, and all that are due to the file, wrap
// [reflectionflow.ErrInvalid].
//
// The ids are those of the tokenizers library, but for characters that one of the two
// tables of Unicode does not know yet: Go's are of version 15. Without a
// tokenizer.json, transformers 4 has classes of its own in Python: its CLIPTokenizer
// also drops control characters and sets Chinese characters apart, or mends text with
// ftfy where that is installed. Here CLIP reads text as transformers 5 does.
package tokenizer
