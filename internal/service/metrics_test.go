package service_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"reflectionflow/internal/service"
)

// TestMetricsAreDocumented compares names, types and labels with the reference.
func TestMetricsAreDocumented(t *testing.T) {
	url := serve(t, nil).URL
	finish(t, url, `{"prompt":"red","search":{"strategy":"noise","budget":"2"}}`)
	_, body := call(t, "GET", url+"/metrics", "")
	labels := map[string][]string{}
	for _, line := range regexp.MustCompile(`(?m)^(reflectionflow_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? `).FindAllStringSubmatch(body, -1) {
		for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(line[2], -1) {
			if name := label[1]; name != "le" && !slices.Contains(labels[line[1]], "`"+name+"`") {
				labels[line[1]] = append(labels[line[1]], "`"+name+"`")
			}
		}
	}
	var got []string
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(body, -1) {
		slices.Sort(labels[line[1]])
		got = append(got, strings.Join([]string{"`" + line[1] + "`", line[2], strings.Join(labels[line[1]], ", ")}, " | "))
	}
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`reflectionflow_\\w+`) \\| (\\w+) \\| (.*?) ?\\|").FindAllStringSubmatch(string(page), -1) {
		want = append(want, strings.Join(row[1:], " | "))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the server has\n%s\nthe reference\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, name := range []string{"active", "image"} {
		if !regexp.MustCompile(`(?m)^reflectionflow_engine_` + name + `_seconds_total\{model="paint"\} (0\.\d*[1-9]|[\d.]+e-)`).MatchString(body) {
			t.Errorf("no time of the engine is counted as %s", name)
		}
	}
}

// TestOrigins lets pages of allowed origins call, and no others.
func TestOrigins(t *testing.T) {
	url := serve(t, func(o *service.Options) { o.Origins = []string{"https://app.example.com"} }).URL
	closed := serve(t, nil).URL
	for name, c := range map[string]struct {
		url, method, origin string
		status              int
		allowed             string
	}{
		"preflight":                      {url, "OPTIONS", "https://app.example.com", http.StatusNoContent, "https://app.example.com"},
		"call":                           {url, "POST", "https://app.example.com", http.StatusAccepted, "https://app.example.com"},
		"preflight of another":           {url, "OPTIONS", "https://evil.example", http.StatusMethodNotAllowed, ""},
		"call of another":                {url, "POST", "https://evil.example", http.StatusForbidden, ""},
		"preflight where none is set":    {closed, "OPTIONS", "https://app.example.com", http.StatusMethodNotAllowed, ""},
		"call where none is set":         {closed, "POST", "https://app.example.com", http.StatusForbidden, ""},
		"call of no page, where one is":  {url, "POST", "", http.StatusAccepted, ""},
		"call of no page, where none is": {closed, "POST", "", http.StatusAccepted, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, c.url+"/api/v1/jobs", strings.NewReader(`{"prompt":"red","search":{"strategy":"noise","budget":"1"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if c.origin != "" {
			request.Header.Set("Origin", c.origin)
			request.Header.Set("Sec-Fetch-Site", "cross-site")
		}
		if c.method == http.MethodOptions {
			request.Header.Set("Access-Control-Request-Method", "POST")
		}
		reply, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = reply.Body.Close()
		if got := reply.Header.Get("Access-Control-Allow-Origin"); reply.StatusCode != c.status || got != c.allowed || reply.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: status %d, allowed %q", name, reply.StatusCode, got)
		}
	}
}
