package geneval

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"reflectionflow/chat"
)

// maxBenchmarkBytes bounds a file of prompts.
const maxBenchmarkBytes = 64 << 20

// ReadPrompts reads a file of prompts in the format of its benchmark, which the content
// and the name tell:
//
//   - GenEval's evaluation_metadata.jsonl, see [ReadMetadata]
//   - GenEval 2's geneval2_data.jsonl: lines with vqa_list
//   - DPG-Bench's dpg_bench.csv
//   - T2I-CompBench's files such as color_val.txt: one prompt a line
//
// note says what was left out; it is empty for nothing. Other content is an error wrapping
// [reflectionflow.ErrInvalid] that names the line.
func ReadPrompts(name string, r io.Reader) (list []Metadata, note string, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBenchmarkBytes+1))
	if err != nil {
		return nil, "", fmt.Errorf("read prompts: %w", err)
	}
	if len(data) > maxBenchmarkBytes {
		return nil, "", invalid("more than %d bytes: split the file", maxBenchmarkBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case ext == ".csv":
		list, err = readDPG(data)
	case ext == ".txt":
		list, note, err = readCompBench(name, data)
	case isGenEval2(data):
		list, err = readGenEval2(data)
	default:
		list, err = ReadMetadata(bytes.NewReader(data))
	}
	if err == nil && len(list) == 0 {
		err = invalid("there are no prompts")
	}
	return list, note, err
}

// eachLine calls f with every line that is not empty, without spaces around it.
func eachLine(data []byte, f func(line []byte) error) error {
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, maxLineBytes)
	n, count := 0, 0
	for scanner.Scan() {
		n++
		line := bytes.TrimSpace(scanner.Bytes())
		if len(line) == 0 {
			continue
		}
		if count++; count > maxPrompts {
			return invalid("more than %d prompts: split the file", maxPrompts)
		}
		if err := f(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return invalid("line %d has more than %d bytes", n+1, maxLineBytes)
	}
	return scanner.Err()
}

// isGenEval2 tells a file of GenEval 2 by its first line.
func isGenEval2(data []byte) bool {
	first, _, _ := bytes.Cut(bytes.TrimSpace(data), []byte("\n"))
	var keys map[string]json.RawMessage
	return json.Unmarshal(first, &keys) == nil && keys["vqa_list"] != nil
}

// readGenEval2 reads geneval2_data.jsonl. Prompts are grouped by their number of atoms.
func readGenEval2(data []byte) ([]Metadata, error) {
	var list []Metadata
	err := eachLine(data, func(line []byte) error {
		var v struct {
			Prompt string     `json:"prompt"`
			Atoms  int        `json:"atom_count"`
			VQA    [][]string `json:"vqa_list"`
			Skills []string   `json:"skills"`
		}
		if err := decodeStrictly(line, &v); err != nil {
			return invalid("not a line of geneval2_data.jsonl: %v", err)
		}
		if len(v.Skills) != len(v.VQA) {
			return invalid("%d skills for %d questions", len(v.Skills), len(v.VQA))
		}
		if v.Atoms < 1 || v.Atoms > maxQuestions {
			return invalid("atom_count %d: must be from 1 to %d", v.Atoms, maxQuestions)
		}
		m := Metadata{Suite: GenEval2, Tag: fmt.Sprintf("atoms-%02d", v.Atoms), Prompt: v.Prompt}
		for i, q := range v.VQA {
			if len(q) != 2 {
				return invalid("entry %d of vqa_list is not a question with its answer", i+1)
			}
			m.Questions = append(m.Questions, Question{Question: chat.Question{Text: q[0], Answer: q[1]}, Skill: v.Skills[i]})
		}
		list = append(list, m)
		return m.Validate()
	})
	return list, err
}

// readCompBench reads a file of T2I-CompBench, one prompt a line, and says how many lines
// it left out because they repeat another.
func readCompBench(name string, data []byte) ([]Metadata, string, error) {
	tag := tagOf(name)
	var list []Metadata
	seen, repeated := make(map[string]bool), 0
	err := eachLine(data, func(line []byte) error {
		prompt := string(line)
		if seen[prompt] {
			repeated++
			return nil
		}
		seen[prompt] = true
		m := Metadata{Suite: CompBench, Tag: tag, Prompt: prompt, Questions: []Question{{Question: chat.VQAScoreQuestion(prompt), Skill: tag}}}
		list = append(list, m)
		return m.Validate()
	})
	note := ""
	if repeated > 0 {
		note = fmt.Sprintf("%d lines that repeat another prompt are left out", repeated)
	}
	return list, note, err
}

// tagOf is the task of a file of T2I-CompBench: color for color_val.txt.
func tagOf(name string) string {
	base := strings.ToLower(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)))
	for _, split := range []string{"_val", "_train", "_test"} {
		base = strings.TrimSuffix(base, split)
	}
	base = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return ' '
	}, base)
	if tag := strings.Join(strings.Fields(base), "-"); tag != "" {
		return tag[:min(len(tag), 32)]
	}
	return "prompts"
}

// dpgColumns are the columns of dpg_bench.csv that are read.
var dpgColumns = []string{"item_id", "text", "proposition_id", "dependency", "category_broad", "question_natural_language"}

// readDPG reads dpg_bench.csv: one row per question, the rows of a prompt one after another.
func readDPG(data []byte) ([]Metadata, error) {
	reader := csv.NewReader(bytes.NewReader(data))
	reader.LazyQuotes = false
	header, err := reader.Read()
	if err != nil {
		return nil, invalid("not dpg_bench.csv: %v", err)
	}
	at := make([]int, len(dpgColumns))
	for i, column := range dpgColumns {
		if at[i] = slices.Index(header, column); at[i] < 0 {
			return nil, invalid("not dpg_bench.csv: there is no column %s", column)
		}
	}
	var d dpg
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, invalid("not dpg_bench.csv: %v", err)
		}
		line, _ := reader.FieldPos(0)
		row := make([]string, len(at))
		for i, k := range at {
			row[i] = strings.TrimSpace(record[k])
		}
		if err := d.add(row); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	return d.prompts()
}

// dpg collects the rows of dpg_bench.csv.
type dpg struct {
	order []string // item IDs
	items map[string]*dpgItem
}

type dpgItem struct {
	text      string
	ids       []string // proposition IDs, of the questions
	parents   []string
	questions []Question
}

func (d *dpg) add(row []string) error {
	id, text := row[0], row[1]
	if d.items == nil {
		d.items = make(map[string]*dpgItem)
	}
	item, known := d.items[id]
	switch {
	case id == "":
		return invalid("item_id is empty")
	case !known && len(d.order) == maxPrompts:
		return invalid("more than %d prompts: split the file", maxPrompts)
	case !known:
		item = &dpgItem{text: text}
		d.items[id], d.order = item, append(d.order, id)
	case text != "" && text != item.text:
		return invalid("item %.40q has two texts", id)
	}
	if _, err := strconv.Atoi(row[2]); err != nil {
		return invalid("proposition_id %.40q is no whole number", row[2])
	}
	if slices.Contains(item.ids, row[2]) {
		return invalid("item %.40q has proposition %s twice", id, row[2])
	}
	if len(item.ids) == maxQuestions {
		return invalid("item %.40q has more than %d questions", id, maxQuestions)
	}
	item.ids, item.parents = append(item.ids, row[2]), append(item.parents, row[3])
	item.questions = append(item.questions, Question{Question: chat.Question{Text: row[5], Answer: "Yes"}, Skill: firstWords(row[4])})
	return nil
}

// firstWords is a category of at most as many bytes as a skill may have.
func firstWords(category string) string {
	if category == "" {
		return "other"
	}
	return strings.ToValidUTF8(category[:min(len(category), maxAnswerBytes)], "")
}

// prompts are the items with their dependencies as indexes.
func (d *dpg) prompts() ([]Metadata, error) {
	var list []Metadata
	for _, id := range d.order {
		item := d.items[id]
		m := Metadata{Suite: DPG, Tag: "dpg", Prompt: item.text, Questions: item.questions}
		for i, parents := range item.parents {
			for parent := range strings.SplitSeq(parents, ",") {
				if parent = strings.TrimSpace(parent); parent == "0" || parent == "" {
					continue
				}
				k := slices.Index(item.ids, parent)
				if k < 0 {
					return nil, invalid("item %.40q: proposition %s depends on %.40q, which it does not have", id, item.ids[i], parent)
				}
				m.Questions[i].After = append(m.Questions[i].After, k)
			}
		}
		if err := m.Validate(); err != nil {
			return nil, fmt.Errorf("item %.40q: %w", id, err)
		}
		list = append(list, m)
	}
	return list, nil
}
