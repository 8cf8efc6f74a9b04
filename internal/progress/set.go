package progress

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"reflectionflow/genref"
	"reflectionflow/internal/terminal"
)

// Set shows the progress of building or reading a set of triplets: a bar on a
// terminal, elsewhere a line every ten seconds.
type Set struct {
	out      io.Writer
	unit     string
	quiet    bool
	terminal bool
	bar      *bar
	started  time.Time
	printed  time.Time
	last     string // the last line without its time
}

// NewSet returns the display; unit names what is counted, in the plural.
func NewSet(out io.Writer, unit string, quiet bool) *Set {
	return &Set{out: out, unit: unit, quiet: quiet, terminal: isTerminal(out), started: time.Now(), printed: time.Now()}
}

// Build shows the progress of a build.
func (d *Set) Build(p genref.Progress) {
	d.show(p.Done, p.Count, fmt.Sprintf("from %d images for %d prompts", p.Effort.Images, p.Effort.Prompts))
}

// Read shows the progress of reading a set, whose size is not known.
func (d *Set) Read(triplets int) { d.show(triplets, -1, "") }

func (d *Set) show(done, total int, note string) {
	switch {
	case d.quiet:
	case d.terminal:
		if d.bar == nil {
			shown := newBar(d.out, total, progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond))
			d.bar = &shown
		}
		d.bar.describe(d.unit+" "+note, 0)
		d.bar.set(done)
	case time.Since(d.printed) >= 10*time.Second || done == total:
		d.printed = time.Now()
		of := ""
		if total > 0 {
			of = fmt.Sprintf(" of %d", total)
		}
		line := strings.TrimSpace(fmt.Sprintf("%d%s %s %s", done, of, d.unit, note))
		if line != d.last {
			_, _ = fmt.Fprintf(d.out, "[%s] %s\n", terminal.Elapsed(time.Since(d.started)), line)
		}
		d.last = line
	}
}

// Close ends the display.
func (d *Set) Close() {
	if d.bar != nil {
		_, _ = fmt.Fprintln(d.out)
	}
}
