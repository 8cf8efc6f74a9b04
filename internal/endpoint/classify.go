package endpoint

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// This file is the one place that says which errors are worth another try.
//
//	transient     may go away by itself: no connection, a time-out, a broken
//	              connection, 408, 409, 425, 429, most of 5xx, work that failed
//	permanent     fails again until the request, the configuration or the account
//	              is changed: other 4xx, a refusal by a content filter, a prompt that
//	              is too long, an invalid key, an empty account, an unknown model
//	unusable      says something about the endpoint and not about the request: every
//	              other request fails too, now (no connection) or until somebody
//	              changes something (key, account, model, address)
//
// The server's own error code and type decide before its status does: OpenAI
// answers an empty account with 429, llama.cpp an image that its model cannot see
// with 500.

// accountCodes are codes and types by which servers say that the key, the account or
// the model is the problem.
var accountCodes = []string{
	"insufficient_quota", "insufficient_credits", "insufficient_balance", "insufficient_user_quota", "billing_hard_limit_reached",
	"billing_not_active", "billing_error", "payment_required", "account_deactivated", "account_suspended", "organization_deactivated",
	"invalid_api_key", "incorrect_api_key", "authentication_error", "invalid_authentication", "permission_error", "access_terminated", "access_denied",
	"model_not_found", "model_not_available", "unsupported_country_region_territory",
}

// policyCodes are codes of a content filter's refusal.
var policyCodes = []string{
	"content_policy_violation", "moderation_blocked", "content_filter", "image_generation_user_error", "sentinel_block", "safety_violation",
}

// requestCodes are codes of a request that can never be served.
var requestCodes = []string{
	"context_length_exceeded", "exceed_context_size_error", "string_above_max_length", "request_too_large", "invalid_image", "invalid_value",
	"unknown_parameter", "unsupported_parameter", "unsupported_value", "invalid_prompt",
}

// permanentPhrases are messages of servers that answer with 500, 503 or 429, and no
// code, what no repetition changes.
var permanentPhrases = []string{
	"image input is not supported", `unsupported content part type: "image_url"`, // llama.cpp without a projector
	"input is too large to process", "exceeds the available context size", // llama.cpp
	"maximum context length",                                      // vLLM
	"check your plan and billing details", "insufficient balance", // OpenAI's words, repeated by gateways that drop the code
}

// says reports whether the server's error code or type is one of a list.
func (e *Error) hasCode(codes []string) bool {
	return slices.Contains(codes, strings.ToLower(e.Code)) || slices.Contains(codes, strings.ToLower(e.Type))
}

// Permanent reports whether the same request would fail again until somebody changes
// the request, the configuration or the account. Everything else may go away by
// itself and is worth another try.
func (e *Error) Permanent() bool {
	switch e.Kind {
	case Refused, Timeout, Interrupted, BreakerOpen:
		return false
	case Declined, TooLarge, ForbiddenURL, Changed:
		return true
	}
	if e.Lasting || e.hasCode(accountCodes) || e.hasCode(policyCodes) || e.hasCode(requestCodes) || e.permanentMessage() {
		return true
	}
	return e.Status != 0 && !transientStatus(e.Status)
}

// phrased reports whether the message is one of the permanent phrases.
func (e *Error) permanentMessage() bool {
	said := strings.ToLower(e.Message)
	return slices.ContainsFunc(permanentPhrases, func(phrase string) bool { return strings.Contains(said, phrase) })
}

// transientStatus reports whether a status may be another one next time.
func transientStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// Moderated reports whether a content filter of the server refused the request.
func (e *Error) Moderated() bool {
	return e.Kind == Declined || (e.Kind == Status || e.Kind == Failed) && e.hasCode(policyCodes)
}

// Unusable reports whether the error is about the endpoint and not about the request:
// other requests would fail the same way.
func (e *Error) Unusable() bool {
	switch e.Kind {
	case Refused, BreakerOpen, Changed:
		return true
	case Status, Failed:
		switch {
		case e.hasCode(accountCodes):
			return true
		case e.hasCode(policyCodes):
			return false // of one prompt, with whatever status
		}
	default:
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusProxyAuthRequired, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.Status >= 300 && e.Status <= 399
}

// AccountRefused reports whether the server refuses the key or the account, and thus
// every request, until somebody changes something.
func (e *Error) AccountRefused() bool {
	if e.Kind != Status && e.Kind != Failed || e.hasCode(policyCodes) {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusProxyAuthRequired:
		return true
	}
	return e.hasCode(accountCodes)
}

// callersFault reports whether the request or the configuration is to blame, so that
// the error wraps reflectionflow.ErrInvalid.
func (e *Error) callersFault() bool {
	if e.Kind != Status && e.Kind != Failed {
		return false
	}
	return e.Status >= 400 && e.Status < 500 && !transientStatus(e.Status) || e.imagesRefused()
}

// blind reports whether a server says that its model takes no images.
func (e *Error) imagesRefused() bool {
	if e.Kind != Status || e.Status != http.StatusInternalServerError {
		return false
	}
	said := strings.ToLower(e.Message)
	return slices.ContainsFunc(permanentPhrases[:2], func(phrase string) bool { return strings.Contains(said, phrase) })
}

// errorShape are the forms in which servers put errors: OpenAI's
// {"error":{"message","type","code"}}, stable-diffusion.cpp's and Ollama's
// {"error":"text"}, FastAPI's {"detail":…}, and {"message":…}.
type errorShape struct {
	Error   json.RawMessage `json:"error"`
	Detail  json.RawMessage `json:"detail"`
	Message json.RawMessage `json:"message"`
	Code    json.RawMessage `json:"code"`
}

// read takes over what the error member, or one of others, says; false where none
// says anything.
func (e *Error) read(c *Client, shape errorShape, others ...json.RawMessage) bool {
	var inner struct {
		Message string          `json:"message"`
		Code    json.RawMessage `json:"code"`
		Type    string          `json:"type"`
	}
	if json.Unmarshal(shape.Error, &inner) == nil && (inner.Message != "" || inner.Type != "") {
		e.Message, e.Code, e.Type = c.clean(inner.Message), c.clean(plain(inner.Code)), c.clean(inner.Type)
		if e.Code == "" {
			e.Code = e.Type
		}
		return true
	}
	for _, raw := range append([]json.RawMessage{shape.Error}, others...) {
		if text := plain(raw); text != "" && text != "{}" && text != "[]" && text != "false" {
			e.Message, e.Code = c.clean(text), c.clean(plain(shape.Code))
			return true
		}
	}
	return false
}

// statusError is the error of a reply with a status that is no success.
func (c *Client) statusError(status int, body []byte) *Error {
	e := &Error{Endpoint: c.config.Name, Kind: Status, Status: status, Body: body}
	var shape errorShape
	switch {
	case json.Unmarshal(body, &shape) == nil:
		e.read(c, shape, shape.Detail, shape.Message)
	case !looksLikeHTML(body):
		e.Message = c.clean(string(body))
	}
	return e
}

// ErrorIn returns the error that a reply of status 200 holds, as gateways send it
// when they have begun to answer before the model failed: {"error":…}. It is of kind
// [Failed], with the server's message and code; a code that is an HTTP status is the
// error's Status. nil where the reply holds none.
func (c *Client) ErrorIn(body []byte) *Error {
	var shape errorShape
	e := &Error{Endpoint: c.config.Name, Kind: Failed}
	if json.Unmarshal(body, &shape) != nil || !e.read(c, shape) {
		return nil //nolint:nilerr // a reply that is no JSON holds no error
	}
	if status, err := strconv.Atoi(e.Code); err == nil && status >= 400 && status <= 599 {
		e.Status = status
	}
	return e
}

// plain is the text of a JSON string, or the JSON of anything else but null.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
