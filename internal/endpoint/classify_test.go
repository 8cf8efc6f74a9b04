package endpoint_test

import (
	"net/http"
	"testing"

	"reflectionflow/internal/endpoint"
)

// TestPermanent lists what is worth another try, what is not, and what is about the
// endpoint and not about the request.
func TestPermanent(t *testing.T) {
	tests := map[string]struct {
		reply               http.HandlerFunc
		permanent, unusable bool
	}{
		"500":                        {status(500, `{"error":"CUDA out of memory"}`), false, false},
		"501":                        {status(501, ""), true, false},
		"502":                        {status(502, ""), false, true},
		"503":                        {status(503, ""), false, true},
		"504":                        {status(504, ""), false, true},
		"408":                        {status(408, ""), false, false},
		"429":                        {status(429, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`), false, true},
		"insufficient_quota":         {status(429, `{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}`), true, true},
		"insufficient_quota as type": {status(429, `{"error":{"type":"insufficient_quota","code":null,"message":"x"}}`), true, true},
		"billing limit":              {status(400, `{"error":{"code":"billing_hard_limit_reached","message":"x"}}`), true, true},
		"no money":                   {status(402, ""), true, true},
		"key":                        {status(401, `{"error":{"code":"invalid_api_key","message":"x"}}`), true, true},
		"forbidden":                  {status(403, ""), true, true},
		"model":                      {status(400, `{"error":{"code":"model_not_found","message":"x"}}`), true, true},
		"path":                       {status(404, ""), true, true},
		"redirect":                   {status(302, "", "Location", "http://192.0.2.1/"), true, true},
		"content policy":             {status(400, `{"error":{"code":"content_policy_violation","message":"x"}}`), true, false},
		"policy as type":             {status(400, `{"error":{"type":"image_generation_user_error","code":"moderation_blocked","message":"x"}}`), true, false},
		"too long":                   {status(400, `{"error":{"code":"context_length_exceeded","message":"x"}}`), true, false},
		"too long with 500":          {status(500, `{"error":{"code":500,"message":"x","type":"exceed_context_size_error"}}`), true, false},
		"parameter":                  {status(422, `{"detail":[{"msg":"field required"}]}`), true, false},
		"no image":                   {status(500, `{"error":{"message":"image input is not supported - hint: mmproj"}}`), true, false},
		"reset":                      {reset, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, _ := client(t, tt.reply, func(c *endpoint.Config) { c.Retry.Attempts = 1 })
			_, err := c.Do(t.Context(), endpoint.Request{})
			e, ok := err.(*endpoint.Error) //nolint:errorlint // the error itself is tested
			if !ok || e.Permanent() != tt.permanent || e.Unusable() != tt.unusable {
				t.Errorf("%+v: permanent %t, unusable %t, want %t, %t", e, e.Permanent(), e.Unusable(), tt.permanent, tt.unusable)
			}
		})
	}
	for kind, want := range map[endpoint.Kind]bool{
		endpoint.Refused: false, endpoint.Timeout: false, endpoint.Interrupted: false, endpoint.BreakerOpen: false, endpoint.Failed: false, endpoint.Malformed: false,
		endpoint.Declined: true, endpoint.TooLarge: true, endpoint.ForbiddenURL: true, endpoint.Changed: true,
	} {
		if got := (&endpoint.Error{Kind: kind}).Permanent(); got != want {
			t.Errorf("%s: permanent is %t", kind, got)
		}
	}
	if !(&endpoint.Error{Kind: endpoint.Malformed, Lasting: true}).Permanent() {
		t.Error("a lasting error is not permanent")
	}
}
