package run

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"strconv"
	"strings"
)

// text is a keyword and a value of a PNG text chunk (PNG specification, third
// edition, section 11.3.3). A keyword has from 1 to 79 ASCII letters or underscores.
type text struct{ keyword, value string }

// texts are what an image file says about itself: how to generate it again. They
// are a function of the entry and the manifest, so that a resumed run writes the
// same bytes; they hold no date.
func (f *Folder) texts(e entry) []text {
	list := []text{
		{"Software", "ReflectionFlow"},
		{"prompt", e.Request.Prompt},
		{"seed", strconv.FormatUint(e.Request.Seed, 10)},
		{"steps", strconv.Itoa(e.Request.Steps)},
		{"guidance", strconv.FormatFloat(e.Request.Guidance, 'g', -1, 64)},
		{"model", cmp.Or(e.Model, f.manifest.Model.Name)},
		{"model_fingerprint", f.manifest.Model.Fingerprint},
		{"candidate", strconv.Itoa(e.ID)},
		{"action", string(e.Action)},
	}
	if e.Parent >= 0 {
		list = append(list, text{"parent", strconv.Itoa(e.Parent)})
	}
	if e.Request.Reflection != "" {
		list = append(list, text{"reflection", e.Request.Reflection})
	}
	if f.manifest.UserPrompt != "" {
		list = append(list, text{"user_prompt", f.manifest.UserPrompt})
	}
	return list
}

// headBytes is the length of a PNG file's signature and IHDR chunk, after which
// text chunks may follow.
const headBytes = 8 + 4 + 4 + 13 + 4

// encodePNG returns the image as a PNG file with the texts.
func encodePNG(img image.Image, texts []text) ([]byte, error) {
	if img == nil {
		return nil, errors.New("there is no image")
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, err
	}
	whole := b.Bytes()
	var out bytes.Buffer
	out.Write(whole[:headBytes])
	for _, t := range texts {
		writeText(&out, t)
	}
	out.Write(whole[headBytes:])
	return out.Bytes(), nil
}

// writeText writes a tEXt chunk, or an uncompressed iTXt chunk where the value is
// not ASCII: tEXt holds Latin-1, iTXt holds UTF-8. Neither may hold a NUL.
func writeText(out *bytes.Buffer, t text) {
	value := strings.ReplaceAll(strings.ToValidUTF8(t.value, "\uFFFD"), "\x00", "\uFFFD")
	kind, separator := "tEXt", "\x00"
	if strings.ContainsFunc(value, func(r rune) bool { return r >= 0x80 }) {
		// No compression flag and method, no language, no translated keyword.
		kind, separator = "iTXt", "\x00\x00\x00\x00\x00"
	}
	body := []byte(kind + t.keyword + separator + value)
	var word [4]byte
	binary.BigEndian.PutUint32(word[:], uint32(len(body)-len(kind))) //nolint:gosec // far below 2³¹: prompts are bounded
	out.Write(word[:])
	out.Write(body)
	binary.BigEndian.PutUint32(word[:], crc32.ChecksumIEEE(body))
	out.Write(word[:])
}
