package qwen3

import (
	"fmt"

	"reflectionflow"
	"reflectionflow/tokenizer"
)

// The chat of which a prompt is a part: Qwen3's template with an answer that is about to begin, without thinking.
const (
	chatBefore = "<|im_start|>user\n"
	chatAfter  = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)

// padToken fills the rest of a prompt.
const padToken = "<|endoftext|>"

// Prompt returns the prompt as a message in Qwen3's chat.
func Prompt(text string) string { return chatBefore + text + chatAfter }

// Tokenizer turns prompts into ids for [Encode].
type Tokenizer struct {
	t   *tokenizer.Tokenizer
	pad int32
}

// NewTokenizer checks that t is a tokenizer of Qwen3 with no more tokens than the encoder; otherwise the error wraps
// [reflectionflow.ErrInvalid].
func NewTokenizer(t *tokenizer.Tokenizer, cfg Config) (*Tokenizer, error) {
	for _, token := range []string{"<|im_start|>", "<|im_end|>", "<think>", "</think>", padToken} {
		id, ok := t.ID(token)
		if ids, _ := t.Encode(token, 0); !ok || len(ids) != 1 || ids[0] != id {
			return nil, fmt.Errorf("%w: the tokenizer is not Qwen3's: it has no token %s; use the tokenizer folder of the model", reflectionflow.ErrInvalid, token)
		}
	}
	if t.Size() > cfg.Vocabulary {
		return nil, fmt.Errorf("%w: the tokenizer has %d tokens, its encoder's vocabulary has %d: it belongs to another model", reflectionflow.ErrInvalid, t.Size(), cfg.Vocabulary)
	}
	pad, _ := t.ID(padToken)
	return &Tokenizer{t: t, pad: pad}, nil
}

// Encode returns length ids of the prompt in its chat, padded on the right. The first used ids are the text. A prompt
// that is too long is cut at its end, and so is what the chat has after it, as diffusers does; truncated reports that.
func (t *Tokenizer) Encode(prompt string, length int) (ids []int32, used int, truncated bool) {
	return t.t.EncodePadded(Prompt(prompt), length, t.pad)
}
