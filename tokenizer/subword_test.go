package tokenizer

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"reflectionflow"
)

// openTestdata opens a folder or a tokenizer.json of testdata.
func openTestdata(t testing.TB, name string) *Tokenizer {
	t.Helper()
	var opened *Tokenizer
	var err error
	if filepath.Ext(name) == ".json" {
		opened, err = Load(filepath.Join("testdata", name))
	} else {
		opened, err = OpenFolder(os.DirFS("testdata"), name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// The reference ids are transformers', see testdata/make_subword.py.
func TestSubwordsAsTheReferenceImplementation(t *testing.T) {
	text, err := os.ReadFile("testdata/subword.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Text        string
		IDs, Padded map[string][]int32
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	for name := range rows[0].IDs {
		opened := openTestdata(t, name)
		pad, hasPad := opened.Pad()
		if !hasPad && name != "clip.json" { // of a file by itself, nobody says
			pad = 0
		} else if !hasPad {
			pad, _ = opened.ID("<|endoftext|>")
		}
		for _, row := range rows {
			if got, truncated := opened.Encode(row.Text, 0); !slices.Equal(got, row.IDs[name]) || truncated {
				t.Errorf("%s: %q gives %v, want %v", name, row.Text, tokensOf(opened, got), tokensOf(opened, row.IDs[name]))
			}
			got, used, truncated := opened.EncodePadded(row.Text, len(row.Padded[name]), pad)
			if !slices.Equal(got, row.Padded[name]) || truncated != (len(row.IDs[name]) > len(got)) || used != min(len(row.IDs[name]), len(got)) {
				t.Errorf("%s: %q padded gives %v (%d, truncated %t), want %v", name, row.Text, got, used, truncated, row.Padded[name])
			}
			if words := opened.Unknown(row.Text); words != nil {
				t.Errorf("%s: %q has the unknown words %q", name, row.Text, words)
			}
		}
	}
}

func tokensOf(t *Tokenizer, ids []int32) (tokens []string) {
	for _, id := range ids {
		token, _ := t.Token(id)
		tokens = append(tokens, token)
	}
	return tokens
}

// The longest text, as one word with every merge and segmentation possible, must not
// take quadratic time.
func TestLongWords(t *testing.T) {
	for _, name := range []string{"clip", "qwen", "t5", "t5-bytes.json"} {
		opened := openTestdata(t, name)
		for _, part := range []string{"a", "-", "\u0301", "日", "photograph", "▁"} {
			text := strings.Repeat(part, MaxTextBytes/len(part))
			if ids, _ := opened.Encode(text, 0); len(ids) < 3 && part != "日" && part != "\u0301" {
				t.Errorf("%s: %d times %q gives %d tokens", name, MaxTextBytes/len(part), part, len(ids))
			}
		}
	}
}

func TestOpenFolderRefuses(t *testing.T) {
	const vocabulary = `{"a":0,"a</w>":1,"<|startoftext|>":2,"<|endoftext|>":3}`
	const bare = `{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}`
	pieces, err := os.ReadFile("testdata/t5/spiece.model")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"empty", nil, "the tokenizer is missing (tokenizer.json, vocab.json or spiece.model): download"},
		{"no merges", map[string]string{vocabularyFile: vocabulary}, "merges.txt: file does not exist"},
		{"empty merges", map[string]string{vocabularyFile: vocabulary, mergesFile: "#version: 0.2\n"}, "there are no merges"},
		{"merge of three", map[string]string{vocabularyFile: vocabulary, mergesFile: "#version: 0.2\r\n\na a\r\na a a\n"}, "line 4"},
		{"merge without its token", map[string]string{vocabularyFile: vocabulary, mergesFile: "a a\n"}, `the merge "a a" needs`},
		{"no JSON", map[string]string{vocabularyFile: "[]", mergesFile: "a a\n"}, "vocab.json"},
		{"no end", map[string]string{vocabularyFile: `{"<|startoftext|>":0}`, mergesFile: "a a\n"}, `"<|endoftext|>" is not in the vocabulary`},
		{"odd id", map[string]string{vocabularyFile: vocabulary, mergesFile: "a a</w>\n", configFile: `{"added_tokens_decoder":{"x":{"content":"b"}}}`}, `has the id "x"`},
		{"odd settings", map[string]string{wholeFile: bare, configFile: `{"pad_token":5}`}, "tokenizer_config.json"},
		{"odd map", map[string]string{wholeFile: bare, specialFile: `{"pad_token":`}, "special_tokens_map.json"},
		{"unknown pad", map[string]string{wholeFile: bare, configFile: `{"pad_token":{"content":"<pad>"}}`}, `the pad token "<pad>"`},
		{"no pieces", map[string]string{pieceFile: "\xff"}, "no SentencePiece model"},
		{"cut pieces", map[string]string{pieceFile: string(pieces[:len(pieces)/2])}, "it is cut off"},
		{"BPE pieces", map[string]string{pieceFile: string(pieces) + "\x12\x02\x18\x02"}, "type 2"},
		{"a score that is none", map[string]string{pieceFile: string(pieces) + "\x0a\x08\x0a\x01q\x15\x00\x00\xc0\x7f"}, "not a number"},
		{"pieces without end", map[string]string{pieceFile: string(pieces), configFile: `{"eos_token":"<end>"}`}, `"<end>" is not in the vocabulary`},
		{"many extra tokens", map[string]string{pieceFile: string(pieces), configFile: `{"extra_ids":1000000000}`}, "extra_ids"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := fstest.MapFS{"tokenizer": &fstest.MapFile{Mode: fs.ModeDir | 0o755}}
			for name, text := range test.files {
				folder["tokenizer/"+name] = &fstest.MapFile{Data: []byte(text)}
			}
			_, err := OpenFolder(folder, "tokenizer")
			wantInvalid(t, err, test.want)
			wantInvalid(t, err, "tokenizer")
		})
	}
}

// A tokenizer.json saved from a folder of several files gives the same tokenizer.
func TestSaveOfAFolder(t *testing.T) {
	for _, name := range []string{"clip", "t5"} {
		opened := openTestdata(t, name)
		path := filepath.Join(t.TempDir(), "tokenizer.json")
		if err := opened.Save(path); err != nil {
			t.Fatal(err)
		}
		again, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		const text = "it's a Café of <extra_id_3> 2 clocks </s><|endoftext|>"
		want, _ := opened.Encode(text, 0)
		if got, _ := again.Encode(text, 0); !slices.Equal(got, want) || again.Size() != opened.Size() {
			t.Errorf("%s: saved and read it gives %v, want %v", name, got, want)
		}
	}
}

func FuzzOpenFolder(f *testing.F) {
	read := func(folder, name string) []byte {
		text, err := os.ReadFile(filepath.Join("testdata", folder, name))
		if err != nil {
			f.Fatal(err)
		}
		return text
	}
	f.Add(read("clip", vocabularyFile), read("clip", mergesFile), read("clip", configFile), []byte{}, "a Café's photo 12")
	f.Add(read("qwen", vocabularyFile), read("qwen", mergesFile), []byte("{}"), []byte{}, "a Cafe\u0301's photo 12<think>")
	f.Add([]byte{}, []byte{}, read("t5", configFile), read("t5", pieceFile), "a Café's ﬁ\u0301 photo </s> ▁x")
	f.Fuzz(func(t *testing.T, vocabulary, merges, config, pieces []byte, text string) {
		folder := fstest.MapFS{"t/" + configFile: &fstest.MapFile{Data: config}, "t/" + pieceFile: &fstest.MapFile{Data: pieces}}
		if len(vocabulary) > 0 {
			folder["t/"+vocabularyFile], folder["t/"+mergesFile] = &fstest.MapFile{Data: vocabulary}, &fstest.MapFile{Data: merges}
		}
		opened, err := OpenFolder(folder, "t")
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		ids, _ := opened.Encode(text, 0)
		for _, id := range ids {
			if _, ok := opened.Token(id); !ok || int(id) >= opened.Size() {
				t.Fatalf("%q gives the id %d, which there is not", text, id)
			}
		}
	})
}

func FuzzCharsmap(f *testing.F) {
	data, err := os.ReadFile("testdata/t5/spiece.model")
	if err != nil {
		f.Fatal(err)
	}
	var s sentencePiece
	if err := s.read(data); err != nil {
		f.Fatal(err)
	}
	f.Add(s.table, "ﬁ e\u0301\u0323\r\n\t㎒x")
	f.Fuzz(func(t *testing.T, table []byte, text string) {
		c, err := parseCharsmap(table)
		if err != nil || !utf8.ValidString(text) {
			return
		}
		if got := c.normalize(text); !utf8.ValidString(got) || len(got) > maxReplacement*len(text) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

// A prompt of about 60 words.
func BenchmarkEncode(b *testing.B) {
	const prompt = "A highly detailed photograph of two red clocks on a wooden table by the window, it's raining outside and the café's lights are " +
		"reflected in the glass; shot on 35 mm film, shallow depth of field. Move the second clock to the left, make the cat black instead of " +
		"white, and don't change the colour of the photographer's blue backpack [Reflexion]"
	for _, name := range []string{"clip", "qwen", "t5", "t5.json"} {
		opened := openTestdata(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(prompt)))
			for b.Loop() {
				opened.EncodePadded(prompt, 512, 0)
			}
		})
	}
}

func BenchmarkOpenFolder(b *testing.B) {
	for _, name := range []string{"clip", "t5"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				openTestdata(b, name)
			}
		})
	}
}
