package geneval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Metadata is one line of GenEval's evaluation_metadata.jsonl, or a prompt of another
// benchmark in that form.
type Metadata struct {
	// Tag is the task: one of GenEval's six or of [clipart.Compound], or a group of prompts
	// of another benchmark.
	Tag     string    `json:"tag"`
	Include []Include `json:"include"`           // all of them must hold
	Exclude []Exclude `json:"exclude,omitempty"` // none of them may hold
	Prompt  string    `json:"prompt"`
	// Suite names the benchmark, where it is not GenEval; see [Suite].
	Suite Suite `json:"suite,omitempty"`
	// Questions are those of the benchmark, where it has some.
	Questions []Question `json:"questions,omitempty"`
}

// Include asks for Count objects of Class: the most confident ones must all have
// Color, when set, and stand in Position.
type Include struct {
	Class    string    `json:"class"`
	Count    int       `json:"count"`              // 1 or more
	Color    string    `json:"color,omitempty"`    // one of GenEval's ten colors
	Position *Position `json:"position,omitempty"` // nil for anywhere
}

// Exclude forbids Count or more objects of Class.
type Exclude struct {
	Class string `json:"class"`
	Count int    `json:"count"`
}

// Position is a relation to the objects of an earlier include. In JSON it is a
// list of two: ["left of", 0].
type Position struct {
	Relation reflectionflow.Relation
	Target   int // index of the earlier include
}

// MarshalJSON writes the official form, a list of two.
func (p Position) MarshalJSON() ([]byte, error) { return json.Marshal([]any{p.Relation, p.Target}) }

// UnmarshalJSON reads the official form, a list of two.
func (p *Position) UnmarshalJSON(data []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil || len(parts) != 2 {
		return errors.New(`a position is a list of two, such as ["left of", 0]`)
	}
	return errors.Join(json.Unmarshal(parts[0], &p.Relation), json.Unmarshal(parts[1], &p.Target))
}

// Tags lists GenEval's six tasks in GenEval's order.
func Tags() []string { return tagsOf(clipart.Tasks()) }

// allTags are those of GenEval and then those of [clipart.Compound].
func allTags() []string { return tagsOf(slices.Concat(clipart.Tasks(), clipart.Compound())) }

func tagsOf(tasks []clipart.Task) []string {
	tags := make([]string, len(tasks))
	for i, t := range tasks {
		tags[i] = string(t)
	}
	return tags
}

// Bounds on a metadata line. More objects of a class than [PerClass] are never
// counted, so asking for more cannot be met.
const (
	maxClauses = 16
	PerClass   = 16
)

// Validate reports a line that cannot be evaluated, as an error wrapping
// [reflectionflow.ErrInvalid].
func (m Metadata) Validate() error {
	if err := (reflectionflow.Prompt{Text: m.Prompt}).Validate(); err != nil {
		return err
	}
	if m.Suite != "" {
		return m.validateSuite()
	}
	if !slices.Contains(allTags(), m.Tag) {
		return invalid("unknown tag %.40q: use %s", m.Tag, strings.Join(allTags(), ", "))
	}
	if n := len(m.Include) + len(m.Exclude); n == 0 || n > maxClauses {
		return invalid("%d include and exclude clauses: must be from 1 to %d", n, maxClauses)
	}
	for i, c := range m.Include {
		if err := c.validate(i); err != nil {
			return err
		}
	}
	for _, c := range m.Exclude {
		if err := validateObjects(c.Class, c.Count); err != nil {
			return err
		}
	}
	return nil
}

func (c Include) validate(index int) error {
	if err := validateObjects(c.Class, c.Count); err != nil {
		return err
	}
	if c.Color != "" && !slices.Contains(clipart.Colors(), c.Color) {
		return invalid("unknown color %.40q: use %s", c.Color, strings.Join(clipart.Colors(), ", "))
	}
	if c.Position == nil {
		return nil
	}
	switch c.Position.Relation {
	case reflectionflow.LeftOf, reflectionflow.RightOf, reflectionflow.Above, reflectionflow.Below:
	default:
		return invalid("unknown relation %.40q: use left of, right of, above or below", c.Position.Relation)
	}
	if c.Position.Target < 0 || c.Position.Target >= index {
		return invalid("position of %s refers to include %d: it must be an earlier one", c.Class, c.Position.Target)
	}
	return nil
}

func validateObjects(class string, count int) error {
	switch {
	case clipart.Drawings(class) == 0: // the world has a drawing of each of GenEval's classes
		return invalid("unknown class %.40q: it is none of GenEval's 80", class)
	case count < 1 || count > PerClass:
		return invalid("count %d of %s: must be from 1 to %d", count, class, PerClass)
	}
	return nil
}

// Text is the line in the official files' own spacing, without a newline. Equal
// metadata have equal texts, by which GenEval's summary tells prompts apart.
func (m Metadata) Text() (string, error) {
	var plain, spaced bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m); err != nil {
		return "", fmt.Errorf("encode metadata: %w", err)
	}
	if err := json.Indent(&spaced, bytes.TrimSpace(plain.Bytes()), "", ""); err != nil {
		return "", fmt.Errorf("encode metadata: %w", err)
	}
	// Python's json.dumps has a space after each comma and colon. Indent has put
	// the one after the colon and a line break after the comma and the brackets;
	// no string holds a raw line break.
	text := strings.ReplaceAll(spaced.String(), ",\n", ", ")
	return strings.ReplaceAll(text, "\n", ""), nil
}

// decodeStrictly decodes one JSON value with no unknown fields and nothing after it.
func decodeStrictly(data []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", reflectionflow.ErrInvalid, fmt.Sprintf(format, args...))
}
