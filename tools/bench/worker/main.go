// Command worker is this engine's side of the comparisons in tools/bench/. It reads
// requests from its standard input, one JSON object per line, and answers each with the
// time that it took. Between requests it is idle, so that the peer has the machine to
// itself.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/gomlx/compute"

	"reflectionflow/internal/bench"
	"reflectionflow/internal/config"
	"reflectionflow/nn"
)

// request is one measurement or check.
type request struct {
	Do string `json:"do"` // matmul, stored, forward, train, check, decode, double, single, clip, owlv2, klein or start
	bench.Product
	Model  config.Weights `json:"model"`  // of start
	File   string         `json:"file"`   // where inputs and results go, at the first request; clip and owlv2: the image
	Folder string         `json:"folder"` // the network
	Size   int            `json:"size"`   // of the image
	Time   float64        `json:"time"`   // seconds to repeat for
}

// answer is the result of a request.
type answer struct {
	Seconds float64   `json:"seconds"` // of one execution
	Backend string    `json:"backend"`
	Values  []float32 `json:"values,omitempty"` // clip and owlv2: what the network makes of the image, at the first request; start: seconds of the parts
	Error   string    `json:"error,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run() error {
	name := flag.String("backend", "", "compute backend: see reflectionflow generate --help")
	flag.Parse()
	backend, err := nn.OpenBackend(*name)
	if err != nil {
		return err
	}
	w := &worker{backend: backend, ready: map[string]bench.Job{}}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return err
		}
		a, err := w.do(r)
		if err != nil {
			a.Error = err.Error()
		}
		a.Backend = backend.Description()
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return in.Err()
}

// worker keeps compiled workloads for repeated requests.
type worker struct {
	backend compute.Backend
	ready   map[string]bench.Job
}

func (w *worker) do(r request) (answer, error) {
	switch r.Do {
	case "check":
		return answer{}, check(w.backend, r.Batch, r.File)
	case "start":
		values, err := start(w.backend, r.Model, r.Size)
		return answer{Values: values}, err
	}
	key := fmt.Sprintf("%s %s %d %+v", r.Do, r.Folder, r.Size, r.Product)
	j, found := w.ready[key]
	var values []float32
	if !found {
		var err error
		switch r.Do {
		case "matmul":
			j, err = r.Open(w.backend)
		case "stored":
			j, err = stored(w.backend, r.Product)
		case "forward":
			j, err = forward(w.backend, r.Batch)
		case "train":
			j, err = train(w.backend, r.Batch)
		case "decode", "double", "single":
			j, err = part(w.backend, r.Do, r.Folder, r.File, r.Size)
		case "clip", "owlv2":
			values, j, err = look(r.Do, r.Folder, r.File)
		case "klein":
			j, err = generate(w.backend, r.Folder, r.File, r.Size)
		default:
			err = errors.New("unknown request " + r.Do)
		}
		if err != nil {
			return answer{}, err
		}
		w.ready[key] = j
		for range warming(r.Do) {
			if err := j.Run(); err != nil {
				return answer{}, err
			}
		}
	}
	n, begin := 0, time.Now()
	for n == 0 || time.Since(begin).Seconds() < r.Time {
		if err := j.Run(); err != nil {
			return answer{}, err
		}
		n++
	}
	return answer{Seconds: time.Since(begin).Seconds() / float64(n), Values: values}, nil
}

// warming is the number of executions before the first that is measured; a network has run once.
func warming(do string) int {
	if do == "clip" || do == "owlv2" || do == "klein" {
		return 0
	}
	return 2
}
