package genref

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"reflectionflow/internal/disk"
)

// imageSum is the first half of an image's SHA-256 sum and names its file. A file of an
// export never changes and is written once, whatever the number of its rows.
type imageSum [16]byte

// exportImage is an image of a row.
type exportImage struct {
	what  string // flawed or enhanced
	sum   imageSum
	name  string // path within the folder
	data  []byte
	there bool // its file is complete
}

// exportImages is the folder of an export's images.
const exportImages = "images"

// imageOf names an image and looks for its file.
func (x *exporter) imageOf(what string, data []byte) exportImage {
	whole := sha256.Sum256(data)
	p := exportImage{what: what, sum: imageSum(whole[:]), data: data}
	digits := hex.EncodeToString(p.sum[:])
	p.name = fmt.Sprintf("%s/%s/%s-%s.jpg", exportImages, digits[:2], digits, what)
	was, err := os.ReadFile(x.at(p.name)) // may be incomplete after a crash
	p.there = err == nil && bytes.Equal(was, data)
	return p
}

// at returns the path of a file of the export.
func (x *exporter) at(name string) string { return filepath.Join(x.Out, filepath.FromSlash(name)) }

// check reports an image that does not decode. An image that has its file was decoded before.
func (p exportImage) check() error {
	if p.there {
		return nil
	}
	if _, _, err := image.Decode(bytes.NewReader(p.data)); err != nil {
		return fmt.Errorf("%s image: %w", p.what, err)
	}
	return nil
}

// put writes an image that has no file yet.
func (x *exporter) put(p exportImage) error {
	if p.there {
		return nil
	}
	path := x.at(p.name)
	if folder := filepath.Dir(path); !x.folders[folder] {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		x.folders[folder] = true
	}
	if err := disk.Put(path, p.data); err != nil { // flushed before the rows get their names
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// sweep removes images of an earlier export that no row shows, and incomplete files.
func (x *exporter) sweep() error {
	folders, err := os.ReadDir(x.at(exportImages))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("export: %w", err)
	}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		path := filepath.Join(x.at(exportImages), folder.Name())
		entries, err := os.ReadDir(path)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		for _, p := range entries {
			if !x.stale(p.Name()) {
				continue
			}
			if err := os.Remove(filepath.Join(path, p.Name())); err != nil {
				return fmt.Errorf("export: %w", err)
			}
		}
	}
	return nil
}

// stale reports whether a file is an image that no row shows, or is incomplete.
func (x *exporter) stale(name string) bool {
	name, cut := strings.CutSuffix(name, disk.Temporary)
	digits, _, _ := strings.Cut(name, "-")
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != len(imageSum{}) {
		return false // not a file of an export
	}
	_, shown := x.splits[imageSum(sum)]
	return cut || !shown
}
