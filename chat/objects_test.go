package chat_test

import (
	"strings"
	"testing"

	"reflectionflow/chat"
)

func FuzzObjects(f *testing.F) {
	for _, seed := range []string{`{"a":1,}`, "```json\n{\"a\":[1,2,],}\n```", `{"a":"\"}"} {"b":{}}`, `{{{{`, `</think>{}`, "{\"a\": // x\n1}", `{"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, object := range chat.Objects(text) {
			if !strings.HasPrefix(string(object), "{") {
				t.Errorf("%q is no object", object)
			}
		}
	})
}
