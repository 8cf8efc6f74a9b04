package jobs

import (
	"fmt"
	"net"
	"testing"
	"time"

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
		{fmt.Errorf("read: %w", late(t)), true},
	} {
		if got := passes(c.err); got != c.want {
			t.Errorf("%v passes: %v", c.err, got)
		}
	}
}

// late is the error of an object whose pieces come too late: the client reads them from a pipe.
func late(t *testing.T) error {
	t.Helper()
	reader, writer := net.Pipe()
	defer func() { _ = writer.Close() }()
	if err := reader.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := reader.Read(make([]byte, 1))
	return err
}
