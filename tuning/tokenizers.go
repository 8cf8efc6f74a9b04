package tuning

import (
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/flux/tokenizer"
)

// The special tokens. CLIP's end must be found in the ids, so it has one of its
// own; T5 pads with id 0 and ends with id 1, as its checkpoints do.
const (
	padToken   = "<pad>"
	endToken   = "</s>"
	unkToken   = "<unk>"
	beginToken = "<|startoftext|>"
)

var specialTokens = []string{padToken, endToken, unkToken, beginToken}

// newTokenizers makes the word-level tokenizers of the world's vocabulary, which
// share their ids: words end with </s>; CLIP's text also has a beginning.
func newTokenizers() (clip, t5 *tokenizer.Tokenizer, err error) {
	mark := strings.TrimSpace(reflectionflow.ReflectionMark)
	vocabulary := append(slices.Clone(specialTokens), mark)
	for _, word := range clipart.Vocabulary() {
		if word != clipart.ReflexionToken { // the mark, which keeps its capital as a special token
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
