package main

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

// evaluationDisplay shows what an evaluation does. Events come from the search's
// goroutine, progress from the judge's.
type evaluationDisplay interface {
	event(cfg search.Config, e search.Event)
	progress(p geneval.Progress)
	close()
}

func (s *evaluationSession) display() evaluationDisplay {
	switch {
	case s.options.quiet:
		return silentEvaluation{}
	case isTerminal(s.program.stderr):
		return &evaluationBar{out: s.program.stderr}
	}
	return &evaluationLines{out: s.program.stderr, printed: time.Now()}
}

type silentEvaluation struct{}

func (silentEvaluation) event(search.Config, search.Event) {}
func (silentEvaluation) progress(geneval.Progress)         {}
func (silentEvaluation) close()                            {}

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

func (l *evaluationLines) event(_ search.Config, e search.Event) {
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

func (*evaluationLines) close() {}

func (l *evaluationLines) print(line string) {
	l.printed = time.Now()
	_, _ = fmt.Fprintln(l.out, line)
}

func (l *evaluationLines) progress(p geneval.Progress) {
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

func (b *evaluationBar) progress(p geneval.Progress) {
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

func (b *evaluationBar) event(cfg search.Config, e search.Event) {
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

func (b *evaluationBar) close() {
	if b.bar != nil {
		_ = b.bar.Clear()
		_ = b.bar.Exit()
	}
}
