package disk

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// ErrNotUTF8 reports a text in another encoding than UTF-8.
var ErrNotUTF8 = errors.New("the text is in UTF-16 or binary: save it as UTF-8")

// Text returns a reader of a UTF-8 text without its byte-order mark, which Windows
// editors write. Its error is [ErrNotUTF8] for UTF-16 or UTF-32, which begin with another
// mark or have a zero byte among their first characters; a read error is left to the
// reader.
func Text(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, _ := b.Peek(4)
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")), bytes.IndexByte(head, 0) >= 0:
		return nil, ErrNotUTF8
	case bytes.HasPrefix(head, []byte("\ufeff")):
		_, _ = b.Discard(3) // peeked at
	}
	return b, nil
}
