package tokenizer

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// qwenRows are texts and the ids that transformers' Qwen2TokenizerFast gives them, see testdata/make_qwen.py.
func qwenRows(t testing.TB) (texts []string, ids [][]int32) {
	t.Helper()
	data, err := os.ReadFile("testdata/qwen-texts.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][2]json.RawMessage
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	texts, ids = make([]string, len(rows)), make([][]int32, len(rows))
	for i, row := range rows {
		if json.Unmarshal(row[0], &texts[i]) != nil || json.Unmarshal(row[1], &ids[i]) != nil {
			t.Fatalf("row %d is %s", i, row)
		}
	}
	return texts, ids
}

func TestQwenAsTheReferenceImplementation(t *testing.T) {
	texts, ids := qwenRows(t)
	if len(texts) < 500 {
		t.Fatalf("there are %d texts", len(texts))
	}
	for _, name := range []string{"qwen", "qwen.json"} {
		opened := openTestdata(t, name)
		pad, ok := opened.ID("<|endoftext|>")
		if !ok {
			t.Fatalf("%s: there is no <|endoftext|>", name)
		}
		for i, text := range texts {
			want := ids[i]
			if got, truncated := opened.Encode(text, 0); !slices.Equal(got, want) || truncated {
				t.Errorf("%s: %q gives %q, want %q", name, text, tokensOf(opened, got), tokensOf(opened, want))
			}
			const length = 24
			got, used, truncated := opened.EncodePadded(text, length, pad)
			padded := append(slices.Clone(want), slices.Repeat([]int32{pad}, length)...)[:length]
			if !slices.Equal(got, padded) || used != min(len(want), length) || truncated != (len(want) > length) {
				t.Errorf("%s: %q padded gives %v (%d, truncated %t), want %v", name, text, got, used, truncated, padded)
			}
		}
	}
}

// The words of a text are the text, whatever it is, and no rule looks further back than a word.
func FuzzQwenWords(f *testing.F) {
	texts, _ := qwenRows(f)
	for _, text := range texts[:100] {
		f.Add(text)
	}
	opened := openTestdata(f, "qwen")
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "\ufffd")
		words := splitQwen(nil, word{text: text})
		if slices.Contains(words, "") || strings.Join(words, "") != text {
			t.Fatalf("%q splits into %q", text, words)
		}
		for i := range words {
			rest := strings.Join(words[i:], "")
			if again := splitQwen(nil, word{text: rest}); !slices.Equal(again, words[i:]) {
				t.Fatalf("%q splits into %q, its end %q into %q", text, words, rest, again)
			}
		}
		var spelled strings.Builder
		ids, _ := opened.Encode(text, 0)
		for _, id := range ids {
			token, ok := opened.Token(id)
			if !ok {
				t.Fatalf("%q gives the id %d, which there is not", text, id)
			}
			spelled.WriteString(token)
		}
		if bytes := unspell(spelled.String()); bytes != normalForm(norm.NFC)(text) && !strings.ContainsAny(text, "<") && len(text) < MaxTextBytes {
			t.Fatalf("%q spells %q", text, bytes)
		}
	})
}

// unspell is the inverse of spellBytes.
func unspell(symbols string) string {
	var bytes []byte
	for _, r := range symbols {
		bytes = append(bytes, byte(slices.Index(byteSymbols[:], string(r))))
	}
	return string(bytes)
}

// The exact algorithm equals package norm's where that does not put characters into a text.
func FuzzNormalForm(f *testing.F) {
	texts, _ := qwenRows(f)
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "\ufffd")
		for _, form := range []norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD} {
			want, got := form.String(text), string(normalizeRunes(form, text))
			if !utf8.ValidString(got) || strings.Count(got, graphemeJoiner) != strings.Count(text, graphemeJoiner) {
				t.Fatalf("%q becomes %q", text, got)
			}
			if got != want && strings.Count(want, graphemeJoiner) == strings.Count(text, graphemeJoiner) {
				t.Fatalf("%q becomes %+q, want %+q", text, got, want)
			}
		}
	})
}

// Bytes that are not UTF-8 are U+FFFD, one for each run.
func TestQwenInvalidUTF8(t *testing.T) {
	opened := openTestdata(t, "qwen")
	got, _ := opened.Encode("a\xff\xfe photo\xc3", 0)
	want, _ := opened.Encode("a\ufffd photo\ufffd", 0)
	if !slices.Equal(got, want) {
		t.Errorf("ids %v, want %v", got, want)
	}
}

// A folder of CLIP's files and one of Qwen's are told apart by the class that they name, or else by their words.
func TestFoldersOfPairs(t *testing.T) {
	const words, merges = `{"a":0,"b":1,"ab":2}`, "a b\n"
	folder := func(config string) fstest.MapFS {
		files := fstest.MapFS{"t/" + vocabularyFile: {Data: []byte(words)}, "t/" + mergesFile: {Data: []byte(merges)}}
		if config != "" {
			files["t/"+configFile] = &fstest.MapFile{Data: []byte(config)}
		}
		return files
	}
	opened, err := OpenFolder(folder(""), "t")
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := opened.ID("</think>"); !ok || id != 28 || opened.Size() != 29 {
		t.Errorf("</think> is %d, of %d tokens", id, opened.Size())
	}
	if ids, _ := opened.Encode("ab<think>ba", 0); !slices.Equal(ids, []int32{2, 27, 1, 0}) {
		t.Errorf("ids %v", ids)
	}
	opened, err = OpenFolder(folder(`{"tokenizer_class":"Qwen2Tokenizer","added_tokens_decoder":{"3":{"content":"<x>"}}}`), "t")
	if err != nil || opened.Size() != 4 {
		t.Errorf("%v, %v", opened, err)
	}
	_, err = OpenFolder(folder(`{"tokenizer_class":"CLIPTokenizer"}`), "t")
	wantInvalid(t, err, `"<|startoftext|>" is not in the vocabulary`)
}
