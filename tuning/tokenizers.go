package tuning

import (
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/tokenizer"
)

// The special tokens. CLIP's pooled output is at the end token, so the end token has an id that
// nothing else has. T5 pads with id 0 and ends with id 1, as in its checkpoints.
const (
	padToken   = "<pad>"
	endToken   = "</s>"
	unkToken   = "<unk>"
	beginToken = "<|startoftext|>"
)

var specialTokens = []string{padToken, endToken, unkToken, beginToken}

// newTokenizers returns the word-level tokenizers of the world's vocabulary, which share their
// ids. A text ends with </s>; CLIP's text also has a start token.
func newTokenizers() (clip, t5 *tokenizer.Tokenizer, err error) {
	mark := strings.TrimSpace(reflectionflow.ReflectionMark)
	vocabulary := append(slices.Clone(specialTokens), mark)
	for _, word := range clipart.Vocabulary() {
		if word != clipart.ReflexionToken { // the special token keeps its capital letter
			vocabulary = append(vocabulary, word)
		}
	}
	t5, err = tokenizer.NewWordLevel(vocabulary, tokenizer.Options{Unknown: unkToken, Suffix: []string{endToken}, Special: []string{padToken, beginToken, mark}})
	if err != nil {
		return nil, nil, err
	}
	clip, err = tokenizer.NewWordLevel(vocabulary, tokenizer.Options{Unknown: unkToken, Prefix: []string{beginToken}, Suffix: []string{endToken}, Special: []string{padToken, mark}})
	return clip, t5, err
}
