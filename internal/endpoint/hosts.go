package endpoint

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// hostRules is the parsed [Config.AllowHosts].
type hostRules struct {
	exact    map[string]bool // "host" or "host:port", lower case
	suffixes []string        // ".example.com" of "*.example.com"
	any      bool            // "*"
}

func parseHosts(list []string) (hostRules, error) {
	rules := hostRules{exact: map[string]bool{}}
	for _, entry := range list {
		host := strings.ToLower(strings.TrimSpace(entry))
		switch {
		case host == "*":
			rules.any = true
		case strings.HasPrefix(host, "*.") && len(host) > 2 && !strings.ContainsAny(host[2:], "*/:@"):
			rules.suffixes = append(rules.suffixes, host[1:])
		case host == "" || strings.ContainsAny(host, "*/@? "):
			return rules, invalid("allowed host %q: write host, host:port, *.domain or *", entry)
		default:
			rules.exact[host] = true
		}
	}
	return rules, nil
}

// trust is how far a URL's host is trusted.
type trust int

const (
	foreign trust = iota // must not be fetched
	matched              // matches a pattern: only at public addresses
	named                // the endpoint itself, or a host that the user named in full
)

// trusts returns the trust in a URL that a server has sent.
func (c *Client) trusts(u *url.URL) trust {
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "http" && u.Scheme != "https", host == "", u.User != nil:
		return foreign
	case sameOrigin(u, c.base), c.allowed.exact[host], c.allowed.exact[strings.ToLower(u.Host)], c.allowed.exact[net.JoinHostPort(host, port(u))]:
		return named
	case c.allowed.any:
		return matched
	}
	for _, suffix := range c.allowed.suffixes {
		if strings.HasSuffix(host, suffix) {
			return matched
		}
	}
	return foreign
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// addressError reports that a host that matches a pattern has an address in a private
// network.
type addressError struct{ address string }

func (e *addressError) Error() string {
	return "address " + e.address + " is not public: name the host in full to allow it"
}

// public reports whether an address is on the public internet.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return false
	}
	for _, prefix := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "64:ff9b::/96", "2002::/16", "2001::/32"} {
		if netip.MustParsePrefix(prefix).Contains(ip) {
			return false // reserved, shared, or IPv6 that embeds IPv4
		}
	}
	return true
}

// targetKey is the context key of the host that a guarded request is for. Another address
// that the transport dials is the proxy, which the user named.
type targetKey struct{}

// newTransport returns the real network. A guarded one connects to public addresses only.
// The dialled address is checked, so that a name cannot resolve differently in between.
func newTransport(config Config, guarded bool) *http.Transport {
	bound := config.Timeouts
	plain := &net.Dialer{Timeout: max(bound.Connect, 0)}
	dial := plain.DialContext
	if guarded {
		strict := &net.Dialer{Timeout: max(bound.Connect, 0), Control: func(_, address string, _ syscall.RawConn) error {
			if at, err := netip.ParseAddrPort(address); err != nil || !public(at.Addr()) {
				return &addressError{address}
			}
			return nil
		}}
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if target, ok := ctx.Value(targetKey{}).(string); ok && !strings.EqualFold(target, address) {
				return plain.DialContext(ctx, network, address)
			}
			return strict.DialContext(ctx, network, address)
		}
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dial,
		TLSHandshakeTimeout:    max(bound.TLS, 0),
		ResponseHeaderTimeout:  max(bound.Headers, 0),
		MaxIdleConnsPerHost:    config.Concurrency,
		MaxResponseHeaderBytes: 1 << 20,
		IdleConnTimeout:        90_000_000_000, // 90 s, as the standard library's own
		ForceAttemptHTTP2:      true,
	}
}
