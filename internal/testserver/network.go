package testserver

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Network is a way to a server that is slow, or takes nothing for a while.
type Network struct {
	URL   string // nats://host:port
	delay time.Duration

	mutex sync.Mutex
	until time.Time // nothing passes before
}

// Through returns a network to a server; everything takes delay each way.
func Through(t testing.TB, url string, delay time.Duration) *Network {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	n := &Network{URL: "nats://" + listener.Addr().String(), delay: delay}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "nats://"))
			if err != nil {
				_ = from.Close()
				continue
			}
			go n.pass(from, to)
			go n.pass(to, from)
		}
	}()
	return n
}

// pass passes what comes on, late.
func (n *Network) pass(from, to net.Conn) {
	type piece struct {
		data []byte
		due  time.Time
	}
	pieces := make(chan piece, 1000)
	go func() {
		for p := range pieces {
			<-time.After(time.Until(p.due))
			n.mutex.Lock()
			until := n.until
			n.mutex.Unlock()
			<-time.After(time.Until(until))
			if _, err := to.Write(p.data); err != nil {
				break
			}
		}
		_ = to.Close()
		for range pieces { // the reader ends too
		}
	}()
	defer close(pieces)
	for {
		buffer := make([]byte, 32<<10)
		size, err := from.Read(buffer)
		if err != nil {
			return
		}
		pieces <- piece{buffer[:size], time.Now().Add(n.delay)}
	}
}

// Cut lets nothing pass for a time.
func (n *Network) Cut(d time.Duration) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.until = time.Now().Add(d)
}
