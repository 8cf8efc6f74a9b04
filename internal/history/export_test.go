package history

import (
	"context"

	"reflectionflow/internal/jobs"
)

// Add indexes events.
func Add(s *Store, list []jobs.Event) error { return s.add(context.Background(), list) }
