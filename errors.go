package reflectionflow

import "errors"

// ErrInvalid marks invalid input, as opposed to a runtime failure: the caller must
// change the input. Commands exit with 2, services answer 4xx.
var ErrInvalid = errors.New("invalid input")

// ErrPermanent marks the failure of an image that would happen again with the same
// request: a server declined the prompt, the numbers overflowed. A search does not try
// such a request again. Other failures, such as a connection that broke, are tried
// again when the search is resumed.
var ErrPermanent = errors.New("permanent failure")

// IsPermanent reports whether the same request would fail again: err wraps
// [ErrPermanent] or [ErrInvalid].
func IsPermanent(err error) bool {
	return errors.Is(err, ErrPermanent) || errors.Is(err, ErrInvalid)
}
