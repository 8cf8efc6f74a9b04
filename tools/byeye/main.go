// Byeye compares judges with a person: it makes numbered sheets of images of an evaluation, without
// any verdict, and compares the labels that somebody gives them with what detector, judge and
// template say.
//
//	go run ./tools/byeye sheets OUT DIR...
//	go run ./tools/byeye table LABELS DIR...
//
// DIR are folders of reflectionflow evaluate, judged by the embedded judge. Sheets writes
// OUT/sheet-01.jpg and so on, and OUT/labels.tsv with an empty label per image. Its sample has as
// many images that the judge passes as images that it rejects, from each folder alike; their order
// is a hash, so that a number says nothing about the verdict. The sample follows from the folders alone.
//
// Table reads the labels, lets the judges decide on the images, and prints how often they agree.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"

	"reflectionflow/geneval"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "byeye:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) >= 3 && args[0] == "sheets":
		return sheets(args[1], args[2:])
	case len(args) >= 3 && args[0] == "table":
		return table(ctx, args[1], args[2:])
	}
	return errors.New("use: byeye sheets OUT DIR, or byeye table LABELS DIR; there may be several DIR")
}

// picked is an image of an evaluation.
type picked struct {
	set    string // the name of its folder
	record geneval.Record
	prompt geneval.Metadata
	image  image.Image
	sum    string // of its pixels
}

// images reads the different images of a folder; strategies share some.
func images(dir string) ([]picked, error) {
	results, err := geneval.ReadResults(dir)
	if err != nil {
		return nil, err
	}
	var list []picked
	seen := make(map[string]bool)
	for _, rec := range results.Records {
		if rec.Filename == "" {
			continue
		}
		p := picked{set: filepath.Base(dir), record: rec, prompt: results.Prompts[rec.Index]}
		if p.image, p.sum, err = readImage(filepath.Join(dir, filepath.FromSlash(rec.Filename))); err != nil {
			return nil, err
		}
		if key := rec.Prompt + p.sum; !seen[key] {
			seen[key] = true
			list = append(list, p)
		}
	}
	return list, nil
}

func readImage(path string) (image.Image, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close() //nolint:errcheck // read only
	img, err := png.Decode(f)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	h := sha256.New()
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := img.At(x, y).RGBA()
			_, _ = h.Write([]byte{byte(r >> 8), byte(g >> 8), byte(bl >> 8)}) // a hash never fails to write
		}
	}
	return img, hex.EncodeToString(h.Sum(nil)[:6]), nil
}

// sampled is how many images the sheets have.
const sampled = 300

// sample takes as many images of each folder and verdict, in the order of a hash.
func sample(dirs []string) ([]picked, error) {
	order := func(a, b picked) int { return cmp.Compare(shuffled(a), shuffled(b)) }
	var all []picked
	for _, dir := range dirs {
		list, err := images(dir)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(list, order)
		for _, correct := range []bool{true, false} {
			left := sampled / (2 * len(dirs))
			for _, p := range list {
				if p.record.Correct == correct && left > 0 {
					all, left = append(all, p), left-1
				}
			}
			if left > 0 {
				return nil, fmt.Errorf("%s: %d images with the verdict %v are missing", dir, left, correct)
			}
		}
	}
	slices.SortFunc(all, order)
	return all, nil
}

func shuffled(p picked) string {
	sum := sha256.Sum256([]byte("by eye/" + p.record.Prompt + "/" + p.sum))
	return hex.EncodeToString(sum[:])
}
