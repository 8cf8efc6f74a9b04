package main

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// The form of a sheet, in pixels.
const (
	columns, rows = 5, 4
	side, gap     = 256, 8
	line          = 14
	lines         = 3 // of text below an image
	quality       = 78
)

func sheets(out string, dirs []string) error {
	list, err := sample(dirs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var labels strings.Builder
	labels.WriteString("number\tset\timage\tpixels\tprompt\tlabel\tnote\n")
	for i, p := range list {
		fmt.Fprintf(&labels, "%d\t%s\t%s\t%s\t%s\t\t\n", i+1, p.set, p.record.Filename, p.sum, p.record.Prompt)
	}
	if err := os.WriteFile(filepath.Join(out, "labels.tsv"), []byte(labels.String()), 0o644); err != nil {
		return err
	}
	n := 0
	for cells := range slices.Chunk(list, columns*rows) {
		if err := writeSheet(filepath.Join(out, fmt.Sprintf("sheet-%02d.jpg", n/(columns*rows)+1)), cells, n+1); err != nil {
			return err
		}
		n += len(cells)
	}
	return nil
}

// writeSheet writes images with their numbers, from first on, and what was asked for.
func writeSheet(path string, cells []picked, first int) error {
	high := side + lines*line + gap
	m := image.NewRGBA(image.Rect(0, 0, columns*(side+gap)+gap, (len(cells)+columns-1)/columns*high+gap))
	draw.Draw(m, m.Rect, image.White, image.Point{}, draw.Src)
	for i, p := range cells {
		at := image.Pt(gap+i%columns*(side+gap), gap+i/columns*high)
		draw.CatmullRom.Scale(m, image.Rect(0, 0, side, side).Add(at), p.image, p.image.Bounds(), draw.Src, nil)
		words := fmt.Sprintf("%d. %s", first+i, strings.TrimPrefix(p.record.Prompt, "a photo of "))
		for j, text := range wrapped(words, side/7) {
			d := font.Drawer{Dst: m, Src: image.NewUniform(color.Black), Face: basicfont.Face7x13, Dot: fixed.P(at.X, at.Y+side+12+j*line)}
			d.DrawString(text)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := jpeg.Encode(f, m, &jpeg.Options{Quality: quality}); err != nil {
		_ = f.Close() // the first error counts
		return err
	}
	return f.Close()
}

// wrapped breaks a text into lines of at most n characters.
func wrapped(text string, n int) []string {
	var list []string
	for word := range strings.FieldsSeq(text) {
		if last := len(list) - 1; last >= 0 && len(list[last])+1+len(word) <= n {
			list[last] += " " + word
			continue
		}
		list = append(list, word)
	}
	return list
}
