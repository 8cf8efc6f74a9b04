package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/progress"
	"reflectionflow/internal/remote"
	"reflectionflow/internal/run"
	"reflectionflow/search"
)

// session is one invocation that starts or resumes runs of the same settings.
type session struct {
	program     *program
	model       assemble.Model
	backend     string
	cfg         search.Config
	json, quiet bool
	fresh       bool // the folders are made by this call

	folders []*run.Folder
	open    []*run.Folder // the runs to search, in the order of the search's tasks
	failure error         // the first error of finishing a run
}

// run searches every run that is not finished and prints the results. It opens the
// model before the folders, so that a model that cannot be loaded leaves no folder.
func (s *session) run(ctx context.Context, place func() (string, []*run.Folder, error)) error {
	if err := s.program.beginComputing(); err != nil {
		return err
	}
	if err := s.prepareMemory(); err != nil {
		return err
	}
	e, err := s.model.Open(ctx, s.backend)
	if err != nil {
		return fmt.Errorf("open model %s: %w", s.model.Name, err)
	}
	if e.Closer != nil {
		defer e.Close()
	}
	parts := search.Search{Generator: e.Generator, Verifier: e.Verifier, Reflector: e.Reflector, Refiner: e.Refiner}
	if err := parts.Check(s.cfg); err != nil {
		return err // before a folder is made
	}
	dir, folders, err := place()
	if err != nil {
		return err
	}
	defer closeFolders(folders)
	s.folders = folders
	for _, f := range folders {
		if isFinished(f) && f.Retryable() > 0 {
			if err := f.Reopen(); err != nil {
				return err
			}
		}
		if !isFinished(f) {
			s.open = append(s.open, f)
		}
	}
	if s.shares() && len(s.open) > 0 {
		s.open = folders // the budget left over depends on all of them
	}
	if !s.quiet {
		s.noteState(dir)
	}
	err = s.keepAccount(ctx, e, dir)
	if failure := run.WriteIndex(run.Home(dir)); err == nil {
		err = failure
	}
	if ctx.Err() != nil && err != nil {
		return s.explain(ctx, err, dir)
	}
	if failure := s.sumUp(); failure != nil { // prompts that failed do not hide the others
		return cmp.Or(err, failure)
	}
	if err != nil && s.pointless(err, dir) {
		_ = os.RemoveAll(dir) // what stays is harmless
		return err
	}
	if err != nil {
		return s.explain(ctx, err, dir)
	}
	return s.noteFailed(dir)
}

// prepareMemory says if there is too little memory.
func (s *session) prepareMemory() error {
	if s.model.Warning == nil || s.quiet {
		return nil
	}
	warning, err := s.model.Warning(s.cfg)
	if err == nil && warning != "" {
		_, _ = fmt.Fprintf(s.program.stderr, "warning: %s\n", warning)
	}
	return err
}

// pointless reports an error that a resume would meet again, in a new run that has nothing:
// no image, and no answer of a server.
func (s *session) pointless(err error, dir string) bool {
	if !s.fresh || !errors.Is(err, reflectionflow.ErrInvalid) {
		return false
	}
	for _, f := range s.folders {
		if f.Len() > 0 {
			return false
		}
	}
	_, missing := os.Stat(filepath.Join(run.Home(dir), "calls.jsonl"))
	return missing != nil
}

// noteFailed says how failed images are tried again. It is an error where a search
// stopped because of them.
func (s *session) noteFailed(dir string) error {
	failed, stopped := 0, false
	for _, f := range s.folders {
		failed += f.Retryable()
		o, _ := f.Outcome()
		stopped = stopped || o.Stopped == reflectionflow.StoppedFailed
	}
	hint := "generate again with: reflectionflow generate --resume " + quoted(dir)
	switch {
	case stopped && failed > 0:
		return fmt.Errorf("too many images failed in a row; %s", hint)
	case stopped:
		return errors.New("too many images failed in a row, for good: change the prompt or the generator")
	case failed > 0 && !s.quiet:
		_, _ = fmt.Fprintf(s.program.stderr, "%s can be tried again; %s\n", progress.Plural(failed, "failed image"), hint)
	}
	return nil
}

// noteState reports the files that were written again on opening, a folder whose runs are
// all finished, and what is wrong with the prompts.
func (s *session) noteState(dir string) {
	for _, f := range s.folders {
		for _, name := range f.Repaired() {
			_, _ = fmt.Fprintf(s.program.stderr, "%s was missing or damaged: written again\n", filepath.Join(f.Path(), name))
		}
	}
	if len(s.open) == 0 {
		_, _ = fmt.Fprintf(s.program.stderr, "%s is already finished\n", dir)
	}
	for _, f := range s.open { // before anything is paid for
		prompt := f.Manifest().Prompt
		for _, note := range prompt.Notes {
			if len(s.open) > 1 {
				note = fmt.Sprintf("%.60q: %s", prompt.Text, note)
			}
			_, _ = fmt.Fprintf(s.program.stderr, "warning: %s\n", note)
		}
	}
}

// keepAccount searches the open runs. The ledger records the calls to servers
// meanwhile, so that a resumed run does not pay for them again.
func (s *session) keepAccount(ctx context.Context, e *assemble.Engine, dir string) error {
	if e.Ledger == nil {
		return s.search(ctx, e)
	}
	home := run.Home(dir)
	charged, _, err := run.Charged(home)
	if err == nil {
		err = e.Ledger.Open(home, charged)
	}
	if err == nil {
		err = serverFailure(e.Ledger, s.search(ctx, e))
	}
	_, finished, failure := run.Charged(home)
	if n, cost := e.Ledger.Unused(); finished && n > 0 && !s.quiet {
		_, _ = fmt.Fprintf(s.program.stderr, "%s not used by the run (%s): see %s\n", progress.Plural(n, "answer"), progress.Cost(cost), filepath.Join(home, "calls.jsonl"))
	}
	return errors.Join(err, failure, e.Ledger.Close(finished))
}

// serverFailure returns an error that is no invalid input if a server that has answered
// in this run refuses all further requests: its key, account or model has changed since.
func serverFailure(l *endpoint.Ledger, err error) error {
	e, ok := errors.AsType[*endpoint.Error](err)
	if ok && errors.Is(err, reflectionflow.ErrInvalid) && e.Unusable() && l.Answered(e.Endpoint) {
		return errors.New(err.Error())
	}
	return err
}

func (s *session) search(ctx context.Context, e *assemble.Engine) error {
	if len(s.open) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shown := s.display()
	defer shown.Close()
	if e.Watch != nil {
		e.Watch(shown.Progress)
		defer e.Watch(func(remote.Progress) {})
	}
	loop := search.Search{
		Generator: progress.Watch(e.Generator, shown.Generating),
		Verifier:  e.Verifier,
		Reflector: e.Reflector,
		Refiner:   e.Refiner,
		Comparer:  e.Comparer,
		Elapsed:   s.elapsed,
		Notify: func(ev search.Event) {
			shown.Event(ev)
			if ev.Kind == search.Stopped && ev.Best.ID >= 0 && !isFinished(s.open[ev.Task]) {
				if err := s.open[ev.Task].Finish(ev.Best.ID, ev.Reason); err != nil && s.failure == nil {
					s.failure = err
					cancel()
				}
			}
		},
	}
	tasks := make([]search.Task, len(s.open))
	for i, f := range s.open {
		tasks[i] = search.Task{Prompt: f.Manifest().Prompt, Journal: booked{f, e.Ledger}}
	}
	_, err := loop.RunMany(ctx, tasks, s.cfg)
	if s.failure != nil {
		return s.failure
	}
	return err
}

// booked is a run folder; the ledger drops the replies of a candidate once the folder
// has recorded it.
type booked struct {
	*run.Folder
	ledger *endpoint.Ledger
}

// Record implements [search.Journal].
func (b booked) Record(c reflectionflow.Candidate, img image.Image) error {
	err := b.RecordFrom(c, img, b.ledger.ImageModel(c.Cost.Calls))
	if err == nil {
		b.ledger.Forget(c.Cost.Calls)
	}
	return err
}

// RecordDuel implements [search.ComparingJournal].
func (b booked) RecordDuel(d reflectionflow.Duel) error {
	err := b.Folder.RecordDuel(d)
	if err == nil {
		b.ledger.Forget(d.Preference.Cost.Calls)
	}
	return err
}

// Finished implements [search.FinishedJournal].
func (b booked) Finished() bool { return isFinished(b.Folder) }

// shares reports whether prompts share their budgets.
func (s *session) shares() bool { return s.cfg.Adaptive != nil && s.cfg.Adaptive.Rollover }

func isFinished(f *run.Folder) bool {
	_, finished := f.Outcome()
	return finished
}

// elapsed is the time spent on the runs, earlier invocations included.
func (s *session) elapsed() time.Duration {
	var longest time.Duration
	for _, f := range s.open {
		longest = max(longest, f.Elapsed())
	}
	return longest
}

// explain adds the command that resumes to the error of an interrupted or failed search.
func (s *session) explain(ctx context.Context, err error, dir string) error {
	hint := "resume with: reflectionflow generate --resume " + quoted(dir)
	if ctx.Err() == nil {
		if failed := failedPrompts(err); len(failed) > 0 {
			return s.explainFailed(failed, hint)
		}
		return fmt.Errorf("%w; %s", err, hint)
	}
	done := 0
	for _, f := range s.folders {
		done += f.Len()
	}
	return fmt.Errorf("stopped; %s kept; %s: %w", progress.Plural(done, "image"), hint, context.Canceled)
}

// failedPrompt is the error of one prompt of a search.
type failedPrompt interface {
	error
	Task() int // index of the prompt
}

// failedPrompts lists the errors of prompts in err; nil where err holds another error.
func failedPrompts(err error) []failedPrompt {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case failedPrompt:
		return []failedPrompt{e}
	case interface{ Unwrap() []error }:
		var list []failedPrompt
		for _, each := range e.Unwrap() {
			failed := failedPrompts(each)
			if len(failed) == 0 {
				return nil
			}
			list = append(list, failed...)
		}
		return list
	}
	return nil
}

// explainFailed prints the errors of prompts without a result, except that of a single
// one, and says what can help: hint resumes the run.
func (s *session) explainFailed(failed []failedPrompt, hint string) error {
	retryable, generated := 0, 0
	for _, f := range s.folders {
		retryable += f.Retryable()
	}
	for _, f := range failed {
		generated += s.open[f.Task()].Len()
	}
	switch {
	case retryable > 0:
	case generated == 0:
		hint = "generate again with a larger --budget"
	default:
		hint = "a resume would not try again what was refused for good: change the prompt, or use another generator"
	}
	if len(failed) == 1 {
		return fmt.Errorf("%w; %s", s.named(failed[0]), hint)
	}
	for _, f := range failed {
		s.program.complain(s.named(f))
	}
	return fmt.Errorf("%d of %s have no result; %s", len(failed), progress.Plural(len(s.folders), "prompt"), hint)
}

// named is the error with the user's prompt and its number among all of the call, from 1,
// where there are several.
func (s *session) named(f failedPrompt) error {
	err := errors.Unwrap(f)
	if len(s.folders) == 1 || err == nil {
		return f
	}
	folder := s.open[f.Task()]
	m := folder.Manifest()
	return fmt.Errorf("prompt %d, %.80q: %w", slices.Index(s.folders, folder)+1, cmp.Or(m.UserPrompt, m.Prompt.Text), err)
}

// quoted quotes a path for a shell.
func quoted(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+=:,@%", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

func (s *session) display() progress.Search {
	if s.quiet {
		return progress.Silent()
	}
	return progress.NewSearch(s.program.stderr, len(s.open), s.cfg)
}

func closeFolders(folders []*run.Folder) {
	for _, f := range folders {
		if f != nil {
			_ = f.Close() // all records are on disk
		}
	}
}

var errPrint = errors.New("print the result")

// printTo writes a result. A closed pipe is a failure, not invalid input.
func printTo(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("%w: %w", errPrint, err)
	}
	return nil
}
