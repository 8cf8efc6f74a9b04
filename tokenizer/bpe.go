package tokenizer

import (
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"
)

// bpe is byte-pair encoding (Sennrich et al., arXiv 1508.07909). A word starts as its
// characters, the last one with the suffix. Then the neighbors whose merge has the
// lowest rank are joined, until no pair has a merge.
type bpe struct {
	ids       map[string]int32
	merges    map[[2]int32]merge
	suffix    string // of a word's last character, CLIP's is "</w>"
	unknownID int32
	hasUnk    bool        // false: characters that the vocabulary lacks are dropped
	bytes     *[256]int32 // tokens that spell such characters, nil for none
}

// merge is the rank of a merge and the id of the joined token.
type merge struct{ rank, id int32 }

// symbol is a token of a word that is being merged: a node of a doubly linked list of
// indices, which -1 ends.
type symbol struct {
	id         int32
	start, end int // in the word
	prev, next int
}

func (b *bpe) appendPieces(pieces []piece, word string) []piece {
	symbols := b.symbols(word)
	queue := &mergeQueue{}
	offer := func(i int) {
		if i < 0 || symbols[i].next < 0 {
			return
		}
		if m, ok := b.merges[[2]int32{symbols[i].id, symbols[symbols[i].next].id}]; ok {
			heap.Push(queue, uint64(m.rank)<<32|uint64(i))
		}
	}
	for i := range symbols {
		offer(i)
	}
	for queue.Len() > 0 {
		entry := heap.Pop(queue).(uint64)
		i := int(uint32(entry))
		left := &symbols[i]
		if left.end == 0 || left.next < 0 { // merged into another, or the last one
			continue
		}
		right := &symbols[left.next]
		m, ok := b.merges[[2]int32{left.id, right.id}]
		if !ok || uint64(m.rank) != entry>>32 { // another pair than the queued one
			continue
		}
		left.id, left.end, left.next = m.id, right.end, right.next
		right.end = 0
		if left.next >= 0 {
			symbols[left.next].prev = i
		}
		offer(left.prev)
		offer(i)
	}
	for i := 0; i >= 0 && i < len(symbols); i = symbols[i].next {
		pieces = append(pieces, piece{id: symbols[i].id, text: word[symbols[i].start:symbols[i].end]})
	}
	return pieces
}

// symbols returns the word's characters.
func (b *bpe) symbols(word string) []symbol {
	symbols := make([]symbol, 0, len(word))
	for start, r := range word {
		end := start + utf8.RuneLen(r)
		token := word[start:end]
		if end == len(word) {
			token += b.suffix
		}
		id, ok := b.ids[token]
		if !ok && b.bytes != nil {
			for i := start; i < end; i++ {
				n := len(symbols)
				symbols = append(symbols, symbol{id: b.bytes[word[i]], start: i, end: i + 1, prev: n - 1, next: n + 1})
			}
			continue
		}
		if !ok && !b.hasUnk {
			continue
		}
		if !ok {
			id = b.unknownID
		}
		n := len(symbols)
		symbols = append(symbols, symbol{id: id, start: start, end: end, prev: n - 1, next: n + 1})
	}
	if n := len(symbols); n > 0 {
		symbols[n-1].next = -1
	}
	return symbols
}

func (b *bpe) vocabulary() map[string]int32 { return maps.Clone(b.ids) }

// unknown reports no token: BPE spells every word.
func (b *bpe) unknown() (int32, bool) { return 0, false }

// mergeQueue is a heap of merges to try: the rank, then the left symbol's index.
type mergeQueue []uint64

func (q mergeQueue) Len() int           { return len(q) }
func (q mergeQueue) Less(i, j int) bool { return q[i] < q[j] }
func (q mergeQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *mergeQueue) Push(entry any)    { *q = append(*q, entry.(uint64)) }
func (q *mergeQueue) Pop() any {
	last := len(*q) - 1
	entry := (*q)[last]
	*q = (*q)[:last]
	return entry
}

// mergeJSON is a merge in its two forms, "a b" and ["a", "b"].
type mergeJSON [2]string

func (m *mergeJSON) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		if m.plain(string(text)) {
			return nil
		}
		var pair []string
		if err := json.Unmarshal(text, &pair); err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("a merge has %d tokens, not two", len(pair))
		}
		*m = mergeJSON(pair)
		return nil
	}
	var line string
	if err := json.Unmarshal(text, &line); err != nil {
		return err
	}
	var ok bool
	*m, ok = cutMerge(line)
	if !ok {
		return fmt.Errorf("the merge %q is not two tokens with a space between", line)
	}
	return nil
}

// plain reads an array of two strings without escapes, as most of the many merges of a file are, and reports whether
// text is one.
func (m *mergeJSON) plain(text string) bool {
	parts := strings.SplitN(text, `"`, 6)
	if len(parts) != 5 || strings.Contains(text, `\`) || strings.TrimSpace(parts[2]) != "," || strings.TrimSpace(parts[4]) != "]" {
		return false
	}
	m[0], m[1] = parts[1], parts[3]
	return true
}

// cutMerge splits "a b" at its space.
func cutMerge(line string) (mergeJSON, bool) {
	left, right, ok := strings.Cut(line, " ")
	return mergeJSON{left, right}, ok && left != "" && right != "" && !strings.Contains(right, " ")
}

func parseBPE(text json.RawMessage) (model, error) {
	var j struct {
		Vocabulary map[string]int64 `json:"vocab"`
		Merges     []mergeJSON      `json:"merges"`
		Unknown    *string          `json:"unk_token"`
		Suffix     string           `json:"end_of_word_suffix"`

		Dropout      float64 `json:"dropout"`
		Prefix       string  `json:"continuing_subword_prefix"`
		FuseUnknown  bool    `json:"fuse_unk"`
		ByteFallback bool    `json:"byte_fallback"`
		IgnoreMerges bool    `json:"ignore_merges"`
	}
	if _, err := decode(text, &j); err != nil {
		return nil, err
	}
	switch {
	case j.Dropout != 0 || j.Prefix != "" || j.FuseUnknown && !j.ByteFallback || j.IgnoreMerges:
		return nil, errors.New("BPE with dropout, continuing_subword_prefix, ignore_merges or fuse_unk without byte_fallback is not supported")
	case len(j.Merges) > maxVocabulary:
		return nil, fmt.Errorf("there are %d merges, at most %d are allowed", len(j.Merges), maxVocabulary)
	}
	ids, err := checkVocabulary(j.Vocabulary)
	if err != nil {
		return nil, err
	}
	b := &bpe{ids: ids, merges: make(map[[2]int32]merge, len(j.Merges)), suffix: j.Suffix}
	if j.ByteFallback { // then nothing is unknown
		if b.bytes, err = spellMissing(ids); err != nil {
			return nil, err
		}
	}
	if j.Unknown != nil {
		if b.unknownID, b.hasUnk = ids[*j.Unknown]; !b.hasUnk {
			return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", *j.Unknown)
		}
	}
	for rank, pair := range j.Merges {
		left, okLeft := ids[pair[0]]
		right, okRight := ids[pair[1]]
		joined, ok := ids[pair[0]+pair[1]]
		if !okLeft || !okRight || !ok {
			return nil, fmt.Errorf("the merge %q needs tokens that are not in the vocabulary", pair[0]+" "+pair[1])
		}
		b.merges[[2]int32{left, right}] = merge{rank: int32(rank), id: joined}
	}
	return b, nil
}
