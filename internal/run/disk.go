package run

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"syscall"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// write replaces a file of the folder in one step.
func (f *Folder) write(name string, data []byte) error { return disk.WriteFile(f.in(name), data) }

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// imageBytes reads the entry's image file and checks it against the recorded sum.
func (f *Folder) imageBytes(e entry) ([]byte, error) {
	data, err := readBounded(f.in(e.Image), maxImageBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s is missing", reflectionflow.ErrInvalid, e.Image)
	case err != nil:
		return nil, err
	}
	config, err := png.DecodeConfig(bytes.NewReader(data))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s is not a PNG image", reflectionflow.ErrInvalid, e.Image)
	case config.Width > reflectionflow.MaxSide || config.Height > reflectionflow.MaxSide:
		return nil, fmt.Errorf("%w: %s has %d×%d pixels, more than any run generates", reflectionflow.ErrInvalid, e.Image, config.Width, config.Height)
	case checksum(data) != e.SHA256:
		return nil, fmt.Errorf("%w: %s is not the image that was recorded", reflectionflow.ErrInvalid, e.Image)
	}
	return data, nil
}

func (f *Folder) decode(e entry) (image.Image, error) {
	data, err := f.imageBytes(e)
	if err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(data))
}

func isNotFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
