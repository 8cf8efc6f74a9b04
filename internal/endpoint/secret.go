package endpoint

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
)

// Secret is a key, token or "user:password". However it is printed, logged or encoded, it
// shows as "[secret]". The zero value is no secret.
type Secret struct{ value string }

// SecretSource names the place of a secret: an environment variable or a file, never the
// configuration itself. If both are empty there is none.
type SecretSource struct {
	Env  string // name of an environment variable
	File string // path; white space around the content is removed
}

const maxSecretBytes = 16 << 10

// LoadSecret reads a secret. Commands pass os.LookupEnv as lookup. A source that is missing,
// empty or malformed is an error wrapping [reflectionflow.ErrInvalid] that names the source
// and not its content.
func LoadSecret(s SecretSource, lookup func(string) (string, bool)) (Secret, error) {
	switch {
	case s.Env != "" && s.File != "":
		return Secret{}, invalid("a secret comes from the environment (%s) or from a file (%s), not from both", s.Env, s.File)
	case s.Env != "":
		value, ok := lookup(s.Env)
		if !ok {
			return Secret{}, invalid("the environment variable %s is not set", s.Env)
		}
		return checkedSecret(value, "the environment variable "+s.Env)
	case s.File != "":
		value, err := readSecret(s.File)
		if err != nil {
			return Secret{}, invalid("read the secret: %v", err)
		}
		return checkedSecret(value, "the file "+s.File)
	}
	return Secret{}, nil
}

// NewSecret wraps a known value, as in tests.
func NewSecret(value string) Secret { return Secret{value} }

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	return string(bytes.TrimSpace(data)), err
}

func checkedSecret(value, where string) (Secret, error) {
	switch {
	case strings.TrimSpace(value) == "":
		return Secret{}, invalid("%s is empty", where)
	case len(value) > maxSecretBytes:
		return Secret{}, invalid("%s is too long for a key", where)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return Secret{}, invalid("%s holds a line break or control character", where)
	}
	return Secret{value}, nil
}

// Set reports whether there is a secret.
func (s Secret) Set() bool { return s.value != "" }

// String hides the secret.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return hidden
}

// Format hides the secret from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) } //nolint:errcheck // fmt.State cannot fail

// MarshalText hides the secret from JSON, YAML and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Auth says in which header a secret is sent. The zero value is that of OpenAI,
// "Authorization: Bearer SECRET".
type Auth struct {
	Header string // for example "x-key"
	Prefix string // precedes the secret, for example "Key "
	// Basic sends the secret, "user:password", by HTTP Basic; Header and Prefix are ignored.
	Basic bool
}

// authorize adds the secret to a request.
func (c *Client) authorize(h http.Header) {
	secret := c.config.Secret.value
	switch {
	case secret == "":
	case c.config.Auth.Basic:
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(secret)))
	default:
		h.Set(c.config.Auth.Header, c.config.Auth.Prefix+secret)
	}
}
