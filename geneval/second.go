package geneval

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"reflectionflow/internal/disk"
)

// Second is what another judge says of the images of an evaluation.
type Second struct {
	Judge   string
	Results Results // with its verdicts in place of the first judge's
	// Both, Neither, First and Other count the images that both judges pass, that none
	// does, and that one alone does.
	Both, Neither, First, Other int
	// Disputed are the other judge's records of the images on which they differ, in the
	// order of the prompts.
	Disputed []Record
}

// Kappa is Cohen's kappa of the two judges: 1 where they always agree, 0 where they agree
// as often as by chance, and 1 where there is nothing to disagree on.
func (s Second) Kappa() float64 {
	n := float64(s.Both + s.Neither + s.First + s.Other)
	if n == 0 {
		return 1
	}
	agreed := float64(s.Both+s.Neither) / n
	one, two := float64(s.Both+s.First)/n, float64(s.Both+s.Other)/n
	chance := one*two + (1-one)*(1-two)
	if chance == 1 {
		return 1
	}
	return (agreed - chance) / (1 - chance)
}

// String says how often the judges agree.
func (s Second) String() string {
	n := s.Both + s.Neither + s.First + s.Other
	return fmt.Sprintf("%s agrees on %d of %d images (kappa %.2f): %d right by both, %d wrong by both, %d right by the first judge alone, %d by %s alone",
		s.Judge, s.Both+s.Neither, n, s.Kappa(), s.Both, s.Neither, s.First, s.Other, s.Judge)
}

// secondFile holds the verdicts of another judge, in the form of GenEval's results.jsonl.
func secondFile(judge string) string { return "verdicts-" + judge + ".jsonl" }

// secondBatch is how many images are judged at once, and secondPause how long the file waits for
// more of them: it is written whole.
const (
	secondBatch = 64
	secondPause = 10 * time.Second
)

// JudgeAgain lets another judge decide on all images of an evaluation, and writes its
// verdicts into the folder as verdicts-JUDGE.jsonl, which [ReadSecond] and
// [Results.WithVerdicts] read. Verdicts that are there already are kept. Equal images of a
// prompt are judged once. Notify, unless nil, is called with the images that are judged
// and all of them.
func (r Results) JudgeAgain(ctx context.Context, name string, judge Judge, notify func(done, total int)) (Second, error) {
	path := filepath.Join(r.Dir, secondFile(name))
	have, err := r.secondVerdicts(path)
	if err != nil {
		return Second{}, err
	}
	known := make(map[string]Record)
	for _, rec := range have {
		known[rec.Filename] = rec
	}
	work := slices.DeleteFunc(slices.Clone(r.Records), func(rec Record) bool { return rec.Filename == "" || known[rec.Filename].Filename != "" })
	total := len(work) + len(have)
	seen := make(map[[32]byte]Judgment) // of a prompt and an image
	written := time.Now()
	for batch := range slices.Chunk(work, secondBatch) {
		records, err := r.judgeBatch(ctx, judge, batch, seen)
		if err != nil {
			return Second{}, errors.Join(err, writeVerdicts(path, have))
		}
		have = append(have, records...)
		if len(have) == total || time.Since(written) > secondPause {
			if err := writeVerdicts(path, have); err != nil {
				return Second{}, err
			}
			written = time.Now()
		}
		if notify != nil {
			notify(len(have), total)
		}
	}
	return r.ReadSecond(name)
}

// judgeBatch returns records with the judge's verdicts.
func (r Results) judgeBatch(ctx context.Context, judge Judge, records []Record, seen map[[32]byte]Judgment) ([]Record, error) {
	keys := make([][32]byte, len(records))
	var cases []Case
	var ask [][32]byte
	for i, rec := range records {
		data, err := readBounded(filepath.Join(r.Dir, filepath.FromSlash(rec.Filename)), maxImageBytes)
		if err != nil {
			return nil, placeError(r.Dir, err)
		}
		keys[i] = sha256.Sum256(append([]byte(rec.Metadata+"\x00"), data...))
		if _, ok := seen[keys[i]]; ok || slices.Contains(ask, keys[i]) {
			continue
		}
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, invalid("%s: %s: %v", r.Dir, rec.Filename, err)
		}
		cases, ask = append(cases, Case{r.Prompts[rec.Index], img}), append(ask, keys[i])
	}
	judgments, err := judgeAll(ctx, judge, cases)
	if err != nil {
		return nil, fmt.Errorf("judge images: %w", err)
	}
	for i, key := range ask {
		seen[key] = judgments[i]
	}
	judged := slices.Clone(records)
	for i := range judged {
		j := seen[keys[i]]
		if j.Pending {
			return nil, invalid("this judge decides later, by another program: use evaluate report --verdicts")
		}
		judged[i].Correct, judged[i].Reason, judged[i].Details = j.Correct, j.Reason, cmp.Or(j.Details, "{}")
	}
	return judged, nil
}

func writeVerdicts(path string, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	var b bytes.Buffer
	for _, rec := range records {
		line, err := json.Marshal(official{rec.Filename, rec.Prompt, &rec.Correct, rec.Reason, rec.Details})
		if err != nil {
			return fmt.Errorf("encode verdicts: %w", err)
		}
		b.Write(append(line, '\n'))
	}
	if err := disk.WriteFile(path, b.Bytes()); err != nil {
		return fmt.Errorf("write verdicts: %w", err)
	}
	return nil
}

// secondVerdicts reads the file of another judge's verdicts; none where there is no file.
func (r Results) secondVerdicts(path string) ([]Record, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	answers := make(map[string]Record)
	for _, rec := range r.Records {
		answers[rec.Filename] = rec
	}
	return readVerdicts(path, answers, map[string]bool{})
}

// ReadSecond reads the verdicts of another judge that [Results.JudgeAgain] wrote.
func (r Results) ReadSecond(name string) (Second, error) {
	theirs, err := r.WithVerdicts(filepath.Join(r.Dir, secondFile(name)))
	if err != nil {
		return Second{}, err
	}
	s := Second{Judge: name, Results: theirs}
	first := make(map[string]bool)
	for _, rec := range r.Records {
		first[rec.Filename] = rec.Correct
	}
	seen := make(map[string]bool) // strategies share images
	for _, rec := range theirs.Records {
		image := fmt.Sprintf("%d %s %v", rec.Index, rec.Details, first[rec.Filename])
		if rec.Filename == "" || seen[image] {
			continue
		}
		seen[image] = true
		switch ours := first[rec.Filename]; {
		case ours && rec.Correct:
			s.Both++
		case !ours && !rec.Correct:
			s.Neither++
		case ours:
			s.First++
		default:
			s.Other++
		}
		if first[rec.Filename] != rec.Correct {
			s.Disputed = append(s.Disputed, rec)
		}
	}
	slices.SortStableFunc(s.Disputed, func(a, b Record) int { return cmp.Compare(a.Index, b.Index) })
	return s, nil
}

// Seconds reads the verdicts of all other judges in the folder, by name.
func (r Results) Seconds() ([]Second, error) {
	paths, err := filepath.Glob(filepath.Join(r.Dir, secondFile("*")))
	if err != nil {
		return nil, fmt.Errorf("look for verdicts: %w", err)
	}
	var list []Second
	for _, path := range paths {
		s, err := r.ReadSecond(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "verdicts-"), ".jsonl"))
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// ClipArt reports whether a judge of clip-art decided: the images are the embedded model's.
func (r Results) ClipArt() bool {
	name := r.Manifest.Judge.Name
	return name == "" || name == "template" // the embedded judge names itself only where it was forced
}

// maxDisputed is how many images a list of disputed ones has where it is not the only one.
const maxDisputed = 30

// Markdown is a table of the scores by both judges, and the first images on which they differ.
func (s Second) Markdown(first Results) string { return s.markdown(first, maxDisputed) }

// markdown lists up to so many images on which they differ.
func (s Second) markdown(first Results, most int) string {
	ours, theirs := first.Summarize(), s.Results.Summarize()
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\n| strategy | budget | the judge | %s |\n| --- | --: | --: | --: |\n", s, s.Judge)
	for _, row := range theirs.Rows {
		for _, own := range ours.Rows {
			if own.Strategy == row.Strategy && own.Budget == row.Budget {
				fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", row.Strategy, row.Budget, interval(own), interval(row))
			}
		}
	}
	for i, rec := range s.Disputed {
		if i == 0 {
			b.WriteString("\nImages on which they differ:\n\n")
		}
		if i == most {
			fmt.Fprintf(&b, "- and %d more\n", len(s.Disputed)-i)
			break
		}
		verdict := "right"
		if !rec.Correct {
			verdict = strings.ReplaceAll(rec.Reason, "\n", "; ")
		}
		fmt.Fprintf(&b, "- `%s`, %q: %s says %s\n", rec.Filename, rec.Prompt, s.Judge, verdict)
	}
	return b.String()
}
