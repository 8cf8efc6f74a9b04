package run_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/run"
)

func duel(best, challenger int, first float64) reflectionflow.Duel {
	return reflectionflow.Duel{Best: best, Challenger: challenger, Preference: reflectionflow.Preference{
		First: first, Shown: .5, Cost: reflectionflow.Cost{VerifierCalls: 2, TokensIn: 100, USD: .5, Calls: []string{"a", "b"}},
	}}
}

// Comparisons are on disk one by one, are recalled with what they cost, count in the run's
// cost, and are shown in the report.
func TestDuels(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	record(t, f, 0, 4)
	refused := duel(1, 2, .5)
	refused.Preference.Unanswered = "a <b>refusal</b>"
	for _, d := range []reflectionflow.Duel{duel(0, 1, .2), refused} {
		if err := f.RecordDuel(d); err != nil {
			t.Fatal(err)
		}
	}
	for name, d := range map[string]reflectionflow.Duel{"later than recorded": duel(0, 9, .2), "itself": duel(1, 1, .2), "backwards": duel(2, 1, .2), "no probability": duel(0, 1, 2)} {
		if err := f.RecordDuel(d); err == nil {
			t.Errorf("%s is recorded", name)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "comparisons.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "comparisons.jsonl", string(whole)+`{"best":1,"chall`) // a line that was cut off
	f, err = run.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d, ok := f.RecallDuel(0, 1); !ok || d.Winner() != 1 || strings.Join(d.Preference.Cost.Calls, " ") != "a b" || len(f.Duels()) != 2 {
		t.Errorf("recalled %+v, %v", d, ok)
	}
	if _, ok := f.RecallDuel(0, 2); ok {
		t.Error("recalled what nobody compared")
	}
	if err := f.RecordDuel(duel(1, 3, .9)); err != nil {
		t.Fatal(err)
	}
	finish(t, f, 2)
	all := files(t, dir)
	for _, want := range []string{
		"4 images have the same score; image 1 was chosen by 3 comparisons of pairs.", `<a href="#c0">#0</a> and <a href="#c1">#1</a>`, "#1 is better, 80% sure",
		"no answer (a &lt;b&gt;refusal&lt;/b&gt;): #1 stays", "#1 is better, 90% sure",
	} {
		if !strings.Contains(all["report.html"], want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	o, _ := f.Outcome()
	if o.Cost.USD != 1.5 || o.Cost.VerifierCalls != 4+6 {
		t.Errorf("cost %+v", o.Cost)
	}
	if err := f.RecordDuel(duel(0, 2, .5)); err == nil {
		t.Error("a finished run takes a comparison")
	}
	for name, text := range map[string]string{
		"of no candidate": `{"best":0,"challenger":7,"preference":{"first_better":0.5,"shown_first":0.5,"cost":{}}}`,
		"no probability":  `{"best":0,"challenger":1,"preference":{"first_better":7,"shown_first":0.5,"cost":{}}}`,
		"negative cost":   `{"best":0,"challenger":1,"preference":{"first_better":0.5,"shown_first":0.5,"cost":{"tokens_in":-1}}}`,
		"no JSON":         `first`,
	} {
		put(t, dir, "comparisons.jsonl", string(whole)+text+"\n")
		if _, err := run.Open(dir); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "comparisons.jsonl, line 3 is damaged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDuels: whatever comparisons.jsonl holds, a folder opens or says in one line what is
// wrong.
func FuzzDuels(f *testing.F) {
	line, err := json.Marshal(duel(0, 1, .2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(line) + "\n")
	f.Add(string(line))
	f.Add("{}\n\n")
	f.Add(`{"best":0,"challenger":1,"preference":{"first_better":1e999}}` + "\n")
	dir := f.TempDir()
	made, err := run.Create(dir, manifest())
	if err != nil {
		f.Fatal(err)
	}
	for id := range 2 {
		if err := made.Record(candidate(id), testImage(id)); err != nil {
			f.Fatal(err)
		}
	}
	if err := made.Close(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		put(t, dir, "comparisons.jsonl", text)
		opened, err := run.Open(dir)
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			return
		}
		for _, d := range opened.Duels() {
			if d.Best != 0 || d.Challenger != 1 || d.Preference.Validate() != nil {
				t.Errorf("it reads %+v", d)
			}
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
}
