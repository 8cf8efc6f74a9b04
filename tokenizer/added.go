package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is cut out of the text before the model's stages.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // matches only where no letter or digit adjoins
	LeftStrip  bool   `json:"lstrip"`      // includes white space before it
	RightStrip bool   `json:"rstrip"`      // includes white space after it
	Normalized bool   `json:"normalized"`  // matches in the normalized text
	Special    bool   `json:"special"`
}

func (a addedToken) check() error {
	switch {
	case a.Content == "":
		return errors.New("an added token is empty")
	case len(a.Content) > maxTokenBytes:
		return fmt.Errorf("an added token has %d bytes, at most %d are allowed", len(a.Content), maxTokenBytes)
	case a.ID < 0:
		return fmt.Errorf("the added token %q has the negative id %d", a.Content, a.ID)
	}
	return nil
}

// part is an added token, or text between two of them.
type part struct {
	piece
	added bool
}

// splitAdded cuts the added tokens out of the text: leftmost first, and the longest
// of those that start at the same place. No part is empty.
func splitAdded(tokens *trie[addedToken], text string) []part {
	var parts []part
	done := 0
	for at := 0; at < len(text); {
		token, length := tokens.match(text[at:])
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
