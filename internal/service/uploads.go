package service

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"reflectionflow/internal/jobs"
)

// maxUploads is how many requests with an image are read and decoded at a time; more are
// refused. Each may take a few times maxUpload.
const maxUploads = 16

// enterUpload takes a place among the requests with an image, until leave is called, once or
// more often. A request that says that it is small needs none.
func (s *Server) enterUpload(w http.ResponseWriter, r *http.Request) (leave func(), err error) {
	if r.ContentLength >= 0 && r.ContentLength <= maxBody {
		return func() {}, nil
	}
	select {
	case s.uploads <- struct{}{}:
		return sync.OnceFunc(func() { <-s.uploads }), nil
	default:
		w.Header().Set("Connection", "close") // else the rest of the body is awaited first
		return nil, &jobs.LimitError{What: fmt.Sprintf("%d requests with images are under way", maxUploads), RetryAfter: 5 * time.Second}
	}
}
