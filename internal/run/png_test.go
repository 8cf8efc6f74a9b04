package run

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"reflectionflow"
)

// readTexts parses the text chunks of a PNG file by the specification, independently of
// package run.
func readTexts(t *testing.T, data []byte) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for at := 8; at < len(data); {
		n := int(binary.BigEndian.Uint32(data[at:]))
		kind, body := string(data[at+4:at+8]), data[at+8:at+8+n]
		if got, want := binary.BigEndian.Uint32(data[at+8+n:]), crc32.ChecksumIEEE(data[at+4:at+8+n]); got != want {
			t.Errorf("chunk %s has checksum %x, want %x", kind, got, want)
		}
		at += 12 + n
		if kind != "tEXt" && kind != "iTXt" {
			continue
		}
		keyword, value, _ := strings.Cut(string(body), "\x00")
		if kind == "iTXt" {
			if !strings.HasPrefix(value, "\x00\x00\x00\x00") {
				t.Errorf("iTXt %s: %q has compression, a language or a translated keyword", keyword, value)
			}
			value = value[4:]
		}
		texts[keyword] = value
	}
	return texts
}

func TestTextChunks(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 5, 3))
	img.Set(2, 1, color.NRGBA{200, 100, 50, 255})
	f := &Folder{manifest: Manifest{UserPrompt: "3 bananas", Model: Model{Name: "fake", Fingerprint: "ab"}}}
	e := entry{Candidate: reflectionflow.Candidate{
		ID: 4, Parent: 2, Action: reflectionflow.Reflect,
		Request: reflectionflow.Request{Prompt: "trois pommes à côté 梨\x00<b>\xff", Seed: 1<<64 - 1, Steps: 20, Guidance: 3.5, Reflection: "add\none"},
	}}
	data, err := encodePNG(img, f.texts(e))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Software": "ReflectionFlow", "prompt": "trois pommes à côté 梨\uFFFD<b>\uFFFD", "seed": "18446744073709551615",
		"steps": "20", "guidance": "3.5", "model": "fake", "model_fingerprint": "ab", "candidate": "4", "action": "reflect",
		"parent": "2", "reflection": "add\none", "user_prompt": "3 bananas",
	}
	got := readTexts(t, data)
	for keyword, value := range want {
		if got[keyword] != value {
			t.Errorf("%s: got %q, want %q", keyword, got[keyword], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d texts, want %d", len(got), len(want))
	}
	decoded, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 15 {
		if got, want := color.NRGBAModel.Convert(decoded.At(i%5, i/5)), img.At(i%5, i/5); got != want {
			t.Errorf("pixel %d: got %v, want %v", i, got, want)
		}
	}
	var plain bytes.Buffer
	_ = png.Encode(&plain, img)
	if !bytes.HasSuffix(data, plain.Bytes()[headBytes:]) || !bytes.HasPrefix(data, plain.Bytes()[:headBytes]) {
		t.Error("the chunks besides the texts are not those of the plain file")
	}
}
