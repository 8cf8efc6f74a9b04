package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// qwenPattern is the regular expression whose matches are the words of Qwen's tokenizers. Its alternatives are tried in
// order; together they match every character.
const qwenPattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// splitQwen appends the matches of qwenPattern.
func splitQwen(words []string, w word) []string {
	for text := w.text; text != ""; {
		length := qwenWord(text)
		words = append(words, text[:length])
		text = text[length:]
	}
	return words
}

// qwenWord returns the length of the match at the beginning of text, which is not empty.
func qwenWord(text string) int {
	if n := qwenContraction(text); n > 0 {
		return n
	}
	first, size := utf8.DecodeRuneInString(text)
	second, _ := utf8.DecodeRuneInString(text[size:])
	switch {
	case unicode.IsLetter(first):
		return runLength(text, unicode.IsLetter)
	case first != '\r' && first != '\n' && !unicode.IsNumber(first) && unicode.IsLetter(second):
		return size + runLength(text[size:], unicode.IsLetter)
	case unicode.IsNumber(first):
		return size
	}
	start := 0
	if first == ' ' {
		start = 1
	}
	if n := runLength(text[start:], isSymbol); n > 0 {
		return start + n + runLength(text[start+n:], isLineEnd)
	}
	return qwenSpace(text)
}

// qwenSpace returns the length of the match where text begins with white space: to the last line end of the run of white
// space, or else to the end of the run, less its last character where text goes on.
func qwenSpace(text string) int {
	run := text[:runLength(text, unicode.IsSpace)]
	if end := strings.LastIndexAny(run, "\r\n"); end >= 0 {
		return end + 1
	}
	_, last := utf8.DecodeLastRuneInString(run)
	if len(run) < len(text) && len(run) > last {
		return len(run) - last
	}
	return len(run)
}

// qwenContraction returns the length of (?i:'s|'t|'re|'ve|'m|'ll|'d) at the beginning of text, 0 for none. The long s
// differs from s in case only.
func qwenContraction(text string) int {
	if text[0] != '\'' {
		return 0
	}
	if strings.HasPrefix(text, "'ſ") {
		return len("'ſ")
	}
	for _, c := range contractions {
		if len(text) >= len(c) && strings.EqualFold(text[:len(c)], c) {
			return len(c)
		}
	}
	return 0
}

func isLineEnd(r rune) bool { return r == '\r' || r == '\n' }

// runLength returns the length of the longest beginning of text whose characters are all of a kind.
func runLength(text string, is func(rune) bool) int {
	return len(text) - len(strings.TrimLeftFunc(text, is))
}

// qwenTokens are the added tokens of Qwen3's tokenizer, whose ids follow those of its vocabulary. A folder of vocab.json
// and merges.txt that lists none has these.
var qwenTokens = []string{
	"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>",
	"<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
	"<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
	"<tool_response>", "</tool_response>", "<think>", "</think>",
}

// isQwen reports whether a folder of vocab.json and merges.txt is Qwen's and not CLIP's: by the class that its settings
// name, or else by the vocabulary, in which CLIP has "<|startoftext|>" and words that end in "</w>".
func isQwen(ids map[string]int32, config folderConfig) bool {
	if config.Class != "" {
		return strings.HasPrefix(config.Class, "Qwen")
	}
	for token := range ids {
		if token == "<|startoftext|>" || strings.HasSuffix(token, "</w>") {
			return false
		}
	}
	return true
}

// qwenDocument makes Qwen's tokenizer.json, as transformers' Qwen2Tokenizer does.
func qwenDocument(vocabulary []byte, ids map[string]int32, pairs []mergeJSON, config folderConfig) (document, error) {
	next := int32(0)
	for _, id := range ids {
		next = max(next, id+1)
	}
	var tokens []addedToken
	for _, content := range qwenTokens {
		id, ok := ids[content]
		if !ok {
			id = next
			next++
		}
		tokens = append(tokens, addedToken{ID: id, Content: content, Special: true})
	}
	added, err := config.added(tokens...)
	return document{
		Version:     "1.0",
		AddedTokens: added,
		Normalizer:  json.RawMessage(`{"type":"NFC"}`),
		PreTokenizer: json.RawMessage(fmt.Sprintf(`{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":%s},"behavior":"Isolated",`+
			`"invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}`, toJSON(qwenPattern))),
		PostProcessor: json.RawMessage(`{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}`),
		Decoder:       json.RawMessage(`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`),
		Model: toJSON(map[string]any{
			"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "", "end_of_word_suffix": "",
			"fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": json.RawMessage(vocabulary), "merges": pairs,
		}),
	}, err
}
