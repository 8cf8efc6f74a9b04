// Package terminal makes text safe to print. Prompts, paths and the replies of servers
// may hold escape sequences that rewrite the screen, the window title or the clipboard,
// and marks that reverse the direction of text. [Writer] escapes them in all that a
// program prints and in the pages that it renders, [Line] in a text that must stay on one line.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Line returns the text on one line: runs of white space become one space, and control
// characters are escaped as [Writer] does.
func Line(text string) string {
	return string(appendSafe(nil, []byte(strings.Join(strings.Fields(text), " "))))
}

// Writer escapes control characters on their way to a writer: the C0 set but tab and
// line feed, DEL, the C1 set, bidirectional controls, U+2028, U+2029 and U+FEFF become
// \uXXXX. JSON stays JSON, with the same values. Bytes that are not UTF-8 become U+FFFD.
// A Writer may be used concurrently.
type Writer struct {
	mu      sync.Mutex
	w       io.Writer
	partial []byte // beginning of a rune whose end has not been written yet
}

// NewWriter returns a Writer to w. A Writer is returned as is.
func NewWriter(w io.Writer) *Writer {
	if safe, ok := w.(*Writer); ok {
		return safe
	}
	return &Writer{w: w}
}

// Write implements [io.Writer].
func (w *Writer) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	whole := append(w.partial, text...)
	end := len(whole) - len(partialRune(whole))
	w.partial = append([]byte(nil), whole[end:]...)
	if _, err := w.w.Write(appendSafe(nil, whole[:end])); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Unwrap returns the writer behind w, for a display that moves the cursor itself. Its
// texts must be passed through [Line].
func (w *Writer) Unwrap() io.Writer { return w.w }

// partialRune returns the bytes at the end of text that begin a rune without ending it.
func partialRune(text []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return nil
			}
			return tail
		}
	}
	return nil
}

func appendSafe(out, text []byte) []byte {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			out = utf8.AppendRune(out, utf8.RuneError)
		case isControl(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out
}

// isControl reports whether a terminal acts on the rune instead of showing it.
func isControl(r rune) bool {
	switch r {
	case '\n', '\t':
		return false
	case '\u2028', '\u2029', '\ufeff':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}
