package endpoint

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// redactor replaces the secret by "[secret]" in everything that a server sends.
// It knows the secret in plain text, escaped for JSON, in hexadecimal, and in base64 at
// any of the three offsets that a prefix such as "Bearer " or "user:" can shift it to.
// It finds each of these forms with any of its characters percent-encoded.
type redactor struct {
	// text is for strings that are shown or stored one by one.
	text matcher
	// body is for whole replies: only forms that are too long to occur by chance in
	// megabytes of base64, so that no image is damaged.
	body matcher
}

const (
	minSecret   = 4 // bytes; shorter keys, such as "0", stand for no key
	minBase64   = 6 // characters of a base64 form
	minBodyForm = 8 // characters of a form that is replaced in whole replies
	hidden      = "[secret]"
)

func newRedactor(s Secret) redactor {
	forms := map[string]bool{}
	for _, plain := range secretParts(s.value) {
		digits := hex.EncodeToString([]byte(plain))
		for _, form := range append(base64Forms(plain), plain, jsonEscaped(plain), digits, strings.ToUpper(digits)) {
			forms[form] = true
		}
	}
	longestFirst := func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) }
	list := slices.SortedFunc(maps.Keys(forms), longestFirst)
	long := slices.DeleteFunc(slices.Clone(list), func(form string) bool { return len(form) < minBodyForm })
	return redactor{newMatcher(list), newMatcher(long)}
}

// secretParts lists what must not be seen: the secret, and the password of
// "user:password".
func secretParts(secret string) []string {
	if len(secret) < minSecret {
		return nil
	}
	if _, password, ok := strings.Cut(secret, ":"); ok && len(password) >= minSecret {
		return []string{secret, password}
	}
	return []string{secret}
}

// base64Forms are the characters that the secret alone determines when it is encoded
// behind a prefix of 0, 1 or 2 bytes modulo 3, in both alphabets.
func base64Forms(secret string) []string {
	var forms []string
	for prefix, dropped := range []int{0, 2, 3} { // characters with bits of the prefix
		data := append(make([]byte, prefix), secret...)
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			form := alphabet.EncodeToString(data)[dropped:]
			if len(data)%3 != 0 {
				form = form[:len(form)-1] // it has bits of what follows
			}
			if len(form) >= minBase64 {
				forms = append(forms, form)
			}
		}
	}
	return forms
}

func jsonEscaped(text string) string {
	data, err := json.Marshal(text)
	if err != nil || len(data) < 2 {
		return text
	}
	return string(data[1 : len(data)-1])
}

// clean makes a server's text fit to show and store: redacted, one line, without
// control characters, at most maxMessage characters.
func (c *Client) clean(text string) string {
	text = c.redact.text.Replace(strings.ToValidUTF8(text, ""))
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	// Again: invisible characters may have been within the secret.
	text = c.redact.text.Replace(strings.Join(strings.Fields(text), " "))
	if runes := []rune(text); len(runes) > maxMessage {
		text = string(runes[:maxMessage]) + "…"
	}
	return text
}

// Clean makes a string from a server fit to show and store, as the text of an
// [Error] is: on one line, shortened, without control characters and the secret.
func (c *Client) Clean(text string) string { return c.clean(text) }

// redactBody removes the secret from a whole reply.
func (c *Client) redactBody(body []byte) []byte {
	if c.config.Secret.value == "" {
		return body
	}
	if head := bytes.TrimLeft(body, " \t\r\n"); len(head) > 0 && (head[0] == '{' || head[0] == '[') {
		body = unescapeJSON(body)
	}
	return []byte(c.redact.body.Replace(string(body)))
}

// redactHeader removes the secret from the headers of a reply.
func (c *Client) redactHeader(h http.Header) http.Header {
	if c.config.Secret.value == "" {
		return h
	}
	out := http.Header{}
	for key, values := range h {
		for _, value := range values {
			out[key] = append(out[key], c.redact.text.Replace(value))
		}
	}
	return out
}

// unescapeJSON writes characters that JSON need not escape, \/ and printable ASCII as
// \u00XX, as themselves, so that the secret is found behind such escapes.
func unescapeJSON(body []byte) []byte {
	if !bytes.Contains(body, []byte(`\u00`)) && !bytes.Contains(body, []byte(`\/`)) {
		return body
	}
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' || i+1 == len(body) {
			out = append(out, body[i])
			continue
		}
		i++
		var char [1]byte
		switch {
		case body[i] == '/':
			out = append(out, '/')
		case body[i] == 'u' && i+4 < len(body) && string(body[i+1:i+3]) == "00" && decodes(char[:], body[i+3:i+5]) &&
			char[0] >= ' ' && char[0] < 0x7f && char[0] != '"' && char[0] != '\\':
			out = append(out, char[0])
			i += 4
		default:
			out = append(out, '\\', body[i])
		}
	}
	return out
}

func decodes(to, digits []byte) bool {
	_, err := hex.Decode(to, digits)
	return err == nil
}
