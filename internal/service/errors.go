package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"reflectionflow"
	"reflectionflow/internal/jobs"
)

// apiError is an error in the form of OpenAI's API, which the API of the service shares.
type apiError struct {
	status  int
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
	retry   int     // seconds, for Retry-After
}

// Error implements error.
func (e *apiError) Error() string { return e.Message }

var (
	errModel = errors.New("there is no such model: see GET /v1/models")
	errKey   = errors.New("the API key is missing, unknown or revoked: send it as Authorization: Bearer KEY")
)

// bad is an error of a field of a request.
func bad(param, format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Type: "invalid_request_error", Param: &param}
}

// typed returns the error that a client sees. What is not the client's fault is not
// described beyond its kind: the log has it.
func typed(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	invalid := func(status int, code string) *apiError {
		return &apiError{status: status, Message: err.Error(), Type: "invalid_request_error", Code: &code}
	}
	if limit, ok := errors.AsType[*jobs.LimitError](err); ok {
		code := "rate_limit_exceeded"
		return &apiError{status: http.StatusTooManyRequests, Message: limit.Error(), Type: "rate_limit_error", Code: &code, retry: int(limit.RetryAfter.Seconds())}
	}
	tooLarge := &http.MaxBytesError{}
	switch {
	case errors.Is(err, errModel):
		return invalid(http.StatusNotFound, "model_not_found")
	case errors.Is(err, jobs.ErrUnknown), errors.Is(err, jobs.ErrNoImage):
		return invalid(http.StatusNotFound, "not_found")
	case errors.Is(err, jobs.ErrStore):
		return &apiError{status: http.StatusServiceUnavailable, Message: jobs.ErrStore.Error(), Type: "server_error", retry: 30}
	case errors.Is(err, jobs.ErrConflict):
		return invalid(http.StatusConflict, "idempotency_conflict")
	case errors.Is(err, jobs.ErrEnded), errors.Is(err, jobs.ErrLive):
		return invalid(http.StatusConflict, "job_state")
	case errors.Is(err, errKey):
		return invalid(http.StatusUnauthorized, "invalid_api_key")
	case errors.As(err, &tooLarge):
		return &apiError{status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("the request has more than %d bytes", tooLarge.Limit), Type: "invalid_request_error"}
	case errors.Is(err, reflectionflow.ErrInvalid):
		return invalid(http.StatusBadRequest, "invalid_value")
	}
	return &apiError{status: http.StatusInternalServerError, Message: "the server failed; its log says why", Type: "server_error"}
}

// refuse writes an error.
func refuse(w http.ResponseWriter, err *apiError) {
	if err.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(err.retry))
	}
	reply(w, err.status, map[string]*apiError{"error": err})
}

// reply writes a JSON document.
func reply(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":{"message":"the server failed","type":"server_error","param":null,"code":null}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}
