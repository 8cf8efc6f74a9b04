package endpoint_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"reflectionflow/internal/endpoint"
)

// percentEncoded escapes a random subset of the characters, some of them twice.
func percentEncoded(r *rand.Rand, text string) string {
	var b strings.Builder
	share := r.Float64()
	for _, char := range []byte(text) {
		switch format := []string{"%%%02X", "%%%02x", "%%25%02X", "%%2525%02x"}[r.IntN(4)]; {
		case r.Float64() < share:
			fmt.Fprintf(&b, format, char)
		case char == ' ' && r.IntN(2) == 0:
			b.WriteByte('+')
		default:
			b.WriteByte(char)
		}
	}
	return b.String()
}

// decoded removes all layers of percent-encoding.
func decoded(text string) string {
	for {
		plain, err := url.PathUnescape(text)
		if err != nil || plain == text {
			return text
		}
		text = plain
	}
}

// TestSecretPercentEncoded: whichever characters of a key a server escapes, in plain text,
// base64 or hexadecimal, no 8 characters of the key in a row remain.
func TestSecretPercentEncoded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, key := range []string{"sk-secretKEY+/abc123XYZ789", "a key of%20 & /words%", "%25%25%25%2525%41", "12345678"} {
		c, _ := client(t, nil, func(c *endpoint.Config) { c.Secret = endpoint.NewSecret(key) })
		for range 2000 {
			form, known := key, 0
			switch r.IntN(4) {
			case 0:
				form, known = base64.RawStdEncoding.EncodeToString([]byte("Bearer "+key)), 10 // the characters that hold "Bearer "
			case 1:
				form = hex.EncodeToString([]byte(key))
			}
			said := "key: Bearer%20" + percentEncoded(r, form) + "; 100"
			clean := c.Clean(said)
			plain := decoded(clean)
			for i := known; i+8 <= len(form); i++ {
				if window := form[i : i+8]; strings.Contains(clean, window) || strings.Contains(plain, decoded(window)) {
					t.Fatalf("%q of %q remains in %q", window, said, clean)
				}
			}
			if !strings.HasPrefix(clean, "key: ") || !strings.HasSuffix(clean, "; 100") || !strings.Contains(clean, "[secret]") {
				t.Fatalf("%q became %q", said, clean)
			}
		}
	}
}

// TestSecretQuotedByPython: quote("Bearer "+key) leaves the slash in place.
func TestSecretQuotedByPython(t *testing.T) {
	const text = `bad key Bearer%20sk-secretKEY%2B/abc123XYZ789`
	handler, _ := replies(status(401, text))
	c, _ := client(t, handler, func(c *endpoint.Config) { c.Secret = endpoint.NewSecret("sk-secretKEY+/abc123XYZ789") })
	_, err := c.Do(t.Context(), endpoint.Request{})
	var e *endpoint.Error
	if !errors.As(err, &e) || e.Message != "bad key Bearer%20[secret]" || string(e.Body) != e.Message {
		t.Errorf("%v", err)
	}
}
