package tuning

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"reflectionflow/internal/plot"
)

// plainName removes the prefixes of training state.
func plainName(name string) string {
	for _, prefix := range []string{emaPrefix, statePrefix} {
		if plain, found := strings.CutPrefix(name, prefix); found {
			return plain
		}
	}
	return name
}

// metrics is the record of a run's steps, metrics.jsonl.
type metrics struct {
	file  *os.File
	steps []Progress
}

// openMetrics opens the record in dir and drops steps after done, which are not in the
// checkpoint.
func openMetrics(dir string, done int) (*metrics, error) {
	path := filepath.Join(dir, "metrics.jsonl")
	steps, err := readMetrics(path)
	if err != nil {
		return nil, err
	}
	m := &metrics{}
	if m.file, err = os.Create(path); err != nil {
		return nil, err
	}
	for _, p := range steps {
		if p.Step <= done {
			if err := m.add(p); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

func readMetrics(path string) ([]Progress, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var steps []Progress
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var p Progress
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			break // incomplete after a kill; the steps from here on are repeated
		}
		steps = append(steps, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return steps, nil
}

func (m *metrics) add(p Progress) error {
	line, err := metricsLine(p)
	if err != nil {
		return err
	}
	if _, err := m.file.Write(line); err != nil {
		return err
	}
	m.steps = append(m.steps, p)
	return nil
}

func (m *metrics) sync() error { return m.file.Sync() }

func (m *metrics) close() { m.file.Close() }

// plot saves the loss curve.
func (m *metrics) plot(path, title string) error {
	curve := plot.Curve{Name: "loss"}
	for _, p := range m.steps {
		curve.X = append(curve.X, float64(p.Step))
		curve.Y = append(curve.Y, p.Loss)
	}
	return plot.Loss(path, title, curve)
}
