package progress

import (
	"fmt"
	"io"
	"maps"
	"reflectionflow/tuning"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Training shows the progress of a training run: a bar on a terminal, a line
// now and then elsewhere.
type Training struct {
	out      io.Writer
	stage    string
	terminal bool
	quiet    bool
	bar      *progressbar.ProgressBar
	before   string // what the bar counts before the first step
	done     int    // of that
	first    int
	started  time.Time
	printed  time.Time
	smooth   float64
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
			d.before, d.bar = what, d.newBar(of, "picture")
			d.bar.Describe(d.stage + ": " + what)
		}
		d.done = done
		_ = d.bar.Set(done) // a display that fails must not end the training
	case time.Since(d.printed) >= 10*time.Second:
		d.printed = time.Now()
		_, _ = fmt.Fprintf(d.out, "%s: %s: %d of %d\n", d.stage, what, done, of)
	}
}

func (d *Training) newBar(of int, unit string) *progressbar.ProgressBar {
	return progressbar.NewOptions(of,
		progressbar.OptionSetWriter(d.out), progressbar.OptionSetWidth(24), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString(unit), progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true), progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}))
}

// Step shows a training step.
func (d *Training) Step(s tuning.Progress) {
	if d.quiet {
		return
	}
	if d.smooth == 0 {
		d.Close()
		d.started = time.Now() // as far as the rate of the steps goes
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

// rate says how long a step takes and how long all will, once there is more than one.
func (d *Training) rate(s tuning.Progress) string {
	if s.Step == d.first {
		return ""
	}
	each := time.Since(d.started).Seconds() / float64(s.Step-d.first)
	left := time.Duration(each * float64(s.Steps-s.Step) * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf(", %.3g s a step, %s left", each, left)
}

func (d *Training) advance(s tuning.Progress) {
	if d.bar == nil {
		d.bar = d.newBar(s.Steps, "step")
	}
	d.bar.Describe(fmt.Sprintf("%s loss %.4f%s", d.stage, d.smooth, figures(s)))
	_ = d.bar.Set(s.Step) // a display that fails must not end the training
}

// Close ends the display.
func (d *Training) Close() {
	if d.bar != nil {
		_, _ = fmt.Fprintln(d.out)
		d.bar = nil
	}
}

// figures lists what was watched and sampled, in order of name.
func figures(s tuning.Progress) string {
	var text strings.Builder
	for _, values := range []map[string]float64{s.Watched, s.Sampled} {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			_, _ = fmt.Fprintf(&text, ", %s %.4g", strings.ReplaceAll(name, "_", " "), values[name])
		}
	}
	return text.String()
}
