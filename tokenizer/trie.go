package tokenizer

import "bytes"

// trie maps texts to values and finds those that a text begins with.
type trie[T any] struct {
	labels   []byte
	children []*trie[T] // by label
	value    *T         // of the text that ends here
}

func (t *trie[T]) insert(text string, value T) {
	for i := range len(text) {
		child := t.child(text[i])
		if child == nil {
			child = &trie[T]{}
			t.labels, t.children = append(t.labels, text[i]), append(t.children, child)
		}
		t = child
	}
	t.value = &value
}

func (t *trie[T]) child(label byte) *trie[T] {
	if i := bytes.IndexByte(t.labels, label); i >= 0 {
		return t.children[i]
	}
	return nil
}

// prefixes yields the length and the value of every text that is a prefix of text, the
// shortest first.
func (t *trie[T]) prefixes(text string) func(yield func(length int, value *T) bool) {
	return func(yield func(int, *T) bool) {
		node := t
		for i := range len(text) {
			if node = node.child(text[i]); node == nil {
				return
			}
			if node.value != nil && !yield(i+1, node.value) {
				return
			}
		}
	}
}

// match returns the value and the length of the longest prefix of text, or nil.
func (t *trie[T]) match(text string) (value *T, length int) {
	for n, v := range t.prefixes(text) {
		value, length = v, n
	}
	return value, length
}
