package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"reflectionflow/geneval"
	"reflectionflow/internal/terminal"
	"reflectionflow/search"
)

// Evaluation shows the progress of an evaluation. Event is called from the search's
// goroutine, Progress from the judge's.
type Evaluation interface {
	Event(cfg search.Config, e search.Event)
	Progress(p geneval.Progress)
	Close()
}

// NewEvaluation returns the display of an evaluation: a bar where out is a terminal,
// else lines; nothing if quiet.
func NewEvaluation(out io.Writer, quiet bool) Evaluation {
	switch {
	case quiet:
		return silentEvaluation{}
	case isTerminal(out):
		return &evaluationBar{out: out}
	}
	return newEvaluationLines(out)
}

type silentEvaluation struct{}

func (silentEvaluation) Event(search.Config, search.Event) {}
func (silentEvaluation) Progress(geneval.Progress)         {}
func (silentEvaluation) Close()                            {}

// quietFor is the longest time that a log is silent while images are generated.
const quietFor = 15 * time.Second

// evaluationLines is the display of a pipe or a log file: one line per search, and one
// every [quietFor] while no search ends.
type evaluationLines struct {
	mu      sync.Mutex
	out     io.Writer
	images  int
	started time.Time
	printed time.Time
}

func newEvaluationLines(out io.Writer) *evaluationLines {
	return &evaluationLines{out: out, started: time.Now(), printed: time.Now()}
}

func (l *evaluationLines) Event(_ search.Config, e search.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Kind != search.Scored {
		return
	}
	l.images++
	if time.Since(l.printed) >= quietFor {
		l.print(fmt.Sprintf("%s so far", Plural(l.images, "image")))
	}
}

func (*evaluationLines) Close() {}

// print prints a line after the elapsed time.
func (l *evaluationLines) print(line string) {
	l.printed = time.Now()
	_, _ = fmt.Fprintf(l.out, "[%s] %s\n", terminal.Elapsed(time.Since(l.started)), terminal.Line(line))
}

func (l *evaluationLines) Progress(p geneval.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(p.Records) == 0 {
		return
	}
	var verdicts []string
	for _, r := range p.Records {
		verdict := "right"
		if !r.Correct {
			verdict = "wrong"
		}
		verdicts = append(verdicts, fmt.Sprintf("at %d %s", r.Budget, verdict))
	}
	r := p.Records[len(p.Records)-1]
	line := fmt.Sprintf("search %d of %d: %s, %q: %s", p.Done, p.Total, r.Strategy, r.Prompt, strings.Join(verdicts, ", "))
	if r.Reason != "" {
		line += " (" + strings.ReplaceAll(r.Reason, "\n", "; ") + ")"
	}
	l.print(line)
}

// evaluationBar is the display of a terminal. It counts images. The budget that a
// search does not use is taken from the total, and what it uses of other prompts'
// budgets is added.
type evaluationBar struct {
	mu    sync.Mutex
	out   io.Writer
	bar   *bar
	total int
	right map[string][2]int // per strategy: right answers at the largest budget, and all answers
}

func (b *evaluationBar) Progress(p geneval.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar == nil {
		b.right = make(map[string][2]int)
		b.total = p.Images
		shown := newBar(b.out, max(b.total, 1), progressbar.OptionShowCount(), progressbar.OptionSetRenderBlankState(true), progressbar.OptionClearOnFinish())
		b.bar = &shown
	}
	if len(p.Records) == 0 {
		return
	}
	last := p.Records[len(p.Records)-1]
	count := b.right[last.Strategy]
	if last.Correct {
		count[0]++
	}
	count[1]++
	b.right[last.Strategy] = count
	b.bar.describe(fmt.Sprintf("%s at %d: %d of %d right", last.Strategy, last.Budget, count[0], count[1]), 0)
}

func (b *evaluationBar) Event(cfg search.Config, e search.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Kind {
	case search.Scored:
		_ = b.bar.Add(1) // a failure to display must not end the work
	case search.Stopped:
		if left := mostImages(cfg) - e.Done; left != 0 { // an early stop leaves budget unused, or to other prompts
			b.total -= left
			b.bar.ChangeMax(b.total)
		}
	}
}

func (b *evaluationBar) Close() {
	if b.bar != nil {
		b.bar.close()
	}
}
