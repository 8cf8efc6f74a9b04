package geneval

import (
	"bufio"
	"encoding/json"
	"fmt"
	"regexp"
)

// official is a line of the results.jsonl that GenEval's evaluate_images.py writes
// (pandas, one object a line). Further columns are passed over.
type official struct {
	Filename string `json:"filename"`
	Prompt   string `json:"prompt"`
	Correct  *bool  `json:"correct"`
	Reason   string `json:"reason"`
	Details  string `json:"details"`
}

// answerName is the part of a path that names an answer, see answerPath.
var answerName = regexp.MustCompile(`(?:^|/)([^/]+-\d+/\d{5}/samples/\d{4}\.png)$`)

// WithVerdicts returns the results as GenEval's own scorer sees them: its
// results.jsonl about one or several of the folders <strategy>-<budget>, by the
// paths of the images. Answers that it does not list are left out, and so are the rows
// that lack them. A line that is cut, about no answer, about
// another prompt or about an image for the second time is an error wrapping
// [reflectionflow.ErrInvalid] that names the file and the line.
func (r Results) WithVerdicts(paths ...string) (Results, error) {
	answers := make(map[string]Record)
	for _, rec := range r.Records {
		answers[rec.Filename] = rec
	}
	judged := make(map[string]bool)
	var records []Record
	for _, path := range paths {
		theirs, err := readVerdicts(path, answers, judged)
		if err != nil {
			return Results{}, err
		}
		records = append(records, theirs...)
	}
	for _, rec := range r.Records { // without an image it is wrong for every judge
		if rec.Filename == "" {
			records = append(records, rec)
		}
	}
	r.Records, r.Probes, r.Judged = records, nil, nil
	return r, nil
}

// readVerdicts reads one file about answers, and notes in judged which it speaks of.
func readVerdicts(path string, answers map[string]Record, judged map[string]bool) ([]Record, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var records []Record
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, maxRecordBytes)
	line := 0
	for scanner.Scan() {
		line++
		rec, err := verdict(scanner.Bytes(), answers)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, line, err)
		}
		if judged[rec.Filename] {
			return nil, invalid("%s: line %d: %s is there twice", path, line, rec.Filename)
		}
		judged[rec.Filename] = true
		records = append(records, rec)
	}
	if err := scanner.Err(); err != nil {
		return nil, invalid("%s: line %d: %v", path, line+1, err)
	}
	return records, nil
}

// verdict is the record of an answer with the verdict of a line.
func verdict(line []byte, answers map[string]Record) (Record, error) {
	var v official
	if err := json.Unmarshal(line, &v); err != nil || v.Correct == nil {
		return Record{}, invalid("not a line of GenEval's results.jsonl")
	}
	name := answerName.FindStringSubmatch(v.Filename)
	if name == nil {
		return Record{}, invalid("%.200q names no answer: run the scorer on a folder <strategy>-<budget> by its path", v.Filename)
	}
	rec, known := answers[name[1]]
	switch {
	case !known:
		return Record{}, invalid("%s is no answer of this evaluation", name[1])
	case rec.Prompt != v.Prompt:
		return Record{}, invalid("%s answers %.80q and not %.80q", name[1], rec.Prompt, v.Prompt)
	}
	rec.Correct, rec.Reason, rec.Details, rec.Pending = *v.Correct, v.Reason, v.Details, false
	return rec, nil
}
