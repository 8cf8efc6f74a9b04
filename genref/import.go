package genref

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	_ "golang.org/x/image/webp" // other sets have such pictures

	"reflectionflow"
)

// Import is the source of the subset editing that reads an existing set of
// instruction-based edits (arXiv 2504.16080 §4.1): the source picture is the flawed
// one, the edited picture the enhanced one, the instruction the reflection.
//
// It reads WebDataset shards (.tar) and Parquet files (.parquet) in the order given.
// Rows that cannot be used are passed over, counted and, the first of each shard,
// listed; so is what follows damage in a file.
type Import struct {
	Files   []string
	Columns Columns
	Subset  string // of the triplets; empty for editing
	Licence string // for the provenance
}

// Columns names what is what in a row: members of a WebDataset sample, less their
// endings, keys of its JSON member, or columns of a Parquet file, nested ones with
// dots. Empty takes what well-known sets use.
type Columns struct {
	Flawed     string `json:"flawed,omitempty"`
	Enhanced   string `json:"enhanced,omitempty"`
	Prompt     string `json:"prompt,omitempty"`
	Reflection string `json:"reflection,omitempty"`
}

// The names in the order in which they are looked for: GenRef's own and those of its
// older loader, of InstructPix2Pix, OmniEdit, MagicBrush and UltraEdit.
var (
	flawedColumns     = []string{"bad_image", "src_img", "source_img", "source_image", "original_image", "input_image"}
	enhancedColumns   = []string{"good_image", "edited_img", "target_img", "edited_image", "output_image"}
	promptColumns     = []string{"prompt", "caption", "target_caption", "edited_prompt", "output_caption"}
	reflectionColumns = []string{"reflection", "instruction", "edit_prompt", "edit_instruction", "reflection_prompt", "edited_prompt_list", "edit"}
)

// The reasons for which a row is passed over.
const (
	SkippedNoImage  = "rows without a picture that can be read"
	SkippedNoWords  = "rows without an instruction"
	SkippedSamePair = "rows whose two pictures are the same"
	SkippedUnfit    = "rows that a shard cannot hold"
	SkippedDamaged  = "files that are damaged"
)

// row is a row of another set: what it holds by name.
type row map[string][]byte

// find is the first named value that a row has; name has precedence.
func (r row) find(name string, known []string) []byte {
	if name != "" {
		known = []string{name}
	}
	for _, k := range known {
		for _, key := range []string{k, k + ".bytes"} {
			if v, ok := r[key]; ok && len(v) > 0 {
				return v
			}
		}
	}
	return nil
}

// ImportFiles lists the files to import: path itself, or the .tar and .parquet files
// of a folder in order of the number in their names. None is an error wrapping
// [reflectionflow.ErrInvalid].
func ImportFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: there is no %s", reflectionflow.ErrInvalid, path)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	for _, suffix := range []string{".tar", ".parquet"} {
		names, err := numbered(path, suffix)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			files = append(files, filepath.Join(path, name))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: there are no .tar and no .parquet files in %s", reflectionflow.ErrInvalid, path)
	}
	return files, nil
}

var _ Source = (*Import)(nil)

// Fill implements [Source].
func (m *Import) Fill(ctx context.Context, shard FillRequest) (FillResult, error) {
	file, from, err := m.position(shard.From)
	if err != nil {
		return FillResult{}, err
	}
	f := importFiller{Import: m, shard: shard}
	f.result.Effort.Skipped = make(map[string]int)
	for ; file < len(m.Files); file, from = file+1, 0 {
		for r, err := range rows(m.Files[file], from) {
			if ctx.Err() != nil {
				return FillResult{}, ctx.Err()
			}
			if errors.Is(err, reflectionflow.ErrInvalid) {
				f.skip(SkippedDamaged, filepath.Base(m.Files[file]), err)
				break
			}
			if err != nil {
				return FillResult{}, err
			}
			if f.added == shard.Count {
				f.result.Cursor = fmt.Sprintf("%d:%d", file, from)
				return f.result, nil
			}
			if err := f.row(r, fmt.Sprintf("%s#%d", filepath.Base(m.Files[file]), from)); err != nil {
				return FillResult{}, err
			}
			from++
			if shard.Progress != nil {
				shard.Progress(f.result.Effort)
			}
		}
	}
	f.result.Cursor, f.result.Ended = fmt.Sprintf("%d:0", file), true
	return f.result, nil
}

// position reads a cursor: the file and the row in it.
func (m *Import) position(cursor string) (file, from int, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	a, b, _ := strings.Cut(cursor, ":")
	file, errFile := strconv.Atoi(a)
	from, errRow := strconv.Atoi(b)
	if errFile != nil || errRow != nil || file < 0 || file > len(m.Files) || from < 0 {
		return 0, 0, fmt.Errorf("%w: the set was begun from other files: it stands at %.40q", reflectionflow.ErrInvalid, cursor)
	}
	return file, from, nil
}

// rows reads a file from a row on.
func rows(path string, from int) iter.Seq2[row, error] {
	if strings.HasSuffix(path, ".parquet") {
		return parquetRows(path, from)
	}
	return tarRows(path, from)
}

// importFilling fills one shard.
type importFiller struct {
	*Import
	shard  FillRequest
	added  int
	result FillResult
}

// row takes one row in.
func (f *importFiller) row(r row, origin string) error {
	f.result.Effort.Prompts++
	s, reason, err := f.sample(r)
	if err != nil {
		f.skip(reason, origin, err)
		return nil
	}
	f.result.Effort.Images += 2
	s.Key = sampleKey(s.Subset, f.shard.Number, f.added)
	s.Provenance.Origin = origin
	if _, err := s.valid(); err != nil {
		f.skip(SkippedUnfit, origin, err)
		return nil
	}
	fresh, err := f.shard.Add(s)
	switch {
	case err != nil:
		return err
	case fresh:
		f.added++
	default:
		f.skip(SkippedDuplicate, origin, nil)
	}
	return nil
}

// maxFaults bounds what is listed of a shard; all is counted.
const maxFaults = 20

func (f *importFiller) skip(reason, origin string, why error) {
	f.result.Effort.Skipped[reason]++
	if len(f.result.Faults) < maxFaults && why != nil {
		text := strings.ReplaceAll(why.Error(), reflectionflow.ErrInvalid.Error()+": ", "")
		f.result.Faults = append(f.result.Faults, fmt.Sprintf("%s: %s", origin, text))
	}
}

// sample makes a triplet of a row, or says why not.
func (f *importFiller) sample(r row) (s Sample, reason string, err error) {
	s.Subset = f.Subset
	if s.Subset == "" {
		s.Subset = "editing"
	}
	s.Provenance = &Provenance{Source: "editing", Licence: f.Licence}
	for _, picture := range []struct {
		what      string
		data      []byte
		into      *[]byte
		generated *ImageRecord
	}{
		{"flawed", r.find(f.Columns.Flawed, flawedColumns), &s.Flawed, &s.Provenance.Flawed},
		{"enhanced", r.find(f.Columns.Enhanced, enhancedColumns), &s.Enhanced, &s.Provenance.Enhanced},
	} {
		if *picture.into, *picture.generated, err = asJPEG(picture.data); err != nil {
			return s, SkippedNoImage, fmt.Errorf("the %s picture: %w (the row has %s)", picture.what, err, r.names())
		}
	}
	if bytes.Equal(s.Flawed, s.Enhanced) || *s.Provenance.Flawed.PerceptualHash == *s.Provenance.Enhanced.PerceptualHash {
		return s, SkippedSamePair, fmt.Errorf("%w: both pictures are the same", reflectionflow.ErrInvalid)
	}
	s.Reflection = plainText(r.find(f.Columns.Reflection, reflectionColumns))
	if s.Reflection == "" {
		return s, SkippedNoWords, fmt.Errorf("%w: there is no instruction (the row has %s)", reflectionflow.ErrInvalid, r.names())
	}
	// Without a caption the instruction is all that is known to be wanted.
	if s.Prompt = plainText(r.find(f.Columns.Prompt, promptColumns)); s.Prompt == "" {
		s.Prompt = s.Reflection
	}
	return s, "", nil
}

// names lists what a row has.
func (r row) names() string {
	var list []string
	for name := range r {
		list = append(list, name)
	}
	slices.Sort(list)
	return fmt.Sprintf("%.200s", strings.Join(list, ", "))
}

// asJPEG decodes a picture and keeps it as it is where it is JPEG.
func asJPEG(data []byte) ([]byte, ImageRecord, error) {
	if len(data) == 0 {
		return nil, ImageRecord{}, fmt.Errorf("%w: it is missing", reflectionflow.ErrInvalid)
	}
	if err := checkImage(data); err != nil {
		return nil, ImageRecord{}, err
	}
	m, format, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, ImageRecord{}, fmt.Errorf("%w: it is damaged: %v", reflectionflow.ErrInvalid, err)
	}
	hash := HashImage(m)
	generated := ImageRecord{Width: m.Bounds().Dx(), Height: m.Bounds().Dy(), PerceptualHash: &hash}
	if format != "jpeg" {
		data, err = EncodeImage(opaque(m))
	}
	return data, generated, err
}

// plainText is a text on one line, in valid UTF-8; empty for what is no text.
func plainText(data []byte) string {
	if !utf8.Valid(data) {
		return ""
	}
	return strings.Join(strings.Fields(string(data)), " ")
}
