package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"reflectionflow/internal/testserver"
)

// A server is killed while it compares the second of three pairs. When it is back, it asks
// about that pair and the third: the first is neither asked nor paid for again.
func TestServeKilledBetweenComparisons(t *testing.T) {
	sd := testserver.NewSDCPP(t)
	var pairs atomic.Int64
	third, dead := make(chan struct{}), make(chan struct{})
	vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		if paired(q) && pairs.Add(1) == 3 { // each pair is asked in both orders
			close(third)
			<-dead
		}
		return lean(q)
	}})
	home := deployed(t, fmt.Sprintf(tied, vlm.URL, sd.URL))
	cmd, url := startServe(t, home)
	reply := fetch(t, http.MethodPost, url+"/api/v1/jobs", `{"prompt":"a clock and a cup","search":{"strategy":"noise","budget":"4","early_stop":false}}`)
	_, id, _ := strings.Cut(reply, `"id":"`)
	id, _, ok := strings.Cut(id, `"`)
	if !ok {
		t.Fatal(reply)
	}
	<-third
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	close(dead)

	_, url = startServe(t, home)
	events := fetch(t, http.MethodGet, url+"/api/v1/jobs/"+id+"/events", "")
	if strings.Count(events, "event: compared") != 3 || !strings.Contains(events, "event: done") {
		t.Errorf("events:\n%s", events)
	}
	if n := pairs.Load(); n != 3+4 {
		t.Errorf("%d questions about pairs, want 6 and the one that was lost", n)
	}
}
