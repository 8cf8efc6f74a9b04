package geneval

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"reflectionflow"
)

// Bounds on a metadata file, against mistakes and hostile input. The official
// file has 553 lines of at most 300 bytes.
const (
	maxPrompts   = 100_000
	maxLineBytes = 64 << 10
)

// ReadMetadata reads a file in the format of evaluation_metadata.jsonl, one JSON
// object a line; empty lines are ignored. A line that is no such object, has
// unknown fields, tags, classes or colors, or repeats a prompt, is an error
// wrapping [reflectionflow.ErrInvalid] that names the line; so is an empty file.
func ReadMetadata(r io.Reader) ([]Metadata, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLineBytes)
	var list []Metadata
	seen := make(map[string]int)
	line := 0
	for scanner.Scan() {
		line++
		data := bytes.TrimSpace(scanner.Bytes())
		if len(data) == 0 {
			continue
		}
		if len(list) == maxPrompts {
			return nil, invalid("more than %d prompts: split the file", maxPrompts)
		}
		m, err := parseMetadata(data)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if first, twice := seen[m.Prompt]; twice {
			return nil, invalid("line %d: the prompt %.80q is in line %d already", line, m.Prompt, first)
		}
		seen[m.Prompt] = line
		list = append(list, m)
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, invalid("line %d has more than %d bytes", line+1, maxLineBytes)
	case err != nil:
		return nil, fmt.Errorf("read metadata: %w", err)
	case len(list) == 0:
		return nil, invalid("there are no prompts")
	}
	return list, nil
}

func parseMetadata(data []byte) (Metadata, error) {
	var m Metadata
	if err := decodeStrictly(data, &m); err != nil {
		return Metadata{}, fmt.Errorf("%w: not a line of evaluation_metadata.jsonl: %v", reflectionflow.ErrInvalid, err)
	}
	return m, m.Validate()
}

// WriteMetadata writes the list in the format that [ReadMetadata] reads.
func WriteMetadata(w io.Writer, list []Metadata) error {
	for _, m := range list {
		text, err := m.Text()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, text+"\n"); err != nil {
			return fmt.Errorf("write metadata: %w", err)
		}
	}
	return nil
}
