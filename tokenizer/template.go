package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxTemplate bounds the special tokens that a template adds to a text.
const maxTemplate = 64

// templateJSON is a post-processor of the type TemplateProcessing. Its template for
// pairs of texts is kept but not used.
type templateJSON struct {
	Type    string                      `json:"type"`
	Single  []templateItem              `json:"single"`
	Pair    []templateItem              `json:"pair"`
	Special map[string]templateSpecials `json:"special_tokens"`
}

// templateItem is a special token or, under the id "A", the text.
type templateItem struct {
	SpecialToken *templateReference `json:"SpecialToken,omitempty"`
	Sequence     *templateReference `json:"Sequence,omitempty"`
}

type templateReference struct {
	ID     string `json:"id"`
	TypeID int    `json:"type_id"`
}

// templateSpecials are the tokens that a special token of a template expands to.
type templateSpecials struct {
	ID     string   `json:"id"`
	IDs    []int32  `json:"ids"`
	Tokens []string `json:"tokens"`
}

// newTemplate makes the template PREFIX text SUFFIX.
func newTemplate(prefix, suffix []string, ids map[string]int32) templateJSON {
	t := templateJSON{Type: "TemplateProcessing", Special: map[string]templateSpecials{}}
	add := func(tokens []string) {
		for _, token := range tokens {
			t.Single = append(t.Single, templateItem{SpecialToken: &templateReference{ID: token}})
			t.Special[token] = templateSpecials{ID: token, IDs: []int32{ids[token]}, Tokens: []string{token}}
		}
	}
	add(prefix)
	t.Single = append(t.Single, templateItem{Sequence: &templateReference{ID: "A"}})
	add(suffix)
	t.Pair = []templateItem{{Sequence: &templateReference{ID: "A"}}, {Sequence: &templateReference{ID: "B", TypeID: 1}}}
	return t
}

// robertaJSON is a post-processor of the type RobertaProcessing, which CLIP has: one
// special token before and one after the text, each with its id.
type robertaJSON struct {
	Before []json.RawMessage `json:"cls"`
	After  []json.RawMessage `json:"sep"`
}

func (r robertaJSON) ids() (prefix, suffix []int32, err error) {
	id := func(pair []json.RawMessage) []int32 {
		ids := make([]int32, 1)
		if len(pair) != 2 {
			err = errors.New("post_processor: RobertaProcessing needs cls and sep, each a token and its id")
		} else if json.Unmarshal(pair[1], &ids[0]) != nil {
			err = fmt.Errorf("post_processor: %s is no id", pair[1])
		}
		return ids
	}
	prefix, suffix = id(r.Before), id(r.After)
	return prefix, suffix, err
}

// parseTemplate returns the ids before and after the text.
func parseTemplate(text json.RawMessage) (prefix, suffix []int32, err error) {
	var j templateJSON
	switch isNull, err := decode(text, &j); {
	case err != nil:
		return nil, nil, fmt.Errorf("post_processor: %w", err)
	case isNull:
		return nil, nil, nil
	case j.Type == "RobertaProcessing":
		var j robertaJSON
		if _, err := decode(text, &j); err != nil {
			return nil, nil, fmt.Errorf("post_processor: %w", err)
		}
		return j.ids()
	case j.Type == "ByteLevel": // adds no tokens
		return nil, nil, nil
	case j.Type != "TemplateProcessing":
		return nil, nil, fmt.Errorf("the post-processor %q is not supported: TemplateProcessing, RobertaProcessing and ByteLevel are", j.Type)
	}
	sequences := 0
	for _, item := range j.Single {
		switch {
		case item.Sequence != nil && item.SpecialToken == nil && item.Sequence.ID == "A":
			sequences++
		case item.SpecialToken != nil && item.Sequence == nil:
			special, ok := j.Special[item.SpecialToken.ID]
			if !ok {
				return nil, nil, fmt.Errorf("post_processor: the special token %q of the template is not listed", item.SpecialToken.ID)
			}
			if sequences == 0 {
				prefix = append(prefix, special.IDs...)
			} else {
				suffix = append(suffix, special.IDs...)
			}
			if len(prefix)+len(suffix) > maxTemplate {
				return nil, nil, fmt.Errorf("post_processor: the template has more than %d special tokens", maxTemplate)
			}
		default:
			return nil, nil, errors.New("post_processor: the template holds something that is neither a special token nor the sequence A")
		}
	}
	if sequences != 1 {
		return nil, nil, fmt.Errorf("post_processor: the template holds the sequence A %d times, not once", sequences)
	}
	return prefix, suffix, nil
}
