"""Makes the fixtures of Gemma's tokenizer, which SigLIP 2 has, with the reference implementations:

    python testdata/make_gemma.py      needs transformers 5.24

    gemma/            tokenizer.json and tokenizer_config.json, as transformers saves Siglip2Tokenizer
    gemma-texts.json  what the reference makes of texts

The vocabulary is trained on the sentences below and tiny. The package and its tests need no Python."""

import json
import os

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer
from transformers.models.siglip2.tokenization_siglip2 import Siglip2Tokenizer

here = os.path.dirname(os.path.abspath(__file__))
corpus = """a photo of two red clocks on a wooden table
a photo of a cat to the left of a dog, in the rain
it's a painting of the sea at night; they're all there
an astronaut's blue backpack, 8k, highly detailed, 35 mm film, by the river
café crème naïve über straße the quick brown fox jumps over the lazy dog""".splitlines()

t = Tokenizer(models.BPE())
t.normalizer = normalizers.Replace(" ", "▁")
t.pre_tokenizer = pre_tokenizers.Split(pattern=" ", behavior="merged_with_previous", invert=False)
t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=220, min_frequency=2, show_progress=False))
model = json.loads(t.to_str())["model"]
tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"] + [f"<0x{b:02X}>" for b in range(256)] + sorted(model["vocab"], key=model["vocab"].get)
vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
folder = os.path.join(here, "gemma")
Siglip2Tokenizer(vocab=vocabulary, merges=[tuple(m) for m in model["merges"]], add_eos_token=True).save_pretrained(folder)
with open(os.path.join(folder, "tokenizer_config.json")) as file:
    config = json.load(file)
config.update(padding_side="right", add_bos_token=False, add_eos_token=True)
with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
    json.dump(config, file, indent=1)

reference = AutoTokenizer.from_pretrained(folder)
texts = ["", " ", "a", "A Photo of two red clocks", "  two  spaces ", "tab\tand\nline", "日本語 東京 😀", "it's café, naïve!", "<eos> in <pad> text", "▁ itself", "i̇stanbul İstanbul ẞ", "x" * 60]
with open(os.path.join(here, "gemma-texts.json"), "w") as file:
    json.dump([{"text": text, "ids": reference(text).input_ids} for text in texts], file, indent=1)
print(type(reference), reference("a photo").input_ids, len(vocabulary))
