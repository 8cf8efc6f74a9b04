package genref

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"reflectionflow/clipart"
	"reflectionflow/internal/disk"
)

// exportRow is a triplet as the formats need it. Images are paths within the export.
type exportRow struct {
	Key, Prompt, Words string
	Flawed, Enhanced   string
	FlawedFirst        bool
}

// shown returns both images in the order in which they are shown.
func (r exportRow) shown() (first, second string) {
	if r.FlawedFirst {
		return r.Flawed, r.Enhanced
	}
	return r.Enhanced, r.Flawed
}

// imageTag marks the place of an image in LLaMA-Factory's texts.
const imageTag = "<image>"

// question is the question that the authors' fine-tuned reflector is asked
// (tts/tts_reflectionflow.py).
func (r exportRow) question() string {
	return `Generate reflections to improve the input image according to the prompt. The prompt is: "` + r.Prompt + `"`
}

// part is a part of a message in TRL's format.
type part struct {
	Type string `json:"type"`
	Text string `json:"text,omitempty"`
}

// message is a message in TRL's format.
type message struct {
	Role    string `json:"role"`
	Content []part `json:"content"`
}

func answer(text string) []message {
	return []message{{Role: "assistant", Content: []part{{"text", text}}}}
}

// turn is a message in ShareGPT's format.
type turn struct {
	From  string `json:"from"`
	Value string `json:"value"`
}

// line returns the row as an object of JSON lines.
func (r exportRow) line(format Format) any {
	switch format {
	case ShareGPT:
		untagged := strings.NewReplacer(imageTag, "image").Replace // LLaMA-Factory would expect an image for every tag
		return struct {
			ID            string   `json:"id"`
			Conversations []turn   `json:"conversations"`
			Images        []string `json:"images"`
		}{r.Key, []turn{{"human", imageTag + untagged(r.question())}, {"gpt", untagged(r.Words)}}, []string{r.Flawed}}
	case TRL:
		return struct {
			ID       string    `json:"id"`
			Messages []message `json:"messages"`
			Images   []string  `json:"images"`
		}{r.Key, append([]message{{Role: "user", Content: []part{{Type: "image"}, {"text", r.question()}}}}, answer(r.Words)...), []string{r.Flawed}}
	}
	first, second := r.shown()
	better, worse := "first", "second"
	if r.FlawedFirst {
		better, worse = worse, better
	}
	ask := `Which of the two pictures shows this better: "` + r.Prompt + `"? Answer with first or second.`
	return struct {
		ID       string    `json:"id"`
		Prompt   []message `json:"prompt"`
		Chosen   []message `json:"chosen"`
		Rejected []message `json:"rejected"`
		Images   []string  `json:"images"`
	}{
		r.Key,
		[]message{{Role: "user", Content: []part{{Type: "image"}, {Type: "image"}, {"text", ask}}}},
		answer(better), answer(worse),
		[]string{first, second},
	}
}

// record returns the row as the authors' reward trainer reads it: VQ is the better one of A,
// the first image, and B (reward_modeling/data.py).
func (r exportRow) record() []string {
	first, second := r.shown()
	better := "A"
	if r.FlawedFirst {
		better = "B"
	}
	return []string{first, second, r.Prompt, better}
}

// rowFile is a file of a split under its temporary name.
type rowFile struct {
	split  clipart.Split
	name   string
	file   *os.File
	buffer *bufio.Writer
	sum    hash.Hash
}

// The endings of the files of a split.
const (
	endingRows    = ".jsonl"
	endingRecords = ".csv"
)

// rowFile returns the file of a split, and creates it if needed.
func (x *exporter) rowFile(split clipart.Split, ending string) (*rowFile, error) {
	name := string(split) + ending
	for _, f := range x.files {
		if f.name == name {
			return f, nil
		}
	}
	file, err := os.OpenFile(x.at(name)+disk.Temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	sum := sha256.New()
	f := &rowFile{split, name, file, bufio.NewWriter(io.MultiWriter(file, sum)), sum}
	x.files = append(x.files, f)
	if ending == endingRecords {
		if err := f.record([]string{"image1", "image2", "prompt", "VQ"}); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *rowFile) record(fields []string) error {
	w := csv.NewWriter(f.buffer)
	err := w.Write(fields)
	w.Flush()
	if err = errors.Join(err, w.Error()); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// write adds a row to the files of a split.
func (x *exporter) write(split clipart.Split, r exportRow) error {
	f, err := x.rowFile(split, endingRows)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(f.buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r.line(x.Format)); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if x.Format != Preferences {
		return nil
	}
	if f, err = x.rowFile(split, endingRecords); err != nil {
		return err
	}
	return f.record(r.record())
}

// finish renames the files, writes the descriptions for LLaMA-Factory and for later exports,
// and removes the files of an earlier export.
func (x *exporter) finish() error {
	if err := disk.SyncTree(x.Out); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	files := x.files
	mark := exportMark{Format: x.Format, Rows: x.report.Rows}
	for _, f := range files {
		described, err := f.finish(x.at(f.name))
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		mark.Files = append(mark.Files, described)
	}
	x.files = nil
	for _, split := range []clipart.Split{clipart.Train, clipart.Validation, clipart.Test} {
		for _, ending := range []string{endingRows, endingRecords} {
			name := string(split) + ending
			if slices.ContainsFunc(files, func(f *rowFile) bool { return f.name == name }) {
				continue
			}
			for _, path := range []string{x.at(name), x.at(name) + disk.Temporary} {
				if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("export: %w", err)
				}
			}
		}
	}
	if x.Format == ShareGPT {
		if err := x.describe("dataset_info.json", datasetInfo(files)); err != nil {
			return err
		}
	}
	if err := x.describe(exportName, mark); err != nil {
		return err
	}
	return x.sweep()
}

// finish flushes and renames the file, and returns its description.
func (f *rowFile) finish(path string) (described exportFile, err error) {
	err = f.buffer.Flush()
	if err == nil {
		err = f.file.Sync()
	}
	info, failed := f.file.Stat()
	if err = errors.Join(err, failed, f.file.Close()); err != nil {
		return described, err
	}
	return exportFile{f.name, hex.EncodeToString(f.sum.Sum(nil)), info.Size()}, disk.Rename(path+disk.Temporary, path)
}

// dataset is LLaMA-Factory's description of a file.
type dataset struct {
	FileName   string            `json:"file_name"`
	Formatting string            `json:"formatting"`
	Columns    map[string]string `json:"columns"`
}

// datasetInfo returns the descriptions for LLaMA-Factory's dataset_info.json.
func datasetInfo(files []*rowFile) map[string]dataset {
	info := make(map[string]dataset)
	for _, f := range files {
		info["genref_"+string(f.split)] = dataset{f.name, "sharegpt", map[string]string{"messages": "conversations", "images": "images"}}
	}
	return info
}

// abandon removes files that are not finished.
func (x *exporter) abandon() {
	for _, f := range x.files {
		_ = f.file.Close()
		_ = os.Remove(x.at(f.name) + disk.Temporary)
	}
}
