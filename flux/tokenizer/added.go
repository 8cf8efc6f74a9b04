package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAddedBytes is the longest text of an added token.
const maxAddedBytes = 256

// addedToken is a token that is found in the text before the model sees it.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only where no letter or digit adjoins
	LeftStrip  bool   `json:"lstrip"`      // swallows white space before it
	RightStrip bool   `json:"rstrip"`      // and after it
	Normalized bool   `json:"normalized"`  // looked for in the normalized text
	Special    bool   `json:"special"`
}

func (a addedToken) check() error {
	switch {
	case a.Content == "":
		return errors.New("an added token is empty")
	case len(a.Content) > maxAddedBytes:
		return fmt.Errorf("an added token has %d bytes, at most %d are allowed", len(a.Content), maxAddedBytes)
	case a.ID < 0:
		return fmt.Errorf("the added token %q has the negative id %d", a.Content, a.ID)
	}
	return nil
}

// trie finds added tokens by their bytes.
type trie struct {
	next  map[byte]*trie
	token *addedToken // that ends here
}

func (t *trie) insert(content string, token addedToken) {
	for i := range len(content) {
		child := t.next[content[i]]
		if child == nil {
			child = &trie{}
			if t.next == nil {
				t.next = map[byte]*trie{}
			}
			t.next[content[i]] = child
		}
		t = child
	}
	t.token = &token
}

// match returns the longest token that text begins with, and its length, or nil.
func (t *trie) match(text string) (token *addedToken, length int) {
	for i := range len(text) {
		if t = t.next[text[i]]; t == nil {
			break
		}
		if t.token != nil {
			token, length = t.token, i+1
		}
	}
	return token, length
}

// part is an added token, or text between two of them.
type part struct {
	piece
	added bool
}

// split cuts the added tokens out of the text: the leftmost first, the longest of
// those that begin at one place. No part is empty.
func (t *trie) split(text string) []part {
	var parts []part
	done := 0
	for at := 0; at < len(text); {
		token, length := t.match(text[at:])
		if token == nil {
			at++
			continue
		}
		start, end := at, at+length
		at = end
		if token.SingleWord && (endsWithWord(text[:start]) || startsWithWord(text[end:])) {
			continue
		}
		if token.LeftStrip {
			start = max(done, len(strings.TrimRightFunc(text[:start], unicode.IsSpace)))
		}
		if token.RightStrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
		}
		if done < start {
			parts = append(parts, part{piece: piece{text: text[done:start]}})
		}
		parts = append(parts, part{piece: piece{id: token.ID, text: token.Content}, added: true})
		done = end
		at = max(at, end)
	}
	if done < len(text) {
		parts = append(parts, part{piece: piece{text: text[done:]}})
	}
	return parts
}

func startsWithWord(text string) bool {
	r, size := utf8.DecodeRuneInString(text)
	return size > 0 && isWord(r)
}

func endsWithWord(text string) bool {
	r, size := utf8.DecodeLastRuneInString(text)
	return size > 0 && isWord(r)
}

// isWord is \w of Unicode Technical Standard 18, annex C.
func isWord(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return r == '_' || r == nonJoiner || r == joiner ||
		unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc)
}
