package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"
)

// unknownPenalty is the difference of the logarithmic probabilities of the rarest
// token and an unknown character (SentencePiece's kUnkPenalty).
const unknownPenalty = 10

// unigram splits a word into the tokens whose logarithmic probabilities have the
// greatest sum (Kudo, arXiv 1804.10959), by the Viterbi algorithm. A run of characters
// that are in no token becomes one unknown token.
type unigram struct {
	ids          map[string]int32
	tree         trie[scored]
	unknownID    int32
	unknownScore float64
	byteIDs      []int32 // with byte fallback: tokens of the 256 bytes
}

// scored is a token's id and logarithmic probability.
type scored struct {
	id    int32
	score float64
}

// step is the last token of the best segmentation that ends at a place of the word.
type step struct {
	scored
	start   int // where the token begins; -1 if there is no segmentation
	unknown bool
}

func (u *unigram) appendPieces(pieces []piece, word string) []piece {
	best := make([]step, len(word)+1)
	for i := range best {
		best[i].start = -1
	}
	reach := func(end int, s step) {
		if b := &best[end]; b.start < 0 || s.score > b.score {
			*b = s
		}
	}
	for start, r := range word {
		here, width, hasSingle := best[start].score, utf8.RuneLen(r), false
		for length, token := range u.tree.prefixes(word[start:]) {
			reach(start+length, step{scored{token.id, here + token.score}, start, token.id == u.unknownID})
			hasSingle = hasSingle || length == width
		}
		if !hasSingle {
			reach(start+width, step{scored{u.unknownID, here + u.unknownScore}, start, true})
		}
	}
	first := len(pieces)
	for end := len(word); end > 0; {
		last := best[end]
		start := last.start
		for last.unknown && start > 0 && best[start].unknown {
			start = best[start].start
		}
		if last.unknown {
			pieces = u.appendUnknown(pieces, word[start:end])
		} else {
			pieces = append(pieces, piece{id: last.id, text: word[start:end]})
		}
		end = start
	}
	slices.Reverse(pieces[first:])
	return pieces
}

// appendUnknown appends the pieces of a run of unknown characters, the last piece
// first: one token if the run is one, or the tokens of its bytes, or the unknown token.
func (u *unigram) appendUnknown(pieces []piece, text string) []piece {
	if id, ok := u.ids[text]; ok {
		return append(pieces, piece{id: id, text: text})
	}
	if u.byteIDs == nil {
		return append(pieces, piece{id: u.unknownID, text: text})
	}
	for i := len(text) - 1; i >= 0; i-- {
		pieces = append(pieces, piece{id: u.byteIDs[text[i]], text: text[i : i+1]})
	}
	return pieces
}

func (u *unigram) vocabulary() map[string]int32 { return maps.Clone(u.ids) }

// unknown reports no token: Unigram has unknown characters, but no unknown words.
func (u *unigram) unknown() (int32, bool) { return 0, false }

// scoredJSON is an entry of the vocabulary, ["token", -3.5].
type scoredJSON struct {
	token string
	score float64
}

func (s *scoredJSON) UnmarshalJSON(text []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("an entry of the vocabulary has %d members, not two", len(pair))
	}
	if err := json.Unmarshal(pair[0], &s.token); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &s.score)
}

func (s scoredJSON) MarshalJSON() ([]byte, error) { return json.Marshal([]any{s.token, s.score}) }

// unigramJSON is the model's JSON form.
type unigramJSON struct {
	Type         string       `json:"type"`
	UnknownID    *int64       `json:"unk_id"`
	Vocabulary   []scoredJSON `json:"vocab"`
	ByteFallback bool         `json:"byte_fallback"`
}

func parseUnigram(text json.RawMessage) (model, error) {
	var j unigramJSON
	if _, err := decode(text, &j); err != nil {
		return nil, err
	}
	switch {
	case len(j.Vocabulary) > maxVocabulary:
		return nil, fmt.Errorf("there are %d tokens, at most %d are allowed", len(j.Vocabulary), maxVocabulary)
	case j.UnknownID == nil:
		return nil, errors.New("a Unigram model without unk_id is not supported")
	case *j.UnknownID < 0 || *j.UnknownID >= int64(len(j.Vocabulary)):
		return nil, fmt.Errorf("unk_id is %d, the vocabulary has %d tokens", *j.UnknownID, len(j.Vocabulary))
	}
	u := &unigram{ids: make(map[string]int32, len(j.Vocabulary)), unknownID: int32(*j.UnknownID)}
	least := math.Inf(1)
	for id, entry := range j.Vocabulary {
		if _, ok := u.ids[entry.token]; ok {
			return nil, fmt.Errorf("the token %q comes twice in the vocabulary", entry.token)
		}
		if len(entry.token) > maxTokenBytes {
			return nil, fmt.Errorf("a token has %d bytes, at most %d are allowed", len(entry.token), maxTokenBytes)
		}
		u.ids[entry.token] = int32(id)
		u.tree.insert(entry.token, scored{int32(id), entry.score})
		least = min(least, entry.score)
	}
	u.unknownScore = least - unknownPenalty
	if j.ByteFallback {
		return u, u.findBytes()
	}
	return u, nil
}

// findBytes finds the tokens of single bytes.
func (u *unigram) findBytes() error {
	u.byteIDs = make([]int32, 256)
	for b := range u.byteIDs {
		token := fmt.Sprintf("<0x%02X>", b)
		id, ok := u.ids[token]
		if !ok {
			return fmt.Errorf("byte_fallback needs the token %q", token)
		}
		u.byteIDs[b] = id
	}
	return nil
}
