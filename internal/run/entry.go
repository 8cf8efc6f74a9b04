package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"reflectionflow"
)

// entry is one line of candidates.jsonl.
type entry struct {
	reflectionflow.Candidate
	// Image is the path inside the folder, and SHA256 the sum of that file in
	// hexadecimal. Both are empty when there is no image.
	Image  string `json:"image,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Model is the model that the server named for the image; empty where it named none
	// or no server generated it.
	Model string `json:"model,omitempty"`
	// Calls names the calls of calls.jsonl that the candidate's cost includes.
	Calls []string `json:"calls,omitempty"`
}

// hasImage reports whether the candidate has an image.
func (e entry) hasImage() bool { return e.Error == "" }

func imagePath(id int) string { return fmt.Sprintf("images/%04d.png", id) }

// line is the entry's form in candidates.jsonl, with its newline.
func (e entry) line() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// parseEntries reads candidates.jsonl. It returns the entries and the number of bytes
// of their lines; what follows is a last line whose writing was cut off.
func parseEntries(data []byte) ([]entry, int, error) {
	var entries []entry
	kept := 0
	for kept < len(data) {
		end := bytes.IndexByte(data[kept:], '\n')
		if end < 0 {
			break
		}
		line := data[kept : kept+end]
		if len(entries) == maxCandidates {
			return nil, 0, fmt.Errorf("%w: candidates.jsonl has more than %d lines", reflectionflow.ErrInvalid, maxCandidates)
		}
		e, err := parseEntry(line, len(entries))
		if err != nil {
			return nil, 0, fmt.Errorf("%w: candidates.jsonl, line %d is damaged: %v", reflectionflow.ErrInvalid, len(entries)+1, err)
		}
		entries = append(entries, e)
		kept += end + 1
	}
	return entries, kept, nil
}

func parseEntry(line []byte, id int) (entry, error) {
	if len(line) > maxLineBytes {
		return entry{}, fmt.Errorf("longer than %d bytes", maxLineBytes)
	}
	var e entry
	if err := decodeStrictly(line, &e); err != nil {
		return entry{}, err
	}
	return e, e.check(id)
}

// check reports an entry that no search could have recorded as candidate id.
func (e entry) check(id int) error {
	switch {
	case e.ID != id:
		return fmt.Errorf("it is candidate %d, not %d", e.ID, id)
	case e.Parent < -1 || e.Parent >= id:
		return fmt.Errorf("parent %d is not an earlier candidate", e.Parent)
	case e.Round < 0 || e.Chain < 0:
		return fmt.Errorf("round %d, chain %d: negative", e.Round, e.Chain)
	case e.Error != "" && (e.Image != "" || e.SHA256 != ""):
		return errors.New("it has both an error and an image")
	case e.Error == "" && e.Image != imagePath(id):
		return fmt.Errorf("image %.60q should be %q", e.Image, imagePath(id))
	case e.Error == "" && len(e.SHA256) != 64:
		return fmt.Errorf("%.70q is not a SHA-256 sum", e.SHA256)
	}
	switch e.Action {
	case reflectionflow.Explore, reflectionflow.Rewrite, reflectionflow.Reflect:
	default:
		return fmt.Errorf("unknown action %.40q", e.Action)
	}
	if err := e.Request.Validate(); err != nil {
		return err
	}
	for _, a := range e.Abandoned {
		if a.Steps < 1 || a.Steps > e.Request.Steps {
			return fmt.Errorf("a noise was abandoned after %d of %d steps", a.Steps, e.Request.Steps)
		}
	}
	return checkScore(e.Score)
}

func checkScore(s reflectionflow.Score) error {
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		return fmt.Errorf("the score is %v", s.Value)
	}
	for _, f := range s.Requirements {
		switch f.Verdict {
		case reflectionflow.Met, reflectionflow.NotMet, reflectionflow.Unsure:
		default:
			return fmt.Errorf("unknown verdict %.40q", f.Verdict)
		}
		if !(f.Confidence >= 0 && f.Confidence <= 1) {
			return fmt.Errorf("confidence %v is outside 0 to 1", f.Confidence)
		}
		for _, o := range f.Evidence {
			for _, x := range o.Box {
				if !(x >= 0 && x <= 1) {
					return fmt.Errorf("box %v is outside the image", o.Box)
				}
			}
		}
	}
	return nil
}
