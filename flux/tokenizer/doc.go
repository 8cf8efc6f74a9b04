// Package tokenizer turns text into token ids as the tokenizer.json files of
// Hugging Face describe it (https://github.com/huggingface/tokenizers).
//
// Text passes five stages. Added tokens, such as "</s>", are cut out where they
// stand. A normalizer rewrites what is left (Unicode form, lower case). A
// pre-tokenizer splits it into words. The model turns each word into tokens. A
// template puts special tokens before and after.
//
// There is one model so far, WordLevel: every word is one token, and a word that is
// not in the vocabulary becomes the unknown token. Which words those are,
// [Tokenizer.Unknown] says. [NewWordLevel] makes a tokenizer from a vocabulary,
// [Load] and [FromBytes] read one. A file that asks for a stage this package does
// not have is refused by name rather than read differently from its author's
// intent. Such errors, and all that are due to the file, wrap
// [reflectionflow.ErrInvalid].
package tokenizer
