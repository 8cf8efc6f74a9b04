package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsNode is a NATS server as a process of its own; its argument is a configuration file.
func natsNode() {
	o, err := server.ProcessConfigFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	s, err := server.NewServer(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
}

// process is a program that is killed and started again.
type process struct {
	name string
	make func(instance string) *exec.Cmd

	mutex    sync.Mutex // of all below
	instance string     // name and number of the start
	starts   int
	kills    int
	killed   bool // and not started again
	cmd      *exec.Cmd
	ended    chan struct{} // closed when the process has ended
	said     *tail
	deaths   []string // ends that nobody asked for
}

// tail keeps the end of what a process prints.
type tail struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

const tailBytes = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if !bytes.Contains(p, []byte(`"msg":"request"`)) { // a line of the servers' log for each
		t.text.Write(p)
	}
	if over := t.text.Len() - tailBytes; over > 0 {
		t.text.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.text.String()
}

// start starts the process, if it does not run.
func (p *process) start() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.runs() {
		return nil
	}
	p.starts++
	p.killed = false
	p.instance = fmt.Sprintf("%s-%d", p.name, p.starts)
	p.cmd, p.said, p.ended = p.make(p.instance), &tail{}, make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	if err := p.cmd.Start(); err != nil {
		close(p.ended)
		return err
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // its state is looked at where it matters
		close(ended)
	}(p.cmd, p.ended)
	return nil
}

// runs reports whether the process runs.
func (p *process) runs() bool {
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends an instance with SIGKILL; "" is the one that runs. It reports whether it did.
func (p *process) kill(instance string) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.runs() || instance != "" && instance != p.instance {
		return false
	}
	p.kills++
	p.killed = true
	_ = p.cmd.Process.Kill()
	<-p.ended
	return true
}

// again starts a process that has ended by itself, if it was ever started, and remembers how it ended.
func (p *process) again() error {
	p.mutex.Lock()
	runs := p.runs() || p.killed || p.ended == nil
	if !runs {
		p.deaths = append(p.deaths, fmt.Sprintf("%s ended with %v:\n%s", p.instance, p.cmd.ProcessState, p.said))
	}
	p.mutex.Unlock()
	if runs {
		return nil
	}
	return p.start()
}

// state is a line about the process, and what it said last.
func (p *process) state() string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return fmt.Sprintf("%s: running %v, started %d times, killed %d times; it said:\n%s", p.instance, p.runs(), p.starts, p.kills, p.said)
}

// freePorts finds n ports that nothing uses, outside of the range from which outgoing
// connections take theirs: a server that is killed must get its port again.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	for range 50 {
		base := 15000 + rand.IntN(15000) //nolint:gosec // a test
		ports := make([]int, 0, n)
		for port := base; len(ports) < n; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				break
			}
			_ = l.Close()
			ports = append(ports, port)
		}
		if len(ports) == n {
			return ports
		}
	}
	t.Fatalf("there are no %d free ports in a row", n)
	return nil
}

// natsConf is the configuration of a node, as deploy/nats.conf on one machine.
const natsConf = `
server_name: NAME
listen: 127.0.0.1:CLIENT
http: 127.0.0.1:MONITOR
jetstream { store_dir: "STORE", sync_interval: always }
cluster { name: CLUSTER, listen: 127.0.0.1:ROUTE, routes: [ROUTES] }
`

// natsNodes makes three NATS servers of one cluster and returns them with their URLs, and
// the addresses that say how they are.
func natsNodes(t *testing.T) (nodes []*process, url string, health []string) {
	t.Helper()
	const count = 3
	ports := freePorts(t, 3*count)
	var routes, urls []string
	for i := range count {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[3*i]))
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[3*i+1]))
		health = append(health, fmt.Sprintf("http://127.0.0.1:%d/healthz", ports[3*i+2]))
	}
	for i := range count {
		dir := t.TempDir()
		file := filepath.Join(dir, "nats.conf")
		conf := strings.NewReplacer("NAME", fmt.Sprintf("node%d", i), "CLIENT", fmt.Sprint(ports[3*i]), "MONITOR", fmt.Sprint(ports[3*i+2]), "STORE", dir,
			"CLUSTER", fmt.Sprintf("fault-%d", ports[0]), "ROUTES", strings.Join(routes, ", "), "ROUTE", fmt.Sprint(ports[3*i+1])).Replace(natsConf)
		writeFile(t, file, conf)
		nodes = append(nodes, &process{name: fmt.Sprintf("nats%d", i), make: func(string) *exec.Cmd { return exec.Command("nats-node", file) }})
	}
	return nodes, strings.Join(urls, ","), health
}

// ready reports whether a URL answers with status 200.
func ready(url string) bool {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(url) //nolint:noctx // it has a timeout
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
