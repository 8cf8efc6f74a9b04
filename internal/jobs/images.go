package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

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
	err := q.bus.Persist(ctx, Patience{Bytes: int64(len(file)), Report: q.report}, func(ctx context.Context) error {
		_, err := q.images.PutBytes(ctx, name, file)
		return err
	})
	if err != nil {
		return ImageRef{}, fmt.Errorf("%w: image %s: %w", ErrStore, name, err)
	}
	q.recent.put(name, file)
	sum := sha256.Sum256(file)
	return ImageRef{Name: name, SHA256: hex.EncodeToString(sum[:]), Bytes: len(file)}, nil
}

// Image returns a stored image file.
func (q *Queue) Image(ctx context.Context, name string) ([]byte, error) {
	if file := q.recent.get(name); file != nil {
		return file, nil
	}
	file, err := q.bus.ReadObject(ctx, q.images, name, MaxImageBytes, Patience{Report: q.report})
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, ErrNoImage
	}
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", name, err)
	}
	return file, nil
}
