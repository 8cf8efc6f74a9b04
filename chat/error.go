package chat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"reflectionflow"
)

// maxMessage bounds the text of an error in characters.
const maxMessage = 300

// refusal returns the error of a refusal in prose.
func refusal(m Model, text string) error {
	return answerError(m, errors.Join(ErrRefused, reflectionflow.ErrPermanent), "declined: "+text)
}

// answerError returns an error of one line about an answer. A model that has secrets
// removes them from the text by a method Clean.
func answerError(m Model, kind error, text string) error {
	if cleaner, ok := m.(interface{ Clean(text string) string }); ok {
		text = cleaner.Clean(text)
	}
	return &unanswered{kind: kind, text: fmt.Sprintf("endpoint %s: %s", m.Name(), oneLine(text))}
}

// oneLine returns a text on one line, shortened and without invisible characters.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxMessage {
		runes = append(slices.Clip(runes[:maxMessage]), '…')
	}
	return string(runes)
}

// unanswered is an error with a text of its own that wraps kind.
type unanswered struct {
	kind error
	text string
}

func (e *unanswered) Error() string { return e.text }
func (e *unanswered) Unwrap() error { return e.kind }
