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

	_ "golang.org/x/image/webp" // imported images may be WebP

	"reflectionflow"
)

// Import is the source of the subset editing that reads an existing set of
// instruction-based edits (arXiv 2504.16080 §4.1): the source image becomes the flawed one,
// the edited image the enhanced one, and the instruction the reflection.
//
// It reads WebDataset shards (.tar) and Parquet files (.parquet) in the given order. It
// skips and counts unusable rows and the rest of a damaged file; the first 20 of each shard
// are described in [FillResult.Faults].
type Import struct {
	Files   []string
	Columns Columns
	Subset  string // subset of the triplets; empty for editing
	Licence string // for the provenance
}

// Columns names the fields of a row: members of a WebDataset sample without their endings,
// keys of its JSON member, or columns of a Parquet file, with dots for nesting. An empty
// name means the names of well-known sets.
type Columns struct {
	Flawed     string `json:"flawed,omitempty"`
	Enhanced   string `json:"enhanced,omitempty"`
	Prompt     string `json:"prompt,omitempty"`
	Reflection string `json:"reflection,omitempty"`
}

// The names to look for, in order: those of GenRef and its older loader, InstructPix2Pix,
// OmniEdit, MagicBrush and UltraEdit.
var (
	flawedColumns     = []string{"bad_image", "src_img", "source_img", "source_image", "original_image", "input_image"}
	enhancedColumns   = []string{"good_image", "edited_img", "target_img", "edited_image", "output_image"}
	promptColumns     = []string{"prompt", "caption", "target_caption", "edited_prompt", "output_caption"}
	reflectionColumns = []string{"reflection", "instruction", "edit_prompt", "edit_instruction", "reflection_prompt", "edited_prompt_list", "edit"}
)

// The reasons for which a row is skipped.
const (
	SkippedNoImage  = "rows without a readable image"
	SkippedNoWords  = "rows without an instruction"
	SkippedSamePair = "rows whose two images are the same"
	SkippedUnfit    = "rows that a shard cannot hold"
	SkippedDamaged  = "damaged files"
)

// row is a row of another set: its values by name.
type row map[string][]byte

// find returns the first named value of a row; name has precedence over known.
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

// ImportFiles lists the files to import: path itself, or the .tar and .parquet files of a
// folder in order of the number in their names. It is an error wrapping
// [reflectionflow.ErrInvalid] if there are none.
func ImportFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %s does not exist", reflectionflow.ErrInvalid, path)
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
		return nil, fmt.Errorf("%w: %s has no .tar or .parquet files", reflectionflow.ErrInvalid, path)
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

// position parses a cursor: the file and the row in it.
func (m *Import) position(cursor string) (file, from int, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	a, b, _ := strings.Cut(cursor, ":")
	file, errFile := strconv.Atoi(a)
	from, errRow := strconv.Atoi(b)
	if errFile != nil || errRow != nil || file < 0 || file > len(m.Files) || from < 0 {
		return 0, 0, fmt.Errorf("%w: the set was started with other files: its position is %.40q: give the same files", reflectionflow.ErrInvalid, cursor)
	}
	return file, from, nil
}

// rows returns the rows of a file from a row on.
func rows(path string, from int) iter.Seq2[row, error] {
	if strings.HasSuffix(path, ".parquet") {
		return parquetRows(path, from)
	}
	return tarRows(path, from)
}

// importFiller fills one shard.
type importFiller struct {
	*Import
	shard  FillRequest
	added  int
	result FillResult
}

// row adds the triplet of one row.
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

// maxFaults bounds the faults that are described per shard. All are counted.
const maxFaults = 20

func (f *importFiller) skip(reason, origin string, why error) {
	f.result.Effort.Skipped[reason]++
	if len(f.result.Faults) < maxFaults && why != nil {
		text := strings.ReplaceAll(why.Error(), reflectionflow.ErrInvalid.Error()+": ", "")
		f.result.Faults = append(f.result.Faults, fmt.Sprintf("%s: %s", origin, text))
	}
}

// sample returns the triplet of a row, or the reason why there is none.
func (f *importFiller) sample(r row) (s Sample, reason string, err error) {
	s.Subset = f.Subset
	if s.Subset == "" {
		s.Subset = "editing"
	}
	s.Provenance = &Provenance{Source: "editing", Licence: f.Licence}
	for _, side := range []struct {
		what      string
		data      []byte
		into      *[]byte
		generated *ImageRecord
	}{
		{"flawed", r.find(f.Columns.Flawed, flawedColumns), &s.Flawed, &s.Provenance.Flawed},
		{"enhanced", r.find(f.Columns.Enhanced, enhancedColumns), &s.Enhanced, &s.Provenance.Enhanced},
	} {
		if *side.into, *side.generated, err = asJPEG(side.data); err != nil {
			return s, SkippedNoImage, fmt.Errorf("the %s image: %w (the row has %s)", side.what, err, r.names())
		}
	}
	if bytes.Equal(s.Flawed, s.Enhanced) || *s.Provenance.Flawed.PerceptualHash == *s.Provenance.Enhanced.PerceptualHash {
		return s, SkippedSamePair, fmt.Errorf("%w: both images are the same", reflectionflow.ErrInvalid)
	}
	s.Reflection = plainText(r.find(f.Columns.Reflection, reflectionColumns))
	if s.Reflection == "" {
		return s, SkippedNoWords, fmt.Errorf("%w: the instruction is missing (the row has %s)", reflectionflow.ErrInvalid, r.names())
	}
	// Without a caption, the instruction is all that is known about the edited image.
	if s.Prompt = plainText(r.find(f.Columns.Prompt, promptColumns)); s.Prompt == "" {
		s.Prompt = s.Reflection
	}
	return s, "", nil
}

// names lists the names of a row's values, for error messages.
func (r row) names() string {
	var list []string
	for name := range r {
		list = append(list, name)
	}
	slices.Sort(list)
	return fmt.Sprintf("%.200s", strings.Join(list, ", "))
}

// asJPEG decodes an image and re-encodes it unless it is JPEG.
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

// plainText returns a text on one line, or "" if it is not valid UTF-8.
func plainText(data []byte) string {
	if !utf8.Valid(data) {
		return ""
	}
	return strings.Join(strings.Fields(string(data)), " ")
}
