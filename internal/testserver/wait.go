package testserver

import (
	"testing"
	"time"
)

// waitLimit is how long a condition may take to hold. Only a failing test waits so long.
const waitLimit = time.Minute

// Wait waits until a condition holds, which it asks again and again. The test ends where it
// never does; what says what was waited for.
func Wait(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(waitLimit); !holds(); {
		if time.Now().After(limit) {
			t.Fatalf("waited %v for %s", waitLimit, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
