package verifier

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"reflectionflow"
)

// Label is a line of a labeled set: an image file, the prompt, and whether people or a
// judge found that the image is right, that is, shows everything that the prompt asks for.
//
//	{"image": "images/0001.png", "prompt": "two clocks", "right": true}
//
// Requirements have the form of a run's candidates; without them a parser reads them from
// the prompt. Met, which may be missing, says of each requirement whether it is met. GenEval's scorer names the same keys filename, prompt and correct.
type Label struct {
	Image        string                       `json:"image"`
	Prompt       string                       `json:"prompt"`
	Right        *bool                        `json:"right"`
	Requirements []reflectionflow.Requirement `json:"requirements,omitempty"`
	Met          []bool                       `json:"met,omitempty"`
}

// maxLabelBytes bounds a line of a labeled set.
const maxLabelBytes = 64 << 10

// ReadLabels reads a labeled set, one JSON object per line, and skips empty lines. A line
// that is no object, an unknown key and a missing key are errors with the line number that
// wrap [reflectionflow.ErrInvalid].
func ReadLabels(r io.Reader) ([]Label, error) {
	var labels []Label
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLabelBytes)
	for number := 1; scanner.Scan(); number++ {
		line := bytes.TrimSpace(scanner.Bytes())
		if len(line) == 0 {
			continue
		}
		label, err := parseLabel(line)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %v", reflectionflow.ErrInvalid, number, err)
		}
		if len(labels) == maxExamples {
			return nil, fmt.Errorf("%w: more than %d labels", reflectionflow.ErrInvalid, maxExamples)
		}
		labels = append(labels, label)
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%w: a line of more than %d bytes", reflectionflow.ErrInvalid, maxLabelBytes)
	case err != nil:
		return nil, fmt.Errorf("read the labels: %w", err)
	case len(labels) == 0:
		return nil, fmt.Errorf("%w: there are no labels", reflectionflow.ErrInvalid)
	}
	return labels, nil
}

func parseLabel(line []byte) (Label, error) {
	var l Label
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return l, errors.New("something follows the object")
	}
	switch {
	case l.Image == "":
		return l, errors.New(`"image" is missing`)
	case l.Right == nil:
		return l, errors.New(`"right" is missing`)
	}
	if n := len(l.Met); n > 0 && len(l.Requirements) > 0 && n != len(l.Requirements) {
		return l, fmt.Errorf(`"met" has %d verdicts for %d requirements`, n, len(l.Requirements))
	}
	for i, r := range l.Requirements {
		if !slices.Contains(reflectionflow.Kinds(), r.Kind) {
			return l, fmt.Errorf("requirement %d: unknown kind %.40q", i+1, r.Kind)
		}
	}
	return l, (reflectionflow.Prompt{Text: l.Prompt, Requirements: l.Requirements}).Validate()
}
