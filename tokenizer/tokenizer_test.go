package tokenizer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"reflectionflow"
)

// wantInvalid demands a one-line error on invalid input that holds part.
func wantInvalid(t *testing.T, err error, part string) {
	t.Helper()
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(fmt.Sprint(err), part) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want an invalid input saying %q in one line", err, part)
	}
}

func TestEncodePadded(t *testing.T) {
	made := madeTokenizer(t)
	for _, test := range []struct {
		text      string
		length    int
		want      []int32
		used      int
		truncated bool
	}{
		{"a photo", 5, []int32{4, 5, 1, 0, 0}, 3, false},
		{"a photo", 3, []int32{4, 5, 1}, 3, false},
		{"a photo", 2, []int32{4, 1}, 2, true},
		{"a photo", 1, []int32{1}, 1, true},
		{"", 2, []int32{1, 0}, 1, false},
	} {
		got, used, truncated := made.EncodePadded(test.text, test.length, 0)
		if !slices.Equal(got, test.want) || used != test.used || truncated != test.truncated {
			t.Errorf("%q to %d = %v, %d, %t, want %v, %d, %t", test.text, test.length, got, used, truncated, test.want, test.used, test.truncated)
		}
	}
	clip, err := NewWordLevel([]string{"cat", "<unk>", "<bos>", "<eos>"}, Options{Prefix: []string{"<bos>"}, Suffix: []string{"<eos>"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, used, _ := clip.EncodePadded("Cat dog", 6, 3); !slices.Equal(got, []int32{2, 0, 1, 3, 3, 3}) || used != 4 {
		t.Errorf("CLIP's form is %v, %d", got, used)
	}
	if got, truncated := clip.Encode("cat", 1); !slices.Equal(got, []int32{2}) || !truncated {
		t.Errorf("without room even for the special tokens: %v, %t", got, truncated)
	}
}

func TestUnknown(t *testing.T) {
	made := madeTokenizer(t)
	got := made.Unknown("A zebra, two CATS and a Zebra's <unk>! [Reflexion] [reflexion]")
	if want := []string{"zebra", "and", "s", "<unk>", "[", "reflexion", "]"}; !slices.Equal(got, want) {
		t.Errorf("unknown are %q, want %q", got, want)
	}
	if got := made.Unknown("a photo of two red cats."); got != nil {
		t.Errorf("unknown are %q, want none", got)
	}
}

func TestTokensAndIDs(t *testing.T) {
	reference, err := Load("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"<s>", "photo", "New York", "abc"} {
		id, ok := reference.ID(token)
		if got, back := reference.Token(id); !ok || !back || got != token || int(id) >= reference.Size() {
			t.Errorf("%q has the id %d, %t, which is %q, %t", token, id, ok, got, back)
		}
	}
	if _, ok := reference.Token(int32(reference.Size() - 1)); !ok {
		t.Error("the size is more than the highest id plus 1")
	}
	if _, ok := reference.ID("zebra"); ok {
		t.Error("zebra has an id")
	}
}

func TestLongAndBrokenText(t *testing.T) {
	made := madeTokenizer(t)
	ids, truncated := made.Encode(strings.Repeat("cats ", MaxTextBytes), 0)
	if !truncated || len(ids) != MaxTextBytes/5+2 { // the last word is cut to "c"
		t.Errorf("long text has %d ids, truncated %t", len(ids), truncated)
	}
	if ids, _ := made.Encode("a\xff\xfe photo", 0); !slices.Equal(ids, []int32{2, 5, 1}) {
		t.Errorf("broken text is %v", ids)
	}
	blow, err := FromBytes("x", document0(`{"type":"Sequence","normalizers":[`+strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aaaaaaaa"},`, 60)+`{"type":"NFC"}]}`, "null", "null", ""))
	if err != nil {
		t.Fatal(err)
	}
	if words := blow.Unknown("a"); len(words) != 1 || len(words[0]) != maxNormalized {
		t.Errorf("a text was blown up beyond the limit")
	}
	if _, truncated := blow.Encode("a", 0); !truncated {
		t.Error("a text that was blown up and cut is not said to be truncated")
	}
}

// document0 is a tokenizer.json of one word, "a", with the parts given.
func document0(normalizer, preTokenizer, postProcessor, added string) []byte {
	return fmt.Appendf(nil, `{"version":"1.0","added_tokens":[%s],"normalizer":%s,"pre_tokenizer":%s,"post_processor":%s,"model":{"type":"WordLevel","vocab":{"a":0,"[UNK]":1},"unk_token":"[UNK]"}}`,
		added, normalizer, preTokenizer, postProcessor)
}

func withModel(model string) []byte { return []byte(`{"model":` + model + `}`) }

func TestRefusesFiles(t *testing.T) {
	if _, err := FromBytes("x", document0("null", "null", "null", "")); err != nil {
		t.Fatal(err)
	}
	const null = "null"
	normalizer := func(text string) []byte { return document0(text, null, null, "") }
	preTokenizer := func(text string) []byte { return document0(null, text, null, "") }
	template := func(single, special string) []byte {
		return document0(null, null, `{"type":"TemplateProcessing","single":[`+single+`],"special_tokens":{`+special+`}}`, "")
	}
	const sequence = `{"Sequence":{"id":"A","type_id":0}}`
	special := func(id string) string { return `{"SpecialToken":{"id":"` + id + `","type_id":0}}` }
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "no tokenizer.json"},
		{"null", []byte("null"), "no tokenizer.json"},
		{"not JSON", []byte("vocab"), "no tokenizer.json"},
		{"not UTF-8", []byte("{\"\xff\":1}"), "UTF-8"},
		{"trailing text", append(document0(null, null, null, ""), 'x'), "no tokenizer.json"},
		{"too large", make([]byte, maxFile+1), "more than 67108864 bytes"},
		{"no model", []byte("{}"), "the model is missing"},
		{"WordPiece", withModel(`{"type":"WordPiece","vocab":{}}`), `the model "WordPiece" is not supported`},
		{"BPE with dropout", withModel(`{"type":"BPE","vocab":{},"merges":[],"dropout":0.1}`), "dropout"},
		{"BPE of continued words", withModel(`{"type":"BPE","vocab":{},"merges":[],"continuing_subword_prefix":"##"}`), "continuing_subword_prefix"},
		{"merge of three", withModel(`{"type":"BPE","vocab":{"a":0},"merges":["a a a"]}`), `the merge "a a a" is not two tokens`},
		{"merge of one", withModel(`{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}`), "has 1 tokens"},
		{"merge of nothing", withModel(`{"type":"BPE","vocab":{"a":0},"merges":[" a"]}`), "is not two tokens"},
		{"merge without its token", withModel(`{"type":"BPE","vocab":{"a":0},"merges":[["a","a"]]}`), `the merge "a a" needs tokens`},
		{"BPE with an unlisted unknown token", withModel(`{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"b"}`), `the unknown token "b"`},
		{"Unigram without an unknown token", withModel(`{"type":"Unigram","vocab":[["a",-1.5]]}`), "without unk_id"},
		{"Unigram with a far unknown token", withModel(`{"type":"Unigram","unk_id":1,"vocab":[["a",-1.5]]}`), "unk_id is 1, the vocabulary has 1"},
		{"Unigram with a token twice", withModel(`{"type":"Unigram","unk_id":0,"vocab":[["a",-1.5],["a",-2]]}`), `"a" comes twice`},
		{"Unigram with a long token", withModel(`{"type":"Unigram","unk_id":0,"vocab":[["` + strings.Repeat("a", 257) + `",-2]]}`), "257 bytes"},
		{"Unigram with a token alone", withModel(`{"type":"Unigram","unk_id":0,"vocab":[["a"]]}`), "1 members"},
		{"Unigram without scores", withModel(`{"type":"Unigram","unk_id":0,"vocab":[["a","b"]]}`), "model:"},
		{"bytes that are not there", withModel(`{"type":"Unigram","unk_id":0,"vocab":[["a",-1.5]],"byte_fallback":true}`), `"<0x00>"`},
		{"same id", withModel(`{"type":"WordLevel","vocab":{"b":1,"a":1},"unk_token":"a"}`), `the tokens "a" and "b" have the same id 1`},
		{"negative id", withModel(`{"type":"WordLevel","vocab":{"a":-1},"unk_token":"a"}`), `"a" has the id -1`},
		{"huge id", withModel(`{"type":"WordLevel","vocab":{"a":2147483648},"unk_token":"a"}`), "it must be from 0 to"},
		{"no unknown token", withModel(`{"type":"WordLevel","vocab":{"a":1},"unk_token":"[UNK]"}`), `"[UNK]" is not in the vocabulary`},
		{"normalizer", normalizer(`{"type":"StripAccents"}`), `the normalizer "StripAccents" is not supported`},
		{"no table", normalizer(`{"type":"Precompiled"}`), "too short"},
		{"short table", normalizer(`{"type":"Precompiled","precompiled_charsmap":"CAAAAAAAAAA="}`), "does not fit"},
		{"long replacement in a table", normalizer(`{"type":"Precompiled","precompiled_charsmap":"` + base64.StdEncoding.EncodeToString([]byte("\x04\x00\x00\x00\x00\x00\x00\x00"+strings.Repeat("a", 257))) + `"}`), "has 257 bytes"},
		{"table that is not text", normalizer(`{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAAD/"}`), "UTF-8"},
		{"nested normalizer", normalizer(`{"type":"Sequence","normalizers":[{"type":"BertNormalizer"}]}`), `"BertNormalizer"`},
		{"deep normalizer", normalizer(strings.Repeat(`{"type":"Sequence","normalizers":[`, 10) + strings.Repeat("]}", 10)), "too many steps"},
		{"regular expression", normalizer(`{"type":"Replace","pattern":{"Regex":"a+"},"content":""}`), `"a+" is not supported`},
		{"empty pattern", normalizer(`{"type":"Replace","pattern":{"String":""},"content":"x"}`), "missing or empty"},
		{"long replacement", normalizer(`{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("a", 257) + `"}`), "has 257 bytes"},
		{"pre-tokenizer", preTokenizer(`{"type":"Digits"}`), `the pre-tokenizer "Digits" is not supported`},
		{"ByteLevel by itself", preTokenizer(`{"type":"ByteLevel","add_prefix_space":false}`), "after CLIP's Split"},
		{"ByteLevel with a space", preTokenizer(`{"type":"ByteLevel","use_regex":false}`), "add_prefix_space"},
		{"Split elsewhere", preTokenizer(`{"type":"Split","pattern":{"Regex":"a"},"behavior":"Removed","invert":true}`), "CLIP's and with Qwen's regular expression, or by"},
		{"Split inside out", preTokenizer(`{"type":"Split","pattern":{"Regex":` + string(toJSON(clipPattern)) + `},"behavior":"Removed"}`), "CLIP's and with Qwen's regular expression, or by"},
		{"Metaspace of two", preTokenizer(`{"type":"Metaspace","replacement":"__"}`), "one character"},
		{"Metaspace scheme", preTokenizer(`{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}`), `"last" is not supported`},
		{"Metaspace after Strip", document0(`{"type":"Strip","strip_left":true}`, `{"type":"Metaspace","replacement":"_","prepend_scheme":"first"}`, null, ""), "strips what is on the left"},
		{"cls without id", document0(null, null, `{"type":"RobertaProcessing","cls":["a"],"sep":["a",0]}`, ""), "cls and sep"},
		{"cls with an odd id", document0(null, null, `{"type":"RobertaProcessing","cls":["a","0"],"sep":["a",0]}`, ""), "is no id"},
		{"cls with an unknown id", document0(null, null, `{"type":"RobertaProcessing","cls":["b",7],"sep":["a",0]}`, ""), "no token with the id 7"},
		{"punctuation", preTokenizer(`{"type":"Punctuation","behavior":"Removed"}`), `"Removed" is not supported`},
		{"post-processor", document0(null, null, `{"type":"BertProcessing"}`, ""), `the post-processor "BertProcessing" is not supported`},
		{"template without text", template(special("a"), `"a":{"id":"a","ids":[0],"tokens":["a"]}`), "0 times"},
		{"template with two texts", template(sequence+","+sequence, ""), "2 times"},
		{"template with B", template(`{"Sequence":{"id":"B","type_id":0}}`, ""), "neither"},
		{"template with an unlisted token", template(sequence+","+special("b"), ""), `"b" of the template is not listed`},
		{"template with an unknown id", template(sequence+","+special("b"), `"b":{"id":"b","ids":[7],"tokens":["b"]}`), "no token with the id 7"},
		{"long template", template(sequence+","+special("b"), `"b":{"id":"b","ids":[0`+strings.Repeat(",0", 64)+`],"tokens":[]}`), "more than 64"},
		{"empty added token", document0(null, null, null, `{"id":1,"content":""}`), "an added token is empty"},
		{"long added token", document0(null, null, null, `{"id":1,"content":"`+strings.Repeat("x", 257)+`"}`), "257 bytes"},
		{"negative added id", document0(null, null, null, `{"id":-1,"content":"x"}`), "negative id -1"},
		{"added id taken", document0(null, null, null, `{"id":1,"content":"x"}`), `"[UNK]" and "x" have the same id 1`},
		{"added with another id", document0(null, null, null, `{"id":5,"content":"a"}`), `"a" has the id 5, in the vocabulary it has 0`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := FromBytes("tokenizer.json", test.file)
			wantInvalid(t, err, test.want)
			wantInvalid(t, err, "tokenizer.json")
		})
	}
	_, err := Load(filepath.Join(t.TempDir(), "tokenizer.json"))
	wantInvalid(t, err, "tokenizer.json: file does not exist")
}

func TestNewWordLevelRefuses(t *testing.T) {
	for _, test := range []struct {
		name       string
		vocabulary []string
		options    Options
		want       string
	}{
		{"empty", nil, Options{}, `"<unk>" is not in the vocabulary`},
		{"twice", []string{"<unk>", "a", "a"}, Options{}, `"a" comes twice`},
		{"empty word", []string{"<unk>", ""}, Options{}, "is empty"},
		{"missing suffix", []string{"<unk>"}, Options{Suffix: []string{"</s>"}}, `"</s>" is not in the vocabulary`},
		{"two words", []string{"<unk>", "ice cream"}, Options{}, `"ice cream" can never be found`},
		{"hyphen", []string{"<unk>", "t-shirt"}, Options{}, `"t-shirt" can never be found`},
		{"upper case", []string{"<unk>", "Cat"}, Options{}, `"Cat" can never be found`},
		{"not composed", []string{"<unk>", "e\u0301"}, Options{}, "can never be found"},
		{"pad that is not special", []string{"<unk>", "<pad>"}, Options{}, `"<pad>" can never be found`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewWordLevel(test.vocabulary, test.options)
			wantInvalid(t, err, test.want)
		})
	}
	kept, err := NewWordLevel([]string{"[UNK]", "Cat", "cat"}, Options{Unknown: "[UNK]", KeepCase: true})
	if err != nil {
		t.Fatal(err)
	}
	if ids, _ := kept.Encode("Cat cat CAT", 0); !slices.Equal(ids, []int32{1, 2, 0}) {
		t.Errorf("with case kept: %v", ids)
	}
}

func TestSaveIntoMissingFolder(t *testing.T) {
	dir := t.TempDir()
	if err := madeTokenizer(t).Save(filepath.Join(dir, "missing", "tokenizer.json")); err == nil {
		t.Error("saved into a folder that is not there")
	}
	if err := os.Mkdir(filepath.Join(dir, "tokenizer.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := madeTokenizer(t).Save(filepath.Join(dir, "tokenizer.json")); err == nil {
		t.Error("saved over a folder")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left %v behind, %v", files, err)
	}
}

func FuzzFromBytes(f *testing.F) {
	for _, name := range []string{"made.json", "reference.json", "clip.json", "t5.json", "t5-first.json", "t5-bytes.json", "qwen.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "A photo of <mask> two New  York caf\u00e9s</s>! It's <extra_id_3> 2")
	}
	f.Add(document0(`{"type":"Strip","strip_left":true}`, `{"type":"Punctuation"}`, "null", `{"id":2,"content":"ab","lstrip":true,"rstrip":true,"single_word":true}`), "ab  ab ab")
	f.Fuzz(func(t *testing.T, file []byte, text string) {
		tokenizer, err := FromBytes("x", file)
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		ids, _ := tokenizer.Encode(text, 0)
		for _, id := range ids {
			if _, ok := tokenizer.Token(id); !ok || int(id) >= tokenizer.Size() {
				t.Fatalf("%q gives the id %d, which there is not", text, id)
			}
		}
		cut, truncated := tokenizer.Encode(text, 3)
		if len(cut) != min(len(ids), 3) || len(ids) > 3 && !truncated {
			t.Fatalf("%q is %v, cut to three %v, truncated %t", text, ids, cut, truncated)
		}
		for _, word := range tokenizer.Unknown(text) {
			if word == "" || !utf8.ValidString(word) {
				t.Fatalf("%q has the unknown word %q", text, word)
			}
		}
	})
}
