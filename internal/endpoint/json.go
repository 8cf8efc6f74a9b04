package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
)

// JSON makes a call that sends in as JSON (nil sends no body) and decodes the reply into
// out (nil ignores it). A reply that is not such JSON, for example a proxy's HTML page, is
// an error of kind [Malformed] and is not cached. Unknown keys are ignored.
func (c *Client) JSON(ctx context.Context, r Request, in, out any) (*Response, error) {
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return nil, invalid("endpoint %s: encode the request: %v", c.config.Name, err)
		}
		r.Body, r.ContentType = body, "application/json"
	}
	check := r.Check
	r.Check = func(response *Response) error {
		if out != nil {
			if err := decodeJSON(response.Body, out); err != nil {
				return err
			}
		}
		if check != nil {
			return check(response)
		}
		return nil
	}
	return c.Do(ctx, r)
}

func decodeJSON(body []byte, out any) error {
	if looksLikeHTML(body) {
		return errors.New("an HTML page instead of JSON: is the base URL right, is a proxy in between?")
	}
	if len(body) == 0 {
		return errors.New("an empty reply instead of JSON")
	}
	if v := reflect.ValueOf(out); v.Kind() == reflect.Pointer && !v.IsNil() {
		v.Elem().SetZero() // nothing of an earlier attempt may remain
	}
	err := json.Unmarshal(body, out)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return errors.New("the reply is not JSON, or is truncated")
	case errors.As(err, &kind):
		return errors.New("the reply's " + kind.Field + " is a " + kind.Value)
	}
	return err
}
