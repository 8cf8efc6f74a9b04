package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"reflectionflow/geneval"
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
	return &evaluationLines{out: out, printed: time.Now()}
}

type silentEvaluation struct{}

func (silentEvaluation) Event(search.Config, search.Event) {}
func (silentEvaluation) Progress(geneval.Progress)         {}
func (silentEvaluation) Close()                            {}

// quietFor is how long a log says nothing while images are drawn.
const quietFor = 15 * time.Second

// evaluationLines is the display of a pipe or a log file: one line a search, and now
// and then one where no search ends for long.
type evaluationLines struct {
	mu      sync.Mutex
	out     io.Writer
	images  int
	printed time.Time
}

func (l *evaluationLines) Event(_ search.Config, e search.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Kind != search.Scored {
		return
	}
	l.images++
	if time.Since(l.printed) >= quietFor {
		l.print(fmt.Sprintf("%d images drawn so far", l.images))
	}
}

func (*evaluationLines) Close() {}

func (l *evaluationLines) print(line string) {
	l.printed = time.Now()
	_, _ = fmt.Fprintln(l.out, line)
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
	line := fmt.Sprintf("%d of %d: %s, %q: %s", p.Done, p.Total, r.Strategy, r.Prompt, strings.Join(verdicts, ", "))
	if r.Reason != "" {
		line += " (" + strings.ReplaceAll(r.Reason, "\n", "; ") + ")"
	}
	l.print(line)
}

// evaluationBar is the display of a terminal. It counts images.
type evaluationBar struct {
	mu    sync.Mutex
	out   io.Writer
	bar   *progressbar.ProgressBar
	total int
	right map[string][2]int // right answers at the largest budget, and all
}

func (b *evaluationBar) Progress(p geneval.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar == nil {
		b.right = make(map[string][2]int)
		b.total = p.Images
		b.bar = progressbar.NewOptions(max(b.total, 1),
			progressbar.OptionSetWriter(b.out),
			progressbar.OptionSetWidth(16),
			progressbar.OptionShowCount(),
			progressbar.OptionSetElapsedTime(true),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionSetRenderBlankState(true),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░", BarStart: "", BarEnd: ""}))
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
	b.bar.Describe(fmt.Sprintf("%s at %d: %d of %d right", last.Strategy, last.Budget, count[0], count[1]))
}

func (b *evaluationBar) Event(cfg search.Config, e search.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Kind {
	case search.Scored:
		_ = b.bar.Add(1) // a display that fails is no reason to stop
	case search.Stopped:
		if left := mostImages(cfg) - e.Done; left != 0 { // an early stop gives budget back, or to another prompt
			b.total -= left
			b.bar.ChangeMax(b.total)
		}
	}
}

func (b *evaluationBar) Close() {
	if b.bar != nil {
		_ = b.bar.Clear()
		_ = b.bar.Exit()
	}
}
