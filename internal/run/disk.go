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
	"os"
	"path/filepath"
	"syscall"

	"reflectionflow"
)

// write puts a whole file into the folder: under a temporary name, flushed to
// disk, renamed. Whoever looks sees the old file or the new one.
func (f *Folder) write(name string, data []byte) error {
	path := f.in(name)
	temporary := path + ".tmp"
	if err := writeSynced(temporary, data); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// encodePicture returns the picture as PNG.
func encodePicture(picture image.Image) ([]byte, error) {
	if picture == nil {
		return nil, errors.New("there is no picture")
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func checksum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// imageBytes reads the entry's image file and checks that it is what was recorded.
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
		return nil, fmt.Errorf("%w: %s has %d×%d pixels, more than any run draws", reflectionflow.ErrInvalid, e.Image, config.Width, config.Height)
	case checksum(data) != e.SHA256:
		return nil, fmt.Errorf("%w: %s is not the image that was recorded", reflectionflow.ErrInvalid, e.Image)
	}
	return data, nil
}

func (f *Folder) picture(e entry) (image.Image, error) {
	data, err := f.imageBytes(e)
	if err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(data))
}

func isNotFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
