package progress

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"reflectionflow/internal/terminal"
	"reflectionflow/tuning"
)

// Training shows the progress of a training run: a bar on a terminal, elsewhere a line
// every ten seconds and after each sampling.
type Training struct {
	out      io.Writer
	stage    string
	terminal bool
	quiet    bool
	bar      *bar
	before   string // what the bar counts before the first step
	done     int    // its count
	first    int    // the first step of this process
	started  time.Time
	printed  time.Time
	smooth   float64 // moving average of the loss
}

// NewTraining returns the display of a stage.
func NewTraining(out io.Writer, stage string, quiet bool) *Training {
	return &Training{out: out, stage: stage, quiet: quiet, terminal: isTerminal(out), started: time.Now()}
}

// Preparing shows the work before the first step.
func (d *Training) Preparing(what string, done, of int) {
	switch {
	case d.quiet:
	case d.terminal:
		if d.before != what || done < d.done {
			d.Close()
			d.before, d.bar = what, d.newBar(of, "image")
			d.bar.describe(d.stage+": "+what, 0)
		}
		d.done = done
		d.bar.set(done)
	case time.Since(d.printed) >= 10*time.Second:
		d.printed = time.Now()
		_, _ = fmt.Fprintf(d.out, "%s: %s: %d of %d\n", d.stage, what, done, of)
	}
}

func (d *Training) newBar(of int, unit string) *bar {
	b := newBar(d.out, of, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit))
	return &b
}

// Step shows a training step.
func (d *Training) Step(s tuning.Progress) {
	if d.quiet {
		return
	}
	if d.smooth == 0 {
		d.Close()
		d.started = time.Now() // the rate counts steps only
		d.smooth, d.first = s.Loss, s.Step
	}
	d.smooth += 0.05 * (s.Loss - d.smooth)
	if d.terminal {
		d.advance(s)
		return
	}
	if len(s.Sampled) == 0 && s.Step < s.Steps && time.Since(d.printed) < 10*time.Second {
		return
	}
	d.printed = time.Now()
	_, _ = fmt.Fprintf(d.out, "%s: step %d of %d, loss %.4f%s%s\n", d.stage, s.Step, s.Steps, d.smooth, d.rate(s), figures(s))
}

// rate gives the seconds per step and the time left; empty at the first step.
func (d *Training) rate(s tuning.Progress) string {
	if s.Step == d.first {
		return ""
	}
	each := time.Since(d.started).Seconds() / float64(s.Step-d.first)
	left := time.Duration(each * float64(s.Steps-s.Step) * float64(time.Second))
	return fmt.Sprintf(", %.3g s per step, %s left", each, terminal.Elapsed(left))
}

func (d *Training) advance(s tuning.Progress) {
	if d.bar == nil {
		d.bar = d.newBar(s.Steps, "step")
	}
	d.bar.describe(fmt.Sprintf("%s loss %.4f%s", d.stage, d.smooth, figures(s)), 0)
	d.bar.set(s.Step)
}

// Close ends the display.
func (d *Training) Close() {
	if d.bar != nil {
		_, _ = fmt.Fprintln(d.out)
		d.bar = nil
	}
}

// figures lists the watched and the sampled metrics, each in order of name.
func figures(s tuning.Progress) string {
	var text strings.Builder
	for _, values := range []map[string]float64{s.Watched, s.Sampled} {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			_, _ = fmt.Fprintf(&text, ", %s %.4g", strings.ReplaceAll(name, "_", " "), values[name])
		}
	}
	return text.String()
}
