package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// charsmap is SentencePiece's table of rules for rewriting characters
// (precompiled_charsmap), Unicode's NFKC and a few more for T5: a double-array trie
// (Darts) from what is replaced to where its replacement begins.
type charsmap struct {
	units        []uint32
	replacements string // each ends with a zero byte
}

// parseCharsmap reads a table: the size of the trie in bytes, the trie, and the
// replacements.
func parseCharsmap(table []byte) (*charsmap, error) {
	if len(table) < 4 {
		return nil, errors.New("normalizer Precompiled: the table is too short")
	}
	size := uint64(binary.LittleEndian.Uint32(table))
	table = table[4:]
	if size > uint64(len(table)) || size%4 != 0 || size == 0 {
		return nil, errors.New("normalizer Precompiled: the size of the trie does not fit the table")
	}
	c := &charsmap{units: make([]uint32, size/4), replacements: string(table[size:])}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(table[4*i:])
	}
	if !utf8.ValidString(c.replacements) {
		return nil, errors.New("normalizer Precompiled: the replacements are not valid UTF-8")
	}
	for replacement := range strings.SplitSeq(c.replacements, "\x00") {
		if len(replacement) > maxReplacement {
			return nil, fmt.Errorf("normalizer Precompiled: a replacement has %d bytes, at most %d are allowed", len(replacement), maxReplacement)
		}
	}
	return c, nil
}

// normalize rewrites grapheme clusters of at most maxCluster bytes that have a rule
// as a whole, and otherwise the characters that have one.
func (c *charsmap) normalize(text string) string {
	const maxCluster = 5
	var b strings.Builder
	b.Grow(len(text))
	for state := -1; text != ""; {
		var cluster string
		cluster, text, _, state = uniseg.FirstGraphemeClusterInString(text, state)
		if len(cluster) <= maxCluster {
			if replacement, ok := c.find(cluster); ok {
				b.WriteString(replacement)
				continue
			}
		}
		for i, r := range cluster {
			character := cluster[i : i+utf8.RuneLen(r)]
			if replacement, ok := c.find(character); ok {
				b.WriteString(replacement)
				continue
			}
			b.WriteString(character)
		}
	}
	return b.String()
}

// find returns the replacement of the shortest prefix of text that has one. As in the
// tokenizers library, it then replaces the whole text (see [charsmap.normalize]);
// SentencePiece itself uses the longest prefix.
func (c *charsmap) find(text string) (replacement string, ok bool) {
	unit := c.units[0]
	at := offset(unit)
	for i := range len(text) {
		label := uint32(text[i])
		at ^= label
		if label == 0 || at >= uint32(len(c.units)) {
			return "", false
		}
		if unit = c.units[at]; unit&(1<<31|0xff) != label {
			return "", false
		}
		at ^= offset(unit)
		if unit>>8&1 == 0 { // nothing ends here
			continue
		}
		if at >= uint32(len(c.units)) {
			return "", false
		}
		begin := c.units[at] &^ (1 << 31)
		if uint64(begin) >= uint64(len(c.replacements)) || !utf8.RuneStart(c.replacements[begin]) {
			return "", false
		}
		replacement, _, _ = strings.Cut(c.replacements[begin:], "\x00")
		return replacement, true
	}
	return "", false
}

// offset returns the offset of a unit's children from the unit.
func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
