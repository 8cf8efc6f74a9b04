package chat_test

import (
	"errors"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
)

type cleaning struct{ *parrot }

func (cleaning) Clean(text string) string { return strings.ReplaceAll(text, "sk-1", "[secret]") }

func TestErrorsOfAnswersAreClassifiedAndCleaned(t *testing.T) {
	question := chat.Request{Parts: []chat.Part{chat.Text("?")}}
	_, _, err := chat.Ask[struct{}](t.Context(), cleaning{&parrot{answers: []string{"I cannot help\n\u200bwith sk-1."}}}, question, nil)
	if !errors.Is(err, chat.ErrRefused) || !chat.Unanswered(err) || !errors.Is(err, reflectionflow.ErrPermanent) ||
		err.Error() != "endpoint parrot: declined: I cannot help with [secret]." {
		t.Errorf("got %v", err)
	}
	_, _, err = chat.Ask[struct{}](t.Context(), &parrot{answers: []string{"no", "No."}}, question, nil)
	if !errors.Is(err, chat.ErrUnusable) || !chat.Unanswered(err) || errors.Is(err, reflectionflow.ErrPermanent) || errors.Is(err, chat.ErrRefused) {
		t.Errorf("got %v", err)
	}
	long := strings.Repeat("word ", 1000)
	_, _, err = chat.Ask[struct{}](t.Context(), &parrot{answers: []string{"I cannot " + long}}, question, nil)
	if err == nil || len(err.Error()) > 400 {
		t.Errorf("got an error of %d bytes", len(err.Error()))
	}
}

// idle is a model that reports no concurrency.
type idle struct{ *parrot }

func (idle) Concurrency() int { return 0 }

func TestEachReturnsTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	for _, m := range []chat.Model{&parrot{}, idle{&parrot{}}} {
		calls := 0
		err := chat.Each(t.Context(), m, 5, func(i int) error {
			calls++
			if i == 2 {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) || calls != 3 {
			t.Errorf("got %v after %d calls, want an error after 3", err, calls)
		}
	}
}
