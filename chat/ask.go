package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Ask returns the answer to r as a T. The schema r.Form, if set, is also written into the
// question, for servers that do not enforce it. Ask finds the JSON object in prose, code
// fences and reasoning; of several it takes the last that check accepts. check, which may
// be nil, returns what is wrong with a value; the model reads the text.
//
// An answer without a valid object is asked for once more, with what was wrong. If the
// second answer is not valid either, the error wraps [ErrUnusable], and the T is the last
// value that could be decoded, zero if none could. If the model refuses, the error wraps
// [ErrRefused]. The Reply is the last, with the cost of both.
func Ask[T any](ctx context.Context, m Model, r Request, check func(*T) error) (T, Reply, error) {
	var best T
	if r.Form != nil {
		r.Parts = append(slices.Clip(r.Parts), Text(
			"\n\nAnswer with one JSON object of this JSON schema, and with nothing else:\n"+string(r.Form.JSON)))
	}
	reply, err := m.Complete(ctx, r)
	if err != nil {
		return best, reply, err
	}
	value, problem := decode(reply, r.Form, check, &best)
	if problem == nil {
		return value, reply, nil
	}
	if refuses(reply.Text) {
		return best, reply, refusal(m, reply.Text)
	}
	spent := reply.Cost
	r.Parts = append(slices.Clip(r.Parts), Text(fmt.Sprintf(
		"\n\nYou have answered this before, and the answer could not be used: %v. The answer was: %s\nAnswer again and correct this.",
		problem, Quote(shorten(reply.Text, 4000)))))
	reply, err = m.Complete(ctx, r)
	reply.Cost = spent.Add(reply.Cost)
	if err != nil {
		return best, reply, err
	}
	if value, problem = decode(reply, r.Form, check, &best); problem == nil {
		return value, reply, nil
	}
	if refuses(reply.Text) {
		return best, reply, refusal(m, reply.Text)
	}
	text := fmt.Sprintf("%v: %v", ErrUnusable, problem)
	if len(Objects(reply.Text)) == 0 {
		text += fmt.Sprintf(": it answered %s", Quote(reply.Text))
	}
	return best, reply, answerError(m, ErrUnusable, text)
}

// decode finds the value in a reply. It sets best to the last value that decodes but is
// not valid.
func decode[T any](reply Reply, form *Form, check func(*T) error, best *T) (T, error) {
	problem := errors.New("there is no JSON object in it")
	if reply.Truncated {
		problem = errors.New("it was cut off: be shorter")
	}
	objects := Objects(reply.Text)
	for i, object := range slices.Backward(objects) {
		var value T
		if err := json.Unmarshal(object, &value); err != nil {
			if i == len(objects)-1 {
				problem = describe(err)
			}
			continue
		}
		err := complete(form, object)
		if err == nil && check != nil {
			err = check(&value)
		}
		if err == nil {
			return value, nil
		}
		if i == len(objects)-1 {
			problem, *best = err, value
		}
	}
	var zero T
	return zero, problem
}

// complete returns an error naming a required key of the form's top level that the object
// lacks.
func complete(form *Form, object json.RawMessage) error {
	if form == nil {
		return nil
	}
	var schema struct {
		Required []string `json:"required"`
	}
	var has map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(form.JSON, &schema), json.Unmarshal(object, &has)); err != nil {
		return err
	}
	for _, key := range schema.Required {
		if _, ok := has[key]; !ok {
			return fmt.Errorf("%q is missing", key)
		}
	}
	return nil
}

// describe returns a decoding error in words that a model understands.
func describe(err error) error {
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s must not be a %s", mismatch.Field, mismatch.Value)
	}
	return err
}

// refuses reports whether an answer without usable JSON is a refusal in prose.
func refuses(text string) bool {
	if len(Objects(text)) > 0 {
		return false
	}
	head := strings.ToLower(strings.TrimSpace(strings.ReplaceAll(shorten(text, 200), "’", "'")))
	for _, opening := range []string{
		"i'm sorry", "i am sorry", "sorry, ", "i cannot ", "i can't ", "i can not ", "i'm unable", "i am unable", "i won't ", "i'm not able", "i am not able",
		"unfortunately, i can", "as an ai",
	} {
		if strings.HasPrefix(head, opening) {
			return true
		}
	}
	return false
}
