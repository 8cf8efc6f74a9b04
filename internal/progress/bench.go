package progress

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
)

// Bench shows the progress of a benchmark: a bar on a terminal, a line a part
// elsewhere.
type Bench struct {
	out io.Writer
	bar *progressbar.ProgressBar // nil if not on a terminal
}

// NewBench returns the display of a benchmark.
func NewBench(out io.Writer) *Bench {
	d := &Bench{out: out}
	if isTerminal(out) {
		d.bar = progressbar.NewOptions(100,
			progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(24), progressbar.OptionSetElapsedTime(true),
			progressbar.OptionSetPredictTime(false), progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetRenderBlankState(true), progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}))
	}
	return d
}

// Begin shows what is measured next, and the share that is done.
func (d *Bench) Begin(what string, done float64) {
	if d.bar == nil {
		_, _ = fmt.Fprintf(d.out, "%3.0f%%  %s\n", 100*done, what)
		return
	}
	d.bar.Describe(what)
	_ = d.bar.Set(int(100 * done)) // a display that fails must not end the measurement
}

// Close ends the display.
func (d *Bench) Close() {
	if d.bar != nil {
		_ = d.bar.Clear()
		_ = d.bar.Exit()
	}
}
