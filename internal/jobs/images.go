package jobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nats.go/jetstream"

	"reflectionflow"
)

// MaxImageBytes is the largest file that is stored.
const MaxImageBytes = 64 << 20

// ErrNoImage is the error for an image that is not stored.
var ErrNoImage = errors.New("there is no such image")

// PutImage stores an image file under a name and returns its description.
func (q *Queue) PutImage(ctx context.Context, name string, file []byte) (ImageRef, error) {
	if len(file) > MaxImageBytes {
		return ImageRef{}, fmt.Errorf("%w: the image has %d bytes, at most %d are allowed", reflectionflow.ErrInvalid, len(file), MaxImageBytes)
	}
	if _, err := q.images.Put(ctx, jetstream.ObjectMeta{Name: name}, bytes.NewReader(file)); err != nil {
		return ImageRef{}, fmt.Errorf("%w: image %s: %w", ErrStore, name, err)
	}
	sum := sha256.Sum256(file)
	return ImageRef{Name: name, SHA256: hex.EncodeToString(sum[:]), Bytes: len(file)}, nil
}

// Image returns a stored image file.
func (q *Queue) Image(ctx context.Context, name string) ([]byte, error) {
	object, err := q.images.Get(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, ErrNoImage
	}
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", name, err)
	}
	defer object.Close()
	file, err := io.ReadAll(io.LimitReader(object, MaxImageBytes+1))
	if err != nil || len(file) > MaxImageBytes {
		return nil, fmt.Errorf("read image %s: %d bytes: %w", name, len(file), err)
	}
	return file, nil
}
