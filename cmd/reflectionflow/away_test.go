package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// gate passes connections on to a server. Shut, it breaks those under way and
// refuses others; its address stays the same.
type gate struct {
	address, server string
	mu              sync.Mutex
	listener        net.Listener
	under           map[net.Conn]bool
}

// newGate opens a gate before the server of a URL and returns the URL through it.
func newGate(t *testing.T, through string) (*gate, string) {
	t.Helper()
	u, err := url.Parse(through)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: "127.0.0.1:0", server: u.Host, under: map[net.Conn]bool{}}
	g.open(t)
	t.Cleanup(g.shut)
	u.Host = g.address
	return g, u.String()
}

func (g *gate) open(t *testing.T) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener, g.address = listener, listener.Addr().String()
	go func() {
		for {
			visitor, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", g.server)
			if err != nil {
				visitor.Close()
				continue
			}
			g.join(visitor, server)
		}
	}()
}

func (g *gate) join(a, b net.Conn) {
	g.mu.Lock()
	g.under[a], g.under[b] = true, true
	g.mu.Unlock()
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			way[0].Close()
			way[1].Close()
		}()
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener.Close()
	for conn := range g.under {
		conn.Close()
	}
	clear(g.under)
}

// The server goes away in the middle of a run, which ends and says whose server it
// was and how to resume; so does resuming while it is away. When it is back, the run
// is finished as if nothing had been, and nothing is asked or generated a second time.
// An image that was under way and has a price is recorded as a failed call: it may
// have been charged.
func TestServerGoesAndComesBack(t *testing.T) {
	t.Parallel()
	var box till
	vlm, sd := box.judge(t), box.painter(t)
	vlmGate, vlmURL := newGate(t, vlm.URL)
	sdGate, sdURL := newGate(t, sd.URL)
	priced := fmt.Sprintf(drawnAndJudged, vlmURL, sdURL)
	for name, tt := range map[string]struct {
		config, endpoint, of string
		at                   int
		gate                 *gate
		lost                 int
	}{
		"a question":     {priced, "vlm", "text ", 4, vlmGate, 0},
		"an image":       {strings.Replace(priced, ", price: {per_image: 0.04}", "", 1), "sd", "image ", 4, sdGate, 0},
		"a priced image": {priced, "sd", "image ", 4, sdGate, 1},
	} {
		t.Run(name, func(t *testing.T) {
			home := deployment(t, tt.config)
			generate := []string{"generate", "a clock and a cup", "--config", "config.yaml", "--out", "run", "--quiet"}
			box.reset(0, "", nil)
			if out, err := command(t, home, generate...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			want, whole := record(t, filepath.Join(home, "run")), box.asked
			if err := os.RemoveAll(filepath.Join(home, "run")); err != nil {
				t.Fatal(err)
			}
			box.reset(tt.at, tt.of, func(int) { tt.gate.shut() })
			out, err := command(t, home, generate...).CombinedOutput()
			box.calm()
			for sitting := range 2 {
				said := string(out)
				if code := exitOf(t, err); code != 1 {
					t.Errorf("sitting %d: exit code %d: %s", sitting, code, said)
				}
				for _, part := range []string{"endpoint " + tt.endpoint + ": ", "resume with: reflectionflow generate --resume run"} {
					if !strings.Contains(said, part) || strings.Count(said, "\n") != 1 {
						t.Errorf("sitting %d: %q lacks %q in one line", sitting, said, part)
					}
				}
				out, err = command(t, home, "generate", "--resume", "run", "--quiet").CombinedOutput()
			}
			tt.gate.open(t)
			if out, err := command(t, home, "generate", "--resume", "run", "--quiet").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got := record(t, filepath.Join(home, "run"))
			var answered []string
			for line := range strings.Lines(got["calls.jsonl"]) {
				if !strings.Contains(line, `"failed":true`) {
					answered = append(answered, line)
				}
			}
			if n := strings.Count(got["calls.jsonl"], "\n") - len(answered); n != tt.lost {
				t.Errorf("%d failed calls are recorded, want %d", n, tt.lost)
			}
			got["calls.jsonl"] = strings.Join(answered, "")
			sameFiles(t, got, want)
			box.once(t, whole)
		})
	}
}

// A server that was given another model while a run was stopped ends it when it goes
// on; with the old one back, the run is finished.
func TestServerReturnsChanged(t *testing.T) {
	t.Parallel()
	var box till
	vlm, sd := box.judge(t), box.painter(t)
	home := deployment(t, fmt.Sprintf(drawnAndJudged, vlm.URL, sd.URL))
	for _, tt := range []struct {
		name, of, old string
		set           func(string)
	}{{"vlm", "text ", "double-1", vlm.SetModel}, {"sd", "image ", "flux", sd.SetModel}} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.RemoveAll(filepath.Join(home, "run")); err != nil {
				t.Fatal(err)
			}
			sd.SetModel("flux")
			cmd := command(t, home, "generate", "a clock and a cup", "--config", "config.yaml", "--out", "run", "--quiet")
			box.killAt(t, 4, tt.of, cmd, func(int) {})
			tt.set("other")
			out, err := command(t, home, "generate", "--resume", "run", "--quiet").CombinedOutput()
			if code := exitOf(t, err); code != 1 {
				t.Errorf("exit code %d: %s", code, out)
			}
			for _, part := range []string{"endpoint " + tt.name + ": the server has changed", `"other"`, fmt.Sprintf("bring back %q", tt.old), "--resume run"} {
				if !strings.Contains(string(out), part) {
					t.Errorf("%q lacks %s", out, part)
				}
			}
			tt.set(tt.old)
			if out, err := command(t, home, "generate", "--resume", "run").CombinedOutput(); err != nil || !strings.Contains(string(out), "not used") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
