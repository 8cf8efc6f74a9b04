"""Makes the fixtures of CLIP's and T5's tokenizers with the reference implementations:

    pip install transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3 protobuf
    python testdata/make_subword.py

    clip/      vocab.json, merges.txt and settings, as FLUX.1-dev's tokenizer/ has them
    t5/        spiece.model and settings, as FLUX.1-dev's tokenizer_2/, less tokenizer.json
    clip.json, t5.json, t5-first.json, t5-bytes.json: tokenizer.json files
    subword.json: what the reference makes of texts, padded to 24 tokens too

The vocabularies are trained on the sentences below and tiny; the tokenizers are built as
transformers builds CLIP's and T5's. The package and its tests need no Python."""

import io
import json
import os

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast, T5Tokenizer
from sentencepiece import sentencepiece_model_pb2 as pb

here = os.path.dirname(os.path.abspath(__file__))


def path(*names):
    return os.path.join(here, *names)


def write(value, *names):
    with open(path(*names), "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


corpus = """a photo of two red clocks on a wooden table
a photo of a cat to the left of a dog, in the rain
it's a painting of the sea at night; they're all there, we've seen them and I'd say they'll stay
an astronaut's blue backpack, 8k, highly detailed, 35 mm film, by the river
Move the clock to the left and make the second cat black instead of white.
café crème naïve über straße 日本語 東京 фото кошки 😀 1234567890 (masterpiece:1.2) don't won't can't
the quick brown fox jumps over the lazy dog while the photographer photographs photography"""

begin, end = "<|startoftext|>", "<|endoftext|>"
clip_pattern = Regex(r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+""")


def make_clip():
    """Returns the tokenizer of the folder and, of the same tokens, that of clip.json."""
    t = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=end))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(clip_pattern, behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(corpus.splitlines(), trainers.BpeTrainer(
        vocab_size=800, min_frequency=1, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False))
    merges = json.loads(t.to_str())["model"]["merges"]
    tokens = alphabet + [a + "</w>" for a in alphabet] + [a + b for a, b in merges] + [begin, end]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    os.makedirs(path("clip"), exist_ok=True)
    with open(path("clip", "vocab.json"), "w") as file:
        json.dump(vocabulary, file)
    with open(path("clip", "merges.txt"), "w") as file:
        file.write("#version: 0.2\n" + "".join(a + " " + b + "\n" for a, b in merges))
    special = {"content": end, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    write({"bos_token": dict(special, content=begin), "eos_token": special, "pad_token": end, "unk_token": special}, "clip", "special_tokens_map.json")
    write({
        "add_prefix_space": False,
        "added_tokens_decoder": {str(vocabulary[x]): dict(special, content=x, special=True) for x in (begin, end)},
        "bos_token": begin, "clean_up_tokenization_spaces": True, "do_lower_case": True, "eos_token": end, "errors": "replace",
        "model_max_length": 77, "pad_token": end, "tokenizer_class": "CLIPTokenizer", "unk_token": end,
    }, "clip", "tokenizer_config.json")
    folder = CLIPTokenizer.from_pretrained(path("clip"))

    t.model = models.BPE(vocabulary, [tuple(m) for m in merges], end_of_word_suffix="</w>", continuing_subword_prefix="", unk_token=end)
    t.add_special_tokens([AddedToken(begin, normalized=False), AddedToken(end, normalized=False)])
    t.post_processor = processors.RobertaProcessing((end, vocabulary[end]), (begin, vocabulary[begin]), False, False)
    t.save(path("clip.json"), pretty=False)
    return folder, PreTrainedTokenizerFast(tokenizer_file=path("clip.json"), pad_token=end)


# Rules of the kinds that T5's table has (nmt_nfkc): ligatures, full width, composition,
# odd spaces, characters that vanish.
rules = {
    "\ufb01": "fi", "\uff21": "A", "\u2026": "...", "\u2460": "1", "\u00bd": "1\u20442", "e\u0301": "\u00e9", "u\u0308": "\u00fc",
    "\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "\u200b": " ", "\u2003": " ", "\u0001": "", "\u007f": "", "\u200e": "", "\u3392": "MHz",
}


def train_pieces(name, **options):
    with open("/tmp/rules.tsv", "w") as file:
        for old, new in rules.items():
            file.write(" ".join("%04X" % ord(c) for c in old) + "\t" + " ".join("%04X" % ord(c) for c in new) + "\n")
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus.splitlines() * 3 + corpus.split() * 2), hard_vocab_limit=False, model_writer=out, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, vocab_size=options.pop("size"),
        normalization_rule_tsv="/tmp/rules.tsv", minloglevel=2, model_type="unigram", **options)
    model = pb.ModelProto()
    model.ParseFromString(out.getvalue())
    model.normalizer_spec.normalization_rule_tsv = ""
    model.ClearField("denormalizer_spec")
    return model


def make_t5():
    """Returns the tokenizer of the folder and those of the files, by their names."""
    model = train_pieces("t5", size=200, character_coverage=0.98)
    os.makedirs(path("t5"), exist_ok=True)
    with open(path("t5", "spiece.model"), "wb") as file:
        file.write(model.SerializeToString())
    extra = ["<extra_id_%d>" % i for i in range(100)]
    write({"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "extra_ids": 100, "legacy": True,
           "model_max_length": 512, "additional_special_tokens": extra, "tokenizer_class": "T5Tokenizer"}, "t5", "tokenizer_config.json")
    made = {"t5": T5Tokenizer.from_pretrained(path("t5"))}
    vocabulary = [(p.piece, p.score) for p in model.pieces] + [(x, 0.0) for x in reversed(extra)]
    table = model.normalizer_spec.precompiled_charsmap

    def save(name, vocabulary, scheme, bytes_too=False):
        t = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=bytes_too))
        t.normalizer = normalizers.Sequence([
            normalizers.Precompiled(table), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")])
        t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)
        t.add_special_tokens(["<pad>", "</s>", "<unk>"] + (extra if not bytes_too else []))
        t.post_processor = processors.TemplateProcessing(single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)])
        t.save(path(name), pretty=False)
        made[name] = PreTrainedTokenizerFast(tokenizer_file=path(name), pad_token="<pad>")

    save("t5.json", vocabulary, "always")
    save("t5-first.json", vocabulary, "first")
    save("t5-bytes.json", [(p.piece, p.score) for p in model.pieces] + [("<0x%02X>" % i, -20.0) for i in range(256)], "always", bytes_too=True)
    return made


texts = corpus.splitlines() + [
    "", " ", "  \t\n ", "a", "A Photo  OF\ttwo\nclocks ", "  leading and trailing  ", "it's IT'S they'Ll 'sun ''s '' 't!'s don't'VE can’t", "<|endoftext|>", "a<|startoftext|>b <|ENDOFTEXT|>! <|endoftext|> x",
    "</s>a </s> <pad><unk> <extra_id_0> <extra_id_99>x", "café cafe\u0301 CAFÉ u\u0308ber ﬁlm Ａ ½ ① … ㎒", "日本語の写真, 東京 한국어 中文字", "фото КОШКИ ё", "😀😀 👩‍👩‍👧 🇯🇵 ✌🏽 a😀b",
    "12345 1.5 ½ Ⅷ ٣ 8k 4K", "(masterpiece:1.2), [best|quality] {a} <lora:x:0.8> \\ ~ ^ _ a_b snake_case", "a\u00a0b\u2003c\u3000d\u200be\u0085f\u2028g", "a\u0001b\u007fc\u0000d\u200ee",
    "İstanbul ẞ ΣΑΣ ǅ", "e\u0301\u0323 a\u0300\u0301\u0302\u0303 ﬁ\u0301 \r\n x\r\ny", "▁a▁▁b ▁ a ▁b", "----- !!!??? ... ---a", "x" * 60, "photo" * 20, "\u0301abc \ufffd \ue000", "שלום مرحبا ไทย हिन्दी",
    "\u200ba", "\u0001a", " \u0001 b", "Ā Ġthe Ċ ĠĠ", "a photo of " * 9,
]


def main():
    folder, clip = make_clip()
    made = {"clip": folder, "clip.json": clip, **make_t5()}
    rows = []
    for text in texts:
        row = {"text": text, "ids": {}, "padded": {}}
        for name, t in made.items():
            row["ids"][name] = t(text).input_ids
            row["padded"][name] = t(text, padding="max_length", max_length=24, truncation=True).input_ids
        rows.append(row)
    with open(path("subword.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")


main()
