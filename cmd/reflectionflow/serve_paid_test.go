package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow/internal/jobs"
)

// startServe starts serve with the configuration of a folder and returns its address.
func startServe(t *testing.T, home string) (*exec.Cmd, string) {
	t.Helper()
	cmd := command(t, home, "serve", "--config", "config.yaml", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	_, url, ok := strings.Cut(strings.TrimSpace(line), "serving on ")
	if !ok {
		t.Fatalf("serve says %q, %v", line, err)
	}
	return cmd, url
}

// fetch sends a request to serve and returns the reply, which may have ended early.
func fetch(t *testing.T, method, url, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Idempotency-Key", "one")
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	data, _ := io.ReadAll(reply.Body)
	return string(data)
}

// storedAnswers counts the answers that a server, which was killed, has stored.
func storedAnswers(t *testing.T, home string) int {
	t.Helper()
	bus, err := jobs.Embedded(filepath.Join(home, "data", "nats"))
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	answers, err := bus.Stream.ObjectStore(t.Context(), "answers")
	if err != nil {
		t.Fatal(err)
	}
	list, err := answers.List(t.Context())
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		t.Fatal(err)
	}
	return len(list)
}

// A server whose parts are paid for is killed while a question is under way, whichever it
// is: when it is back, nothing that was stored is paid for again, and the candidates are
// those of a server that was left alone.
func TestServeKilledAndPaidOnce(t *testing.T) {
	t.Parallel()
	var box till
	vlm, sd := box.judge(t), box.painter(t)
	config := fmt.Sprintf(drawnAndJudged, vlm.URL, sd.URL)
	const job = `{"prompt":"a clock and a cup","search":{"budget":"5","seed":11,"early_stop":false,"axes":["noise","reflection"]}}`
	whole := 0 // answers that a server which is left alone pays for
	run := func(at int) (candidates string, stored int) {
		home := deployment(t, config)
		cmd, url := startServe(t, home)
		dead := make(chan struct{})
		answered := 0
		box.reset(at, "", func(n int) {
			answered = n
			time.Sleep(200 * time.Millisecond) // let it store what it has; it need not
			_ = cmd.Process.Kill()
			close(dead)
		})
		reply := fetch(t, http.MethodPost, url+"/api/v1/jobs", job)
		_, id, _ := strings.Cut(reply, `"id":"`)
		id, _, ok := strings.Cut(id, `"`)
		if !ok {
			t.Fatal(reply)
		}
		if at > 0 {
			<-dead
			_ = cmd.Wait()
			box.calm()
			stored = storedAnswers(t, home)
			_, url = startServe(t, home)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for events := ""; !strings.Contains(events, "event: done"); {
			if events = fetch(t, http.MethodGet, url+"/api/v1/jobs/"+id+"/events", ""); ctx.Err() != nil || strings.Contains(events, "event: failed") {
				t.Fatal(events)
			}
		}
		paid := 0
		for _, times := range box.paid {
			paid += times
		}
		if at == 0 {
			whole = paid // questions that differ in what servers are not told are asked each
		}
		if again := paid - whole; again > answered-stored {
			t.Errorf("killed at question %d: %d were answered, %d stored, and %d paid for again", at, answered, stored, again)
		}
		return fetch(t, http.MethodGet, url+"/api/v1/jobs/"+id+"/candidates", ""), stored
	}
	want, _ := run(0)
	if whole < 8 || strings.Count(want, `"score"`) != 5 {
		t.Fatalf("%d questions; %s", whole, want)
	}
	sum := 0
	for at := 2; at <= whole; at += whole / 4 {
		got, stored := run(at)
		sum += stored
		if got != want {
			t.Errorf("killed at question %d: got\n%s\nwant\n%s", at, got, want)
		}
	}
	if sum == 0 {
		t.Error("no server has stored an answer before it was killed")
	}
}
