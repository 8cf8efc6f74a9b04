package testserver

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// NATS starts a NATS server with JetStream in this process, which ends with the test, and
// returns its URL. It is no double. set changes its options; it may be nil.
func NATS(t testing.TB, set func(*server.Options)) (url string) {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()}
	if set != nil {
		set(o)
	}
	return startNATS(t, o)[0].ClientURL()
}

// startNATS starts servers, and waits until all take connections.
func startNATS(t testing.TB, options ...*server.Options) (servers []*server.Server) {
	t.Helper()
	for _, o := range options {
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	for _, s := range servers {
		if !s.ReadyForConnections(time.Minute) {
			t.Fatal("the NATS server does not start")
		}
	}
	return servers
}

// NATSCluster starts three NATS servers with JetStream in this process, which are one
// cluster, and returns their URLs. What the last one and the others say to each other takes
// delay each way.
func NATSCluster(t testing.TB, delay time.Duration) (urls []string) {
	t.Helper()
	var all []*server.Options
	var routes []*url.URL
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends at once
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of TCP
		_ = l.Close()
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		all = append(all, &server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
			Cluster: server.ClusterOpts{Name: t.Name(), Host: "127.0.0.1", Port: port, NoAdvertise: true},
		})
	}
	all[0].Routes, all[1].Routes = routes[:2], routes[:2]
	for _, route := range routes[:2] {
		late := Through(t, "nats://"+route.Host, delay)
		all[2].Routes = append(all[2].Routes, &url.URL{Scheme: "nats", Host: strings.TrimPrefix(late.URL, "nats://")})
	}
	servers := startNATS(t, all...)
	Wait(t, "a leader of the NATS servers", func() bool {
		return slices.ContainsFunc(servers, func(s *server.Server) bool { return s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == 3 })
	})
	for _, s := range servers {
		urls = append(urls, s.ClientURL())
	}
	return urls
}
