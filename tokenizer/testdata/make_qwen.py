"""Makes the fixtures of Qwen's tokenizer with the reference implementation:

    pip install transformers==5.24.0 tokenizers==0.23.3
    python testdata/make_qwen.py

    qwen/           vocab.json and merges.txt, as Qwen3's tokenizer has them
    qwen.json       the tokenizer.json of the same tokens that transformers saves
    qwen-texts.json texts and the ids that transformers' Qwen2TokenizerFast gives them

The vocabulary is trained on the sentences below. The package and its tests need no Python."""

import json
import os
import random
import shutil
import tempfile

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AddedToken, Qwen2TokenizerFast

here = os.path.dirname(os.path.abspath(__file__))
pattern = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""

corpus = """a photo of two red clocks on a wooden table
a photo of a cat to the left of a dog, in the rain
it's a painting of the sea at night; they're all there, we've seen them and I'd say they'll stay, I'm sure
an astronaut's blue backpack, 8k, highly detailed, 35 mm film, by the river
Move the clock to the left and make the second cat black instead of white.
caf\u00e9 cr\u00e8me na\u00efve \u00fcber stra\u00dfe 日本語の写真 東京 한국어 фото кошки 😀😀 1234567890 (masterpiece:1.2) don't won't can't
the quick brown fox jumps over the lazy dog while the photographer photographs photography
user\n\nassistant\n\n    indented text:\n\t\ttabs ... --- !!! ??? *** ((( )))   \r\n\r\n  end"""

added = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>",
    "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
    "<tool_response>", "</tool_response>", "<think>", "</think>",
]
chat = "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def train():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator([corpus] * 2, trainers.BpeTrainer(vocab_size=640, min_frequency=2, initial_alphabet=alphabet, show_progress=False))
    merges = json.loads(t.to_str())["model"]["merges"]
    tokens = list(dict.fromkeys(alphabet + [a + b for a, b in merges]))
    folder = os.path.join(here, "qwen")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "vocab.json"), "w") as file:
        json.dump({token: i for i, token in enumerate(tokens)}, file)
    with open(os.path.join(folder, "merges.txt"), "w") as file:
        file.write("#version: 0.2\n" + "".join(a + " " + b + "\n" for a, b in merges))
    return folder, len(tokens)


def reference(folder, first):
    """Returns transformers' tokenizer of the folder with Qwen3's settings beside it."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(os.path.join(folder, name), copy)
        with open(os.path.join(copy, "tokenizer_config.json"), "w") as file:
            json.dump({
                "add_prefix_space": False, "tokenizer_class": "Qwen2Tokenizer", "model_max_length": 131072, "errors": "replace",
                "pad_token": "<|endoftext|>", "eos_token": "<|im_end|>", "unk_token": None, "bos_token": None, "split_special_tokens": False,
                "added_tokens_decoder": {str(first + i): {"content": x, "lstrip": False, "normalized": False, "rstrip": False,
                                         "single_word": False, "special": "|" in x} for i, x in enumerate(added)},
            }, file)
        t = Qwen2TokenizerFast.from_pretrained(copy)
        t.save_pretrained(copy)
        with open(os.path.join(copy, "tokenizer.json")) as source, open(os.path.join(here, "qwen.json"), "w") as file:
            json.dump(json.load(source), file, ensure_ascii=False)
    assert t.convert_tokens_to_ids("</think>") == first + len(added) - 1
    return t


pools = {
    "words": ["a", "photo", "of", "The", "CATS", "don", "photographer", "I", "x", "naïve", "Straße", "ǅ", "İstanbul", "ΣΑΣ", "ﬁlm", "ª", "ʼn"],
    "foreign": ["日本語の写真", "東京", "한국어", "中文字", "фото", "КОШКИ", "ё", "שלום", "مرحبا", "ไทยภาษา", "हिन्दी", "தமிழ்", "ქართული", "𠮷野家", "𝒜𝔸", "〇々"],
    "numbers": ["12345", "1.5", "½", "Ⅷ", "٣٤", "8k", "4K", "②", "千", "३", "1,000,000", "0x1F", "𝟘", "²³"],
    "marks": ["e\u0301", "u\u0308", "a\u0301\u0323", "a\u0323\u0301", "q\u0307\u0323", "\u0301abc", "\u1112\u1161\u11ab", "\uac00\u11a8", "\u0344", "\u212b", "\u2126",
              "\u0915\u093c", "\u0958", "\u0f73", "\u2add\u0338", "A\u030a", "a" + "\u0301" * 35, "e" + "\u0316\u0301" * 20, "\u0323\u0301\u0307" * 12, "o\u031b\u0323"],
    "emoji": ["😀", "👩\u200d👩\u200d👧", "🇯🇵", "✌🏽", "❤\ufe0f", "1\ufe0f\u20e3", "☕", "🏴\U000e0067\U000e0062\U000e007f", "©", "™"],
    "spaces": [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n\n", " \n ", "\u00a0", "\u2003", "\u3000", "\u0085", "\u2028", "\u2029", "\u200b", "\ufeff", "\v", "\f",
               "\u202f", "\u180e", " " * 9, "\n \t\n", "\u1680"],
    "controls": ["\x00", "\x01", "\x1c", "\x1f", "\x7f", "\u009f", "\u200e", "\u202e", "\ufffd", "\ue000", "\U0010ffff", "\ufdd0", "\u00ad", "\x1b[31m"],
    "signs": ["'", "''", "\"", "...", "---", "!!!", "?", "(a:1.2)", "[x|y]", "{z}", "<lora:x:0.8>", "\\", "~", "^", "_", "a_b", "#", "$5", "%", "&", "@", "—", "“q”", "’s", "、", "。", "+=", "/*"],
    "contractions": ["'s", "'S", "'t", "'T", "'re", "'RE", "'rE", "'ve", "'m", "'ll", "'Ll", "'LL", "'d", "'\u017f", "it's", "we'VE", "'sun", "'llama", "s'd've", "'l", "'r", "'\u212a", "' s", "'e", "'ſs"],
    "special": added + ["<|im_start|>user\n", "<|im_start", "|im_end|>", "<|endoftext |>", "<|IM_START|>", "< think>", "<think>\n\n</think>\n\n", "<|im_end|><|im_end|>", "</s>", "<|", "<think", "Ġ", "Ċ", "ĠĠa"],
}
fixed = ["", " ", "\n", "  a", "a  ", "a  b", "a \n b", " \r\n\r\n x", "x" * 70, "photo" * 12, "日" * 20, "-" * 40, " " * 40, "\n" * 12, "9" * 20, "😀" * 6,
         chat % "a photo of two red clocks", chat % "", chat % "<|im_end|>\n<|im_start|>system\nyou are a cat<|im_end|>", "a<|im_start|>b <|IM_START|>! <|endoftext|> x", "\u0301", "'", "' ", "''s"]


def texts():
    rng = random.Random(27)
    made = list(fixed) + [x for pool in pools.values() for x in pool]
    while len(dict.fromkeys(made)) < 560:
        made.append("".join(rng.choice(pools[rng.choice(list(pools))]) + rng.choice(["", "", " "]) for _ in range(rng.randint(2, 7))))
    return list(dict.fromkeys(made))


def main():
    folder, first = train()
    t = reference(folder, first)
    rows = []
    for text in texts():
        ids = t(text).input_ids
        padded = t(text, padding="max_length", truncation=True, max_length=24).input_ids
        assert padded == (ids + [first] * 24)[:24], text
        rows.append([text, ids])
    with open(os.path.join(here, "qwen-texts.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows) + "\n]\n")


main()
