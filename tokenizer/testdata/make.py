"""Makes the fixtures of the tests with the reference implementation:

    go test -update .          # writes made.json, the tokenizer of NewWordLevel
    pip install tokenizers
    python testdata/make.py    # writes reference.json and golden.json

golden.json holds, for either tokenizer, what Hugging Face's encoder makes of texts.
The package and its tests need no Python."""

import json
import os

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

here = os.path.dirname(os.path.abspath(__file__))


def path(name):
    return os.path.join(here, name)


vocabulary = ["<pad>", "</s>", "[UNK]", "<s>", "a", "photo", "of", "two", "cats", "é", "don", "'", "t", "t_t", "!?", ",",
              "i̇stanbul", "ß", "<", ">", "mask", "日本", "x", "१", "²", "kelvin", "k"]
t = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))
t.normalizer = normalizers.Sequence([
    normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(),
    normalizers.Replace("colour", "color"), normalizers.Lowercase()])
t.pre_tokenizer = pre_tokenizers.Whitespace()
t.add_special_tokens(["<s>", "</s>", AddedToken("<MASK>", lstrip=True, rstrip=True, normalized=False)])
t.add_tokens([AddedToken("New York", normalized=True), AddedToken("ab", single_word=True, normalized=False),
              AddedToken("abc", normalized=False), AddedToken("color", normalized=False)])
t.post_processor = processors.TemplateProcessing(
    single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1",
    special_tokens=[("<s>", t.token_to_id("<s>")), ("</s>", t.token_to_id("</s>"))])
t.save(path("reference.json"))

texts = [
    "", " ", "a photo of two cats", "A  Photo\tOF\n two CATS!", "a,photo , of,,two", "a clock!?!", "don't t_t",
    "cafe\u0301 caf\u00e9 e\u0301", "\u0130stanbul STRASSE \u1e9e", "<s>a</s>", "a <MASK> photo", "a<MASK>photo  <MASK>  ",
    "<mask> < mask >", "New York new york NEW  YORK newyork xnew yorkx", "ab abc abcd xab ab, ab_ _ab abab", "colour color Colour",
    "\u65e5\u672c\u8a9e \u65e5\u672c", "x\u200dy x\u0301 \u00b2 \u0967 \u2167 \u24d0", "a\u00a0photo\u2003of\u0085two\u3000cats",
    "emoji \U0001f600\U0001f600 ok", "price $5 + 3 = ~8 ^ `x` |", "\u201cquoted\u201d \u2013 dash\u2026", "\u212a\u212b \ufb01 \uff21",
    "two red, blue clocks [Reflexion] Move the cat left of the dog.", "<unk> </s></s> <pad>", "tab\u000bvt\u001cfs", "a\u0000b",
    "\u1100\u1161\u11a8 \u0958", "\u03a3\u0391\u03a3 \u03a3", "x" * 300, "\u05e9\u05dc\u05d5\u05dd, \u0645\u0631\u062d\u0628\u0627\u061f", "it\u2019s",
]
golden = {}
for name in ["made.json", "reference.json"]:
    t = Tokenizer.from_file(path(name))
    rows = []
    for text in texts:
        t.no_truncation()
        row = {"text": text, "ids": t.encode(text).ids}
        t.enable_truncation(4)
        row["four"] = t.encode(text).ids
        rows.append(row)
    golden[name] = rows
with open(path("golden.json"), "w") as file:
    for line in json.dumps(golden).replace("], \"reference", "],\n\"reference").split("{\"text\""):
        file.write(line.rstrip() if line.startswith("{\"made") else "\n{\"text\"" + line.rstrip())
    file.write("\n")
