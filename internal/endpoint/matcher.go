package endpoint

import (
	"encoding/hex"
	"strings"
)

// matcher finds strings in a text in which any of their characters may be
// percent-encoded, with digits of either case, once or repeatedly (%2B, %252b), and a
// space may be a plus sign.
type matcher struct {
	forms []string // longest first
	first [256]bool
}

func newMatcher(forms []string) matcher {
	m := matcher{forms: forms}
	for _, form := range forms {
		m.first[form[0]] = true
		m.first['%'] = true
		m.first['+'] = m.first['+'] || form[0] == ' '
	}
	return m
}

// Replace returns the text with every form replaced by "[secret]".
func (m *matcher) Replace(text string) string {
	var out strings.Builder
	kept := 0 // the text before it is in out
	for i := 0; i < len(text); {
		size := 0
		if m.first[text[i]] {
			size = m.match(text[i:])
		}
		if size == 0 {
			i++
			continue
		}
		out.WriteString(text[kept:i])
		out.WriteString(hidden)
		i += size
		kept = i
	}
	if kept == 0 {
		return text
	}
	out.WriteString(text[kept:])
	return out.String()
}

// match returns the length of the longest form at the start of the text; 0 for none.
func (m *matcher) match(text string) int {
	for _, form := range m.forms {
		if size, ok := encodedPrefix(text, form); ok {
			return size
		}
	}
	return 0
}

// encodedPrefix returns the length of a form at the start of the text.
func encodedPrefix(text, form string) (int, bool) {
	n := 0
	for i := range len(form) {
		rest, char := text[n:], form[i]
		switch {
		case rest == "":
			return 0, false
		case char == '%':
			return percentPrefix(text, n, form[i+1:])
		case rest[0] == char || rest[0] == '+' && char == ' ':
			n++
		default:
			escape := escapeSize(rest, char)
			if escape == 0 {
				return 0, false
			}
			n += escape
		}
	}
	return n, true
}

// percentPrefix continues encodedPrefix after n bytes of the text with a percent sign and
// the form after it. The sign is the only character whose escape begins with itself, so
// all its lengths are tried: %, %25, %2525 and so on.
func percentPrefix(text string, n int, form string) (int, bool) {
	if text[n] != '%' {
		return 0, false
	}
	for end := n + 1; ; end += 2 {
		if size, ok := encodedPrefix(text[end:], form); ok {
			return end + size, true
		}
		if !strings.HasPrefix(text[end:], "25") {
			return 0, false
		}
	}
}

// escapeSize returns the length of the escape of a character at the start of the text:
// %XX, or %25XX and so on where it was escaped repeatedly; 0 for none.
func escapeSize(text string, char byte) int {
	if text == "" || text[0] != '%' {
		return 0
	}
	for end := 3; end <= len(text); end += 2 {
		var value [1]byte
		switch _, err := hex.Decode(value[:], []byte(text[end-2:end])); {
		case err != nil:
			return 0
		case value[0] == char:
			return end
		case value[0] != '%':
			return 0
		}
	}
	return 0
}
