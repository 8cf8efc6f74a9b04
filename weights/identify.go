package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// kind is what a file is.
type kind int

const (
	kindSafetensors kind = iota
	kindGGUF
	kindIndex
)

// maxHeader is the longest header of a safetensors file, in bytes.
const maxHeader = 100_000_000

// others are files that people have in the place of weights, by how they begin.
var others = []struct{ prefix, what string }{
	{"version https://git-lfs.github.com/spec/", "it is a git-lfs pointer and not the file itself: run git lfs pull"},
	{"version https://hawser.github.com/spec/", "it is a git-lfs pointer and not the file itself: run git lfs pull"},
	{"\x80\x02", "it is a Python pickle (.ckpt, .pt, .bin), which could run code when read: use the safetensors file of the model"},
	{"\x80\x03", "it is a Python pickle (.ckpt, .pt, .bin), which could run code when read: use the safetensors file of the model"},
	{"\x80\x04", "it is a Python pickle (.ckpt, .pt, .bin), which could run code when read: use the safetensors file of the model"},
	{"\x80\x05", "it is a Python pickle (.ckpt, .pt, .bin), which could run code when read: use the safetensors file of the model"},
	{"PK\x03\x04", "it is a zip archive: unpack it"},
	{"\x1f\x8b", "it is a gzip archive: unpack it"},
	{"7z\xbc\xaf\x27\x1c", "it is a 7z archive: unpack it"},
	{"\x89HDF", "it is an HDF5 file (Keras): use the safetensors file of the model"},
	{"lmgg", "it is a GGML file, the format before GGUF: use a GGUF file of the model"},
	{"fmgg", "it is a GGMF file, a format before GGUF: use a GGUF file of the model"},
	{"tjgg", "it is a GGJT file, a format before GGUF: use a GGUF file of the model"},
	{"{", "it is a JSON text and no index of shards"},
}

// identify says what a file is by its first 512 bytes.
func identify(head []byte) (kind, error) {
	text := bytes.ToLower(bytes.TrimLeft(head, " \t\r\n\ufeff"))
	switch {
	case len(head) == 0:
		return 0, errors.New("the file is empty: download it again")
	case bytes.HasPrefix(head, []byte("GGUF")):
		return kindGGUF, nil
	case len(head) > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) <= maxHeader:
		return kindSafetensors, nil
	case bytes.HasPrefix(text, []byte("{")) && bytes.Contains(head, []byte(`"metadata"`)), bytes.HasPrefix(text, []byte("{")) && bytes.Contains(head, []byte(`"weight_map"`)):
		return kindIndex, nil
	case bytes.HasPrefix(text, []byte("<!doctype html")), bytes.HasPrefix(text, []byte("<html")):
		return 0, errors.New("it is a web page and not the file itself: the address may be that of a page, or need a login or the acceptance of a license")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")) && bytes.Contains(head, []byte("data.pkl")):
		return 0, errors.New("it is a PyTorch file (.ckpt, .pt, .bin), which could run code when read: use the safetensors file of the model")
	case len(bytes.Trim(head, "\x00")) == 0:
		return 0, errors.New("it begins with zeros: the download is incomplete")
	}
	for _, o := range others {
		if bytes.HasPrefix(head, []byte(o.prefix)) || bytes.HasPrefix(text, []byte(o.prefix)) {
			return 0, errors.New(o.what)
		}
	}
	return 0, fmt.Errorf("it begins with %q: neither a safetensors nor a GGUF file", head[:min(8, len(head))])
}
