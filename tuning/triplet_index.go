package tuning

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"

	"reflectionflow"
	"reflectionflow/genref"
)

// tripletIndex finds the triplets of a GenRef set in its shards: words are in memory, images
// stay in the files.
type tripletIndex struct {
	files    []*os.File
	triplets []indexed
	subsets  map[string][]int
}

// indexed is a triplet with the places of its images.
type indexed struct {
	prompt, reflection string
	flawed, enhanced   span
}

// span is a part of a shard.
type span struct {
	file int
	at   int64
	size int64
}

// openTriplets indexes the set in a folder. Images must be at least side pixels on each side,
// and both of a triplet of one aspect ratio; each triplet needs a reflection. What does not
// fit gives an error wrapping [reflectionflow.ErrInvalid] that names the sample.
func openTriplets(ctx context.Context, dir string, side int) (_ *tripletIndex, err error) {
	set, err := genref.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("read triplets: %w", err)
	}
	x := &tripletIndex{subsets: map[string][]int{}}
	defer func() {
		if err != nil {
			x.close()
		}
	}()
	for _, name := range set.Shards() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		file, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read triplets: %w", err)
		}
		x.files = append(x.files, file)
		places, err := x.places(file)
		if err != nil {
			return nil, fmt.Errorf("%w: read triplets in %s: %v", reflectionflow.ErrInvalid, file.Name(), err)
		}
		for sample, err := range set.Shard(name) {
			if err == nil {
				err = x.add(sample, places, side)
			}
			if err != nil {
				return nil, fmt.Errorf("read triplets in %s: %w", file.Name(), err)
			}
		}
	}
	return x, nil
}

// places returns where the members of a shard are, by their names.
func (x *tripletIndex) places(file *os.File) (map[string]span, error) {
	places := map[string]span{}
	archive := tar.NewReader(file) // seeks over what is not read
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return places, nil
		}
		if err != nil {
			return nil, err
		}
		at, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		places[header.Name] = span{len(x.files) - 1, at, header.Size}
	}
}

func (x *tripletIndex) add(sample genref.Sample, places map[string]span, side int) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: sample %s: "+format, append([]any{reflectionflow.ErrInvalid, sample.Key}, args...)...)
	}
	if strings.TrimSpace(sample.Reflection) == "" {
		return bad("the reflection is missing: annotate the set (genref annotate), or leave the sample out")
	}
	t := indexed{prompt: sample.Prompt, reflection: sample.Reflection}
	sizes := make([]image.Config, 2)
	for i, part := range []struct {
		name string
		data []byte
		into *span
	}{{"bad_image.jpg", sample.Flawed, &t.flawed}, {"good_image.jpg", sample.Enhanced, &t.enhanced}} {
		var err error
		if sizes[i], _, err = image.DecodeConfig(bytes.NewReader(part.data)); err != nil {
			return bad("%s: %v", part.name, err)
		}
		if c := sizes[i]; c.Width < side || c.Height < side {
			return bad("%s has %d×%d pixels, training at %d needs at least as many on each side: lower size in the recipe", part.name, c.Width, c.Height, side)
		}
		if c := sizes[i]; c.Width != c.Height {
			return bad("%s has %d×%d pixels: training takes square images", part.name, c.Width, c.Height)
		}
		*part.into = places[sample.Key+"."+part.name]
		if part.into.size != int64(len(part.data)) {
			return bad("%s is not where it should be: the shard has the member twice", part.name)
		}
	}
	x.subsets[sample.Subset] = append(x.subsets[sample.Subset], len(x.triplets))
	x.triplets = append(x.triplets, t)
	return nil
}

// image decodes an image.
func (x *tripletIndex) image(s span) (image.Image, error) {
	m, _, err := image.Decode(io.NewSectionReader(x.files[s.file], s.at, s.size))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: image at byte %d: %v", reflectionflow.ErrInvalid, x.files[s.file].Name(), s.at, err)
	}
	return m, nil
}

func (x *tripletIndex) close() {
	for _, f := range x.files {
		_ = f.Close() // read only
	}
}
