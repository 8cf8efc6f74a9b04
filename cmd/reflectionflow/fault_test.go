package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// faultWorker is the configuration of a worker whose engine and language model cost money.
const faultWorker = `
endpoints:
  vlm: {url: "%[1]s/v1", model: double-1, key_env: TEST_KEY, cache: none, price: {per_call: 0.01}}
generators:
  painter: {type: remote, url: "a1111+%[1]s?key_env=TEST_KEY", size: 64, steps: 2, price: {per_image: 0.04}}
verifiers:
  seen: {type: chat, endpoint: vlm}
use: {parser: english, reflector: findings}
`

// faultServer is that of the servers.
const faultServer = `
nats: {url: "%s", replicas: 3}
generators:
  painter: {type: fleet, model: painter}
use: {parser: english}
`

// faultLimit is how long jobs may take to end once nothing is killed any more. Only a
// failing test waits so long.
const faultLimit = 4 * time.Minute

// faultSearch is the search of a job; its seed is the number of the job.
const faultSearch = `{"strategy":"reflection","budget":"4","width":1,"size":"64","steps":2,"early_stop":false,"axes":["noise","reflection"],"seed":%d}`

// faultPrompts are the prompts of the jobs, in turn.
var faultPrompts = []string{"a photo of a clock and a cup", "two red cups", "a cat left of a dog", "three blue clocks"}

// cluster is what the fault test kills: three NATS servers, workers and servers, each a
// process of its own.
type cluster struct {
	t      *testing.T
	home   string
	meter  *meter
	random *rand.Rand

	nats    []*process
	health  []string // where the NATS servers say how they are
	client  *client
	workers []*process
	servers []*process
	natsURL string
	kills   map[string]int
}

func newCluster(t *testing.T, workers, servers int) *cluster {
	c := &cluster{t: t, home: t.TempDir(), meter: newMeter(t, 150*time.Millisecond), random: rand.New(rand.NewPCG(1, 2)), client: &client{}, kills: map[string]int{}} //nolint:gosec // a test
	c.nats, c.natsURL, c.health = natsNodes(t)
	url := c.natsURL
	writeFile(t, filepath.Join(c.home, "worker.yaml"), fmt.Sprintf(faultWorker, c.meter.url))
	writeFile(t, filepath.Join(c.home, "server.yaml"), fmt.Sprintf(faultServer, url))
	run := func(name string, args ...string) *process {
		return &process{name: name, make: func(instance string) *exec.Cmd {
			c.meter.starts(instance)
			cmd := embedded(c.home, args...)
			cmd.Env = append(cmd.Env, "TEST_KEY="+instance, "GOMAXPROCS=2")
			return cmd
		}}
	}
	for i := range workers {
		c.workers = append(c.workers, run(fmt.Sprintf("worker%d", i), "worker", "--config", "worker.yaml", "--nats", url, "--nats-replicas", "3", "--slots", "2"))
	}
	for i, port := range freePorts(t, servers) {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		c.client.urls = append(c.client.urls, "http://"+address)
		c.servers = append(c.servers, run(fmt.Sprintf("server%d", i), "serve", "--config", "server.yaml", "--listen", address, "--data", fmt.Sprintf("data%d", i), "--parallel", "8"))
	}
	t.Cleanup(func() {
		for _, p := range c.all() {
			p.kill("")
		}
	})
	return c
}

func (c *cluster) all() []*process {
	return append(append(append([]*process{}, c.nats...), c.workers...), c.servers...)
}

// begin starts all, in the order in which they need each other.
func (c *cluster) begin() {
	for _, group := range [][]*process{c.nats, c.workers, c.servers} {
		for _, p := range group {
			if err := p.start(); err != nil {
				c.t.Fatal(err)
			}
		}
		switch group[0] {
		case c.nats[0]:
			c.wait("NATS", c.healthy)
		case c.workers[0]:
			c.wait("the first worker", func() bool { return strings.Contains(c.workers[0].said.String(), "runs painter") })
		}
	}
	c.wait("the servers", func() bool {
		for _, url := range c.client.urls {
			if !ready(url + "/readyz") {
				return false
			}
		}
		return true
	})
}

func (c *cluster) healthy() bool {
	for _, url := range c.health {
		if !ready(url) {
			return false
		}
	}
	return true
}

// wait waits until something holds. The test fails with the state of all where it does not
// come to it.
func (c *cluster) wait(what string, holds func() bool) {
	c.t.Helper()
	for limit := time.Now().Add(faultLimit); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			c.t.Fatalf("waited %v for %s\n%s", faultLimit, what, c.state())
		}
		c.revive()
	}
}

// revive starts again what ended by itself.
func (c *cluster) revive() {
	for _, p := range c.all() {
		if err := p.again(); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *cluster) state() string {
	var b strings.Builder
	for _, p := range c.all() {
		b.WriteString(p.state() + "\n")
	}
	for i, j := range c.client.list() {
		if !j.ended() {
			fmt.Fprintf(&b, "job %d, %s: %s\n", i, j.ID, cmp.Or(j.State, "not seen"))
		}
	}
	counts, err := c.meter.check()
	fmt.Fprintf(&b, "%s\n%v\n", counts, err)
	return b.String()
}

// killing kills something every few seconds until ctx ends: a worker while it waits for an
// answer, once it has it, or once it is stored; a server; a NATS server, if the others have
// all that is stored.
func (c *cluster) killing(ctx context.Context) {
	kinds := []string{"worker " + asked, "NATS server", "worker " + stored, "server", "worker " + answered}
	for i := 0; ctx.Err() == nil; i++ {
		what := kinds[i%len(kinds)]
		p := c.victim(ctx, what)
		if p != nil {
			c.kills[what]++
			pause(ctx, time.Duration(500+c.random.IntN(1500))*time.Millisecond)
			if err := p.start(); err != nil {
				c.t.Fatal(err)
			}
		}
		pause(ctx, time.Duration(500+c.random.IntN(1000))*time.Millisecond)
		c.revive()
	}
}

// victim kills a process of a kind and returns it, or nil where there is none to kill.
func (c *cluster) victim(ctx context.Context, what string) *process {
	var p *process
	switch what {
	case "server":
		p = c.servers[c.random.IntN(len(c.servers))]
	case "NATS server":
		p = c.nats[c.random.IntN(len(c.nats))]
		if !c.healthy() {
			return nil
		}
	default:
		return c.trap(ctx, strings.TrimPrefix(what, "worker "))
	}
	if p.kill("") {
		return p
	}
	return nil
}

// trap kills the first worker to which something happens. After a while without any it
// kills none.
func (c *cluster) trap(ctx context.Context, what string) *process {
	for len(c.meter.news) > 0 {
		<-c.meter.news // they are old
	}
	limit := time.After(5 * time.Second)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-limit:
			return nil
		case e := <-c.meter.news:
			for _, p := range c.workers {
				if e.what == what && p.kill(e.instance) {
					return p
				}
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// TestFaults: while workers, servers and NATS servers are killed, every job ends, with the
// files of a search that runs alone, and nothing is paid for again that was stored.
//
// To see it fail, acknowledge tasks before they are answered: in worker.handle of
// internal/fleet, put msg.Ack() before w.settle(...). Then the task of a worker that is
// killed in between is lost, and its job does not end.
func TestFaults(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4, 2)
	c.begin()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { c.meter.watch(ctx, c.natsURL) })
	killing, calm := context.WithTimeout(ctx, faultTime)
	defer calm()
	running.Go(func() { c.client.run(ctx, killing) })
	c.killing(killing)
	c.wait("the jobs", c.client.ended)
	counts, err := c.meter.check()
	t.Logf("%d jobs; killed: %v; %s", len(c.client.jobs), c.kills, counts)
	if err != nil {
		t.Error(err)
	}
	for _, p := range c.all() {
		for _, death := range p.deaths {
			t.Errorf("it ended by itself: %s", death)
		}
	}
	c.compare(t, c.client.jobs)
}

// compare compares the archives of jobs with the folders of searches that run alone.
func (c *cluster) compare(t *testing.T, jobs []*faultJob) {
	c.meter.starts(alone)
	t.Run("alone", func(t *testing.T) {
		for i, j := range jobs {
			if j.State != "done" {
				t.Errorf("job %d has %s: %s", i, j.State, j.Error)
				continue
			}
			var got map[string]string
			c.wait("an archive", func() (ok bool) {
				got, ok = archived(c.client.urls[i%len(c.client.urls)] + "/api/v1/jobs/" + j.ID)
				return ok
			})
			t.Run(fmt.Sprint("job ", i), func(t *testing.T) {
				t.Parallel()
				c.compareOne(t, i, j, got)
			})
		}
	})
}

// compareOne compares the files of a job with those of its search alone.
func (c *cluster) compareOne(t *testing.T, i int, j *faultJob, got map[string]string) {
	dir := fmt.Sprintf("alone%d", i)
	cmd := embedded(c.home, "generate", j.Prompt, "--config", "worker.yaml", "--strategy", "reflection", "--budget", "4", "--width", "1", "--size", "64", "--steps", "2",
		"--early-stop=false", "--axes", "noise,reflection", "--seed", fmt.Sprint(i), "--quiet", "--out", dir)
	cmd.Env = append(cmd.Env, "TEST_KEY="+alone)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := record(t, filepath.Join(c.home, dir))
	if a, b := candidatesOf(t, got["candidates.jsonl"]), candidatesOf(t, want["candidates.jsonl"]); a != b {
		t.Errorf("job %d: its candidates are\n%s\nand those of a search alone\n%s", i, a, b)
	}
	for name, file := range want {
		if strings.HasSuffix(name, ".png") && signOf([]byte(got[name])) != signOf([]byte(file)) {
			t.Errorf("job %d: %s is not that of a search alone", i, name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("job %d: a search alone has no %s", i, name)
	}
}

// candidatesOf are the lines of candidates, without what names the calls of this run and
// the model, which a search alone finds here and not on workers.
func candidatesOf(t *testing.T, lines string) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(lines) {
		var c map[string]any
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		delete(c, "calls")
		delete(c, "sha256")
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return strings.Join(all, "\n")
}

// archived are the files of a job.
func archived(url string) (files map[string]string, ok bool) {
	response, err := http.Get(url + "/archive") //nolint:gosec,noctx // a server of this test
	if err != nil {
		return nil, false
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, false
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, false
	}
	files = map[string]string{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			return nil, false
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, false
		}
		_, name, _ := strings.Cut(f.Name, "/")
		files[name] = string(text)
	}
	return files, true
}

// client submits jobs to servers that may be killed.
type client struct {
	urls  []string
	mutex sync.Mutex
	jobs  []*faultJob
	done  bool
	turn  int
}

// faultJob is a job as the servers describe it.
type faultJob struct {
	ID     string `json:"id"`
	Prompt string `json:"prompt"`
	State  string `json:"state"`
	Error  string `json:"error"`
}

func (j faultJob) ended() bool {
	return j.State == "done" || j.State == "failed" || j.State == "cancelled"
}

// jobsAtOnce is how many jobs wait or run at a time.
const jobsAtOnce = 6

// run submits a job when another has ended, as long as something is killed, and looks at
// all until they have ended.
func (c *client) run(ctx, killing context.Context) {
	for ctx.Err() == nil {
		live := 0
		for _, j := range c.jobs {
			if !j.ended() {
				live++
				c.call(ctx, http.MethodGet, "/api/v1/jobs/"+j.ID, "", j)
			}
		}
		switch {
		case killing.Err() == nil && live < jobsAtOnce:
			c.submit(ctx)
		case killing.Err() != nil && live == 0:
			c.mutex.Lock()
			c.done = true
			c.mutex.Unlock()
			return
		default:
			pause(ctx, 100*time.Millisecond)
		}
	}
}

// list returns the jobs as they were seen last.
func (c *client) list() (jobs []faultJob) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, j := range c.jobs {
		jobs = append(jobs, *j)
	}
	return jobs
}

func (c *client) ended() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.done
}

// submit submits the next job, until a server has taken it.
func (c *client) submit(ctx context.Context) {
	i := len(c.jobs)
	body := fmt.Sprintf(`{"prompt":%q,"search":`+faultSearch+`}`, faultPrompts[i%len(faultPrompts)], i)
	j := &faultJob{}
	for !c.call(ctx, http.MethodPost, "/api/v1/jobs", body, j) {
		if pause(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return
		}
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.jobs = append(c.jobs, j)
}

// call calls one server after the other and reads the reply into a job.
func (c *client) call(ctx context.Context, method, path, body string, into *faultJob) bool {
	c.turn++
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.urls[c.turn%len(c.urls)]+path, strings.NewReader(body))
	if err != nil {
		return false
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", fmt.Sprint("job ", len(c.jobs)))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return false
	}
	var j faultJob
	if err := json.NewDecoder(response.Body).Decode(&j); err != nil || j.ID == "" {
		return false
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	*into = j
	return true
}
