package fleet

import (
	"context"
	"image"
	"runtime"
	"sync"
	"time"
	"weak"
)

// recentBytes bounds the image files that a process holds in memory.
const recentBytes = 64 << 20

// recent holds the image files that were stored or read last, by their hashes: a worker that
// generated an image is often asked what it shows.
type recent struct {
	mutex sync.Mutex
	files map[string][]byte
	order []string // the oldest first
	bytes int
}

func (r *recent) get(hash string) []byte {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.files[hash]
}

func (r *recent) put(hash string, file []byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.files == nil {
		r.files = map[string][]byte{}
	}
	if r.files[hash] != nil || len(file) > recentBytes/4 {
		return
	}
	r.files[hash], r.order = file, append(r.order, hash)
	for r.bytes += len(file); r.bytes > recentBytes; r.order = r.order[1:] {
		r.bytes -= len(r.files[r.order[0]])
		delete(r.files, r.order[0])
	}
}

// seen knows the hashes of images in memory that are stored, so that they are not encoded
// and looked for again. It keeps no image alive.
type seen struct {
	mutex  sync.Mutex
	hashes map[any]stored // by weak pointer
}

type stored struct {
	hash  string
	until time.Time // that it surely is
}

// pointer returns a weak pointer to an image of the types that files are decoded to and
// engines return, nil for others.
func pointer(img image.Image) any {
	switch img := img.(type) {
	case *image.NRGBA:
		return weak.Make(img)
	case *image.RGBA:
		return weak.Make(img)
	}
	return nil
}

// hash returns the hash of a stored image, empty where it is not known.
func (s *seen) hash(img image.Image) string {
	key := pointer(img)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if known := s.hashes[key]; time.Now().Before(known.until) {
		return known.hash
	}
	return ""
}

func (s *seen) put(img image.Image, hash string, until time.Time) {
	key := pointer(img)
	if key == nil {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.hashes == nil {
		s.hashes = map[any]stored{}
	}
	_, known := s.hashes[key]
	s.hashes[key] = stored{hash, until}
	if known {
		return
	}
	switch img := img.(type) {
	case *image.NRGBA:
		runtime.AddCleanup(img, s.forget, key)
	case *image.RGBA:
		runtime.AddCleanup(img, s.forget, key)
	}
}

func (s *seen) forget(key any) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.hashes, key)
}

// answered returns the image of an answer.
func (f *Fleet) answered(ctx context.Context, a keptAnswer) (img image.Image, err error) {
	if a.File != nil {
		img, err = f.read(a.Image, a.File)
	} else {
		img, err = f.image(ctx, a.Image)
	}
	if err == nil && img != nil && a.New {
		f.seen.put(img, a.Image, f.until(time.Now()))
	}
	return img, err
}
