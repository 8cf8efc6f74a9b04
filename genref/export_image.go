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

// pictureSum is the first half of a picture's SHA-256 sum. Its file is named by it: a
// file of an export never changes, and is written once, however many rows show it.
type imageSum [16]byte

// exportPicture is a picture of a row.
type exportImage struct {
	what  string // flawed or enhanced
	sum   imageSum
	name  string // path within the folder
	data  []byte
	there bool // its file is whole
}

// exportImages is the folder of an export's pictures.
const exportImages = "images"

// picture looks whether a picture has its file already.
func (x *exporter) picture(what string, data []byte) exportImage {
	whole := sha256.Sum256(data)
	p := exportImage{what: what, sum: imageSum(whole[:]), data: data}
	digits := hex.EncodeToString(p.sum[:])
	p.name = fmt.Sprintf("%s/%s/%s-%s.jpg", exportImages, digits[:2], digits, what)
	was, err := os.ReadFile(x.at(p.name)) // after a crash it may be cut
	p.there = err == nil && bytes.Equal(was, data)
	return p
}

// at is where a path within the folder is.
func (x *exporter) at(name string) string { return filepath.Join(x.Out, filepath.FromSlash(name)) }

// check reports a picture that does not decode. One that has its file was decoded before.
func (p exportImage) check() error {
	if p.there {
		return nil
	}
	if _, _, err := image.Decode(bytes.NewReader(p.data)); err != nil {
		return fmt.Errorf("%s picture: %w", p.what, err)
	}
	return nil
}

// put writes a picture that has no file yet.
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
	if err := disk.Put(path, p.data); err != nil { // before rows show it, all are flushed
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// sweep removes the pictures of an earlier export that no row shows any more, and what a
// kill has left half-written.
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
		pictures, err := os.ReadDir(path)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		for _, p := range pictures {
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

// stale reports whether a file is a picture that no row shows, or half of one.
func (x *exporter) stale(name string) bool {
	name, cut := strings.CutSuffix(name, disk.Temporary)
	digits, _, _ := strings.Cut(name, "-")
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != len(imageSum{}) {
		return false // not ours
	}
	_, shown := x.splits[imageSum(sum)]
	return cut || !shown
}
