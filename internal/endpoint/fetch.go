package endpoint

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// maxHops is the number of redirects that a fetch follows.
const maxHops = 5

// Fetch gets a URL that a server has sent; it may be relative. The URL must point to the
// endpoint itself (scheme, host and port) or to a host of [Config.AllowHosts]:
//
//   - "host" and "host:port" are trusted as named;
//   - "*.domain" and "*" are trusted at public addresses only. The address that is
//     dialled is checked; behind a proxy, which resolves names, only addresses that are
//     written in the URL.
//
// Redirects are checked the same way. The secret is sent to the endpoint itself only.
// Another URL is an error of kind [ForbiddenURL]; otherwise Fetch is like [Client.Do].
func (c *Client) Fetch(ctx context.Context, rawURL string) (*Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, c.contextError(err)
	}
	ref, err := url.Parse(rawURL)
	if err != nil {
		return nil, c.Errorf(ForbiddenURL, "the server sent a URL that does not parse")
	}
	at := c.base.ResolveReference(ref)
	for range maxHops + 1 {
		response, next, err := c.hop(ctx, at)
		if err != nil || next == nil {
			return response, err
		}
		at = next
	}
	return nil, c.Errorf(ForbiddenURL, "more than %d redirects", maxHops)
}

// hop fetches one URL; next is the target of a redirect.
func (c *Client) hop(ctx context.Context, at *url.URL) (*Response, *url.URL, error) {
	via := c.own
	switch c.trusts(at) {
	case foreign:
		return nil, nil, c.Errorf(ForbiddenURL, "%s://%s is not this server: allow the host if it is right", at.Scheme, at.Host)
	case matched:
		if ip, err := netip.ParseAddr(at.Hostname()); err == nil && !public(ip) {
			return nil, nil, c.Errorf(ForbiddenURL, "%v", &addressError{at.Host})
		}
		via = c.open
		ctx = context.WithValue(ctx, targetKey{}, net.JoinHostPort(at.Hostname(), port(at)))
	}
	var next *url.URL
	r := Request{Method: http.MethodGet, via: via, redirect: func(to string) error {
		ref, err := url.Parse(to)
		if err != nil {
			return c.Errorf(ForbiddenURL, "a redirect does not parse")
		}
		next = at.ResolveReference(ref)
		return nil
	}}
	response, err := c.call(ctx, r, at)
	return response, next, err
}

// DecodeBase64 decodes base64 of at most limit bytes as servers send it: with or without
// a "data:…," prefix, padding and line breaks, in the standard or the URL alphabet.
// Truncated or damaged text is an error.
func DecodeBase64(text string, limit int) ([]byte, error) {
	if rest, ok := strings.CutPrefix(text, "data:"); ok {
		head, data, ok := strings.Cut(rest, ",")
		if !ok || !strings.HasSuffix(head, ";base64") {
			return nil, errors.New("the data URI is not base64")
		}
		text = data
	}
	if len(text) > limit/3*4+limit/16+64 {
		return nil, errors.New("the base64 text is too long")
	}
	text = strings.Map(func(r rune) rune {
		switch r {
		case '\r', '\n', ' ', '\t':
			return -1
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, text)
	text = strings.TrimRight(text, "=")
	data, err := base64.RawStdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, errors.New("the base64 text is truncated or damaged")
	case len(data) > limit:
		return nil, errors.New("the base64 text is too long")
	}
	return data, nil
}
