package jobs

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestPasses: a cluster that chooses leaders says so by errors of two packages.
func TestPasses(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&jetstream.APIError{Code: 503, ErrorCode: 10008}, true},
		{fmt.Errorf("read: %w", &nats.APIError{Code: 503, ErrorCode: 10008}), true},
		{&nats.APIError{Code: 404}, false},
		{jetstream.ErrObjectNotFound, false},
	} {
		if got := passes(c.err); got != c.want {
			t.Errorf("%v passes: %v", c.err, got)
		}
	}
}
