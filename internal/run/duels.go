package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"reflectionflow"
)

// duelsFile has the comparisons of candidates that the verifier could not tell apart; it is
// missing where there are none.
const duelsFile = "comparisons.jsonl"

// maxDuels bounds the comparisons of a run, those of earlier ends of a reopened one included.
const maxDuels = 4096

// duelLine is a line of comparisons.jsonl.
type duelLine struct {
	reflectionflow.Duel
	// Calls names the calls of calls.jsonl that the comparison's cost includes.
	Calls []string `json:"calls,omitempty"`
}

// check reports a comparison that no search of so many candidates could have made.
func (d duelLine) check(candidates int) error {
	switch cost := d.Preference.Cost; {
	case d.Best < 0 || d.Challenger <= d.Best || d.Challenger >= candidates:
		return fmt.Errorf("it compares the candidates %d and %d of %d", d.Best, d.Challenger, candidates)
	case min(cost.Images, cost.DenoiseSteps, cost.VerifierCalls, cost.TokensIn, cost.TokensOut) < 0 || !(cost.USD >= 0):
		return errors.New("its cost is negative")
	}
	return d.Preference.Validate()
}

// loadDuels reads comparisons.jsonl, and cuts off a last line whose writing was interrupted.
func (f *Folder) loadDuels() error {
	data, err := readBounded(f.in(duelsFile), maxDuels*maxLineBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	kept := 0
	for kept < len(data) {
		end := bytes.IndexByte(data[kept:], '\n')
		if end < 0 {
			break
		}
		var d duelLine
		err := decodeStrictly(data[kept:kept+end], &d)
		if err == nil {
			err = d.check(len(f.entries))
		}
		if err == nil && len(f.duels) == maxDuels {
			err = fmt.Errorf("there are more than %d", maxDuels)
		}
		if err != nil {
			return fmt.Errorf("%w: %s, line %d is damaged: %v; delete the line and resume the run to compare again", reflectionflow.ErrInvalid, duelsFile, len(f.duels)+1, err)
		}
		f.duels = append(f.duels, d)
		kept += end + 1
	}
	if kept < len(data) && f.outcome == nil {
		if err := os.Truncate(f.in(duelsFile), int64(kept)); err != nil {
			return fmt.Errorf("cut off the last line of %s: %w", duelsFile, err)
		}
	}
	return nil
}

// RecallDuel returns a recorded comparison, and false for one that is not recorded.
func (f *Folder) RecallDuel(best, challenger int) (reflectionflow.Duel, bool) {
	for _, d := range f.duels {
		if d.Best == best && d.Challenger == challenger {
			d.Preference.Cost.Calls = d.Calls
			return d.Duel, true
		}
	}
	return reflectionflow.Duel{}, false
}

// RecordDuel stores a comparison of two recorded candidates. When it returns nil, it is on
// disk. An error is a failure of the machine.
func (f *Folder) RecordDuel(duel reflectionflow.Duel) error {
	line := duelLine{Duel: duel, Calls: duel.Preference.Cost.Calls}
	if f.outcome != nil || len(f.duels) == maxDuels {
		return errors.New("record a comparison: the run takes no more")
	}
	if err := line.check(len(f.entries)); err != nil {
		return fmt.Errorf("record a comparison: %w", err)
	}
	data, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("record a comparison: %w", err)
	}
	file, err := os.OpenFile(f.in(duelsFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", duelsFile, err)
	}
	info, err := file.Stat()
	if err == nil {
		if _, err = file.Write(append(data, '\n')); err == nil {
			err = file.Sync()
		}
		if err != nil {
			err = errors.Join(err, file.Truncate(info.Size()))
		}
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", duelsFile, err)
	}
	f.duels = append(f.duels, line)
	return nil
}

// Duels returns the recorded comparisons, without their calls.
func (f *Folder) Duels() []reflectionflow.Duel {
	list := make([]reflectionflow.Duel, len(f.duels))
	for i, d := range f.duels {
		list[i] = d.Duel
	}
	return list
}

// duelRow is a comparison for the report.
type duelRow struct {
	Best, Challenger int
	Words            string
}

// duelRows words the comparisons.
func (f *Folder) duelRows() []duelRow {
	var rows []duelRow
	for _, d := range f.duels {
		p := d.Preference
		row := duelRow{Best: d.Best, Challenger: d.Challenger}
		switch {
		case p.Unanswered != "":
			row.Words = fmt.Sprintf("no answer (%s): #%d stays", p.Unanswered, d.Best)
		case p.Contradicts:
			row.Words = fmt.Sprintf("the answers in both orders contradict each other: #%d stays", d.Best)
		case p.Better() == reflectionflow.Neither:
			row.Words = fmt.Sprintf("no difference: #%d stays", d.Best)
		default:
			row.Words = fmt.Sprintf("#%d is better, %s", d.Winner(), sure(max(p.First, 1-p.First), p.First))
		}
		rows = append(rows, row)
	}
	return rows
}

// Chosen says how the best of so many images was chosen that the verifier scored alike;
// empty where none were compared.
func Chosen(best int, duels []reflectionflow.Duel) string {
	if len(duels) == 0 {
		return ""
	}
	ids := map[int]bool{}
	for _, d := range duels {
		ids[d.Best], ids[d.Challenger] = true, true
	}
	comparisons := "one comparison"
	if len(duels) > 1 {
		comparisons = fmt.Sprintf("%d comparisons", len(duels))
	}
	return fmt.Sprintf("%d images have the same score; image %d was chosen by %s of pairs", len(ids), best, comparisons)
}
