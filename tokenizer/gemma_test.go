package tokenizer

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"reflectionflow"
)

func TestGemmaEncodesAsTheReferenceImplementation(t *testing.T) {
	tok, err := OpenFolder(os.DirFS("testdata"), "gemma")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/gemma-texts.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden []struct {
		Text string
		IDs  []int32
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden) < 10 {
		t.Fatalf("%d texts", len(golden))
	}
	for _, g := range golden {
		if got, _ := tok.Encode(g.Text, 0); !slices.Equal(got, g.IDs) {
			t.Errorf("%q gives %v, want %v", g.Text, got, g.IDs)
		}
	}
	if pad, ok := tok.Pad(); !ok || pad != 0 {
		t.Errorf("pad %d, %t", pad, ok)
	}
}

// What the configuration says of the ends of a text has precedence over the template.
func TestGemmaEnds(t *testing.T) {
	whole, err := os.ReadFile("testdata/gemma/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ config, first, last string }{
		{`{"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "add_bos_token": true, "add_eos_token": false}`, "<bos>", ""},
		{`{"tokenizer_class": "GemmaTokenizerFast", "eos_token": "<eos>", "add_eos_token": true}`, "", "<eos>"},
		{`{"tokenizer_class": "GemmaTokenizer"}`, "", "<eos>"},
		{`{"tokenizer_class": "Other", "bos_token": "<bos>", "add_bos_token": true}`, "", "<eos>"},
	} {
		tok, err := OpenFolder(fstest.MapFS{"tokenizer.json": {Data: whole}, "tokenizer_config.json": {Data: []byte(c.config)}}, ".")
		if err != nil {
			t.Fatal(err)
		}
		ids, _ := tok.Encode("a", 0)
		first, _ := tok.Token(ids[0])
		last, _ := tok.Token(ids[len(ids)-1])
		if (first == "<bos>") != (c.first != "") || (last == "<eos>") != (c.last != "") {
			t.Errorf("%s: from %s to %s", c.config, first, last)
		}
	}
	for _, c := range []struct{ old, text, want string }{
		{"", "", "the special token \"<end>\" is not in the vocabulary"},
		{"<0x41>", "<0xx>", "byte_fallback without the token \"<0x41>\""},
	} {
		files := fstest.MapFS{
			"tokenizer.json":        {Data: []byte(strings.Replace(string(whole), c.old, c.text, 1))},
			"tokenizer_config.json": {Data: []byte(`{"tokenizer_class": "GemmaTokenizer", "eos_token": "<end>", "add_eos_token": true}`)},
		}
		if _, err := OpenFolder(files, "."); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
