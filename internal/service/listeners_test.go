package service_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"reflectionflow/internal/jobs"
)

// watchers opens streams of a job's events and returns what each received, by their IDs.
func watchers(t *testing.T, address string, n int) (received []string, took time.Duration) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}}
	defer client.CloseIdleConnections()
	received = make([]string, n)
	var all sync.WaitGroup
	begun := time.Now()
	for i := range n {
		all.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			if err != nil {
				t.Error(err)
				return
			}
			reply, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer reply.Body.Close()
			var ids strings.Builder
			for lines := bufio.NewScanner(reply.Body); lines.Scan(); {
				if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
					ids.WriteString(id + " ")
				}
			}
			received[i] = ids.String()
		})
	}
	all.Wait()
	return received, time.Since(begun)
}

// TestListeners lets many watch a job while it runs: each gets every event, once and in
// order.
func TestListeners(t *testing.T) {
	address := serve(t, nil).URL
	_, body := call(t, "POST", address+"/api/v1/jobs", `{"prompt":"red","search":{"strategy":"noise","budget":"64","early_stop":false}}`)
	id := decode[jobs.Job](t, body).ID
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	received, took := watchers(t, address+"/api/v1/jobs/"+id+"/events", listeners)
	runtime.ReadMemStats(&after)
	for i, got := range received {
		if got != received[0] || strings.Count(got, " ") != 68 {
			t.Fatalf("listener %d got %d events, %.100s", i, strings.Count(got, " "), got)
		}
	}
	t.Logf("%d listeners of 68 events: %.2f s, %d events a second, %.1f MB more", listeners, took.Seconds(), int(float64(68*listeners)/took.Seconds()), float64(after.Sys-before.Sys)/1e6)
}

// TestSlowListener lets a client stop in the middle of a large backlog: it gets the rest when
// it comes back with the last ID that it has.
func TestSlowListener(t *testing.T) {
	address := serve(t, nil).URL
	prompt := strings.Repeat("red ", 1000)
	_, body := call(t, "POST", address+"/api/v1/jobs", fmt.Sprintf(`{"prompt":%q,"search":{"strategy":"noise","budget":"200","early_stop":false}}`, prompt))
	path := "/api/v1/jobs/" + decode[jobs.Job](t, body).ID + "/events"
	want, _ := watchers(t, address+path, 1)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, u.Host); err != nil {
		t.Fatal(err)
	}
	lines, last, seen := bufio.NewScanner(conn), "", ""
	for lines.Scan() && strings.Count(seen, " ") < 3 {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			last, seen = id, seen+id+" "
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Last-Event-ID", last)
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	again := bufio.NewScanner(reply.Body)
	for again.Buffer(nil, 1<<20); again.Scan(); {
		if id, ok := strings.CutPrefix(again.Text(), "id: "); ok {
			seen += id + " "
		}
	}
	if seen != want[0] {
		t.Errorf("with a break: %d events, without: %d", strings.Count(seen, " "), strings.Count(want[0], " "))
	}
}
