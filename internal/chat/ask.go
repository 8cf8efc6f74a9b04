package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"reflectionflow/internal/endpoint"
)

// Ask wants the answer as a T, in the form of r.Schema, which is also written
// into the question. It takes JSON out of prose, code fences and thinking aloud;
// of several objects the last that check accepts. check, nil for none, says what
// is wrong with a value in words that the model will read.
//
// An answer that is no good is asked for once more, with what was wrong. When the
// second is no better, the error is of kind [endpoint.Malformed], and the T is the
// last that could be decoded at all (zero if none could), for callers that can use
// a part. The Reply is the last, its Cost that of both.
func Ask[T any](ctx context.Context, c *Client, r Request, check func(*T) error) (T, Reply, error) {
	var best T
	if r.Schema != nil {
		r.Parts = append(slices.Clip(r.Parts), Text(
			"\n\nAnswer with one JSON object of this JSON schema, and with nothing else:\n"+string(r.Schema.JSON)))
	}
	reply, err := c.Complete(ctx, r)
	if err != nil {
		return best, reply, err
	}
	value, complaint := decode(reply, r.Schema, check, &best)
	if complaint == nil {
		return value, reply, nil
	}
	if refuses(reply.Text) {
		return best, reply, c.endpoint.Errorf(endpoint.Declined, "%s", reply.Text)
	}
	spent := reply.Cost
	r.Parts = append(slices.Clip(r.Parts), Text(fmt.Sprintf(
		"\n\nYou have answered this before, and the answer could not be used: %v. The answer was: %s\nAnswer again, and mend that.",
		complaint, Quote(shorten(reply.Text, 4000)))))
	reply, err = c.Complete(ctx, r)
	reply.Cost = spent.Add(reply.Cost)
	if err != nil {
		return best, reply, err
	}
	if value, complaint = decode(reply, r.Schema, check, &best); complaint == nil {
		return value, reply, nil
	}
	if refuses(reply.Text) {
		return best, reply, c.endpoint.Errorf(endpoint.Declined, "%s", reply.Text)
	}
	unusable := c.endpoint.Errorf(endpoint.Malformed, "the model's answer cannot be used: %v", complaint)
	unusable.Err = errUnusable
	return best, reply, unusable
}

// decode finds the value in a reply; best is set to the last value that decodes
// although check refuses it.
func decode[T any](reply Reply, form *Form, check func(*T) error, best *T) (T, error) {
	complaint := errors.New("there is no JSON object in it")
	if reply.Cut {
		complaint = errors.New("it was cut off: be shorter")
	}
	objects := Objects(reply.Text)
	for i, object := range slices.Backward(objects) {
		var value T
		if err := json.Unmarshal(object, &value); err != nil {
			if i == len(objects)-1 {
				complaint = describe(err)
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
			complaint, *best = err, value
		}
	}
	var zero T
	return zero, complaint
}

// complete says which required key of the form's top level an object lacks.
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

func describe(err error) error {
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s must not be a %s", kind.Field, kind.Value)
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

// Quote writes a text of a user, a picture or a model into a prompt as what it
// is: a JSON string, whose end the text cannot fake. The marks with which chat templates
// begin and end turns and place pictures, such as <|im_end|>, </s>, <__media__> and
// [INST], are escaped: servers read them in a message too.
func Quote(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(visible(text)) != nil { // a string always encodes
		return `""`
	}
	return marks.ReplaceAllStringFunc(strings.TrimSuffix(b.String(), "\n"), func(m string) string {
		return fmt.Sprintf(`\u%04x`, m[0]) + m[1:]
	})
}

// marks begin like what chat templates read.
var marks = regexp.MustCompile(`<([\pL\pN_/|])|\[(/?[A-Z_]+\])`)

// Plain writes a text into a prompt as it is but for marks, which get a space, and
// what nobody sees; for wordings that a model was trained on, where a quoted text
// would be another question.
func Plain(text string) string {
	return marks.ReplaceAllStringFunc(visible(text), func(m string) string { return m[:1] + " " + m[1:] })
}

// visible leaves out control and format characters, in which a text can hide what it
// says to the model.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\u200c' || r == '\u200d': // the last two shape letters and emoji
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// shorten cuts a text to so many bytes, between runes.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}
