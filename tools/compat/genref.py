"""Reads the output of `reflectionflow genref` with other programs' readers: see README.md.

    python tools/compat/genref.py bin/reflectionflow
"""

import csv
import glob
import json
import os
import subprocess
import sys
import tarfile
import tempfile

from PIL import Image
import webdataset as wds

MEMBERS = ("good_image.jpg", "bad_image.jpg", "reflection.txt", "prompt.txt", "subset.txt")
SUBSETS = ("general", "length", "rule", "editing")
SPLITS = ("train", "validation", "test")


def run(program, *args):
    subprocess.run([program, "genref", *args], check=True)


def read_shards(folder):
    """The set as the authors' loader sees it, sample by sample."""
    shards = sorted(glob.glob(os.path.join(folder, "*.tar")), key=lambda p: int(p.rsplit("_", 1)[1][:-4]))
    data = (
        wds.WebDataset(shards, shardshuffle=False, empty_check=True)
        .decode("pil")
        .to_tuple("__key__", *MEMBERS)
    )
    return shards, list(data)


def check_shards(folder, count):
    shards, samples = read_shards(folder)
    assert len(samples) == count, f"{len(samples)} samples, want {count}"
    keys = [s[0] for s in samples]
    assert len(set(keys)) == count, "a key comes twice"
    raw = {}
    for path in shards:
        with tarfile.open(path) as archive:
            for member in archive:
                raw[member.name] = archive.extractfile(member).read()
    for key, good, bad, reflection, prompt, subset in samples:
        assert subset in SUBSETS, subset
        assert good.mode == bad.mode == "RGB" and good.size == bad.size, key
        assert prompt.strip() and reflection.strip(), key
        for name, text in (("reflection.txt", reflection), ("prompt.txt", prompt), ("subset.txt", subset)):
            assert raw[f"{key}.{name}"].decode("utf-8") == text, f"{key}.{name}"
    chosen = wds.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple(*MEMBERS).select(lambda s: s[4] == "editing")
    assert sum(1 for _ in chosen) == count, "the choice by subset loses samples"
    print(f"webdataset {getattr(wds, '__version__', '')}: {count} samples in {len(shards)} shards")


def rows(folder, split):
    path = os.path.join(folder, split + ".jsonl")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def image_digest(folder, name):
    with open(os.path.join(folder, name), "rb") as file:
        data = file.read()
    with Image.open(os.path.join(folder, name)) as image:
        image.load()
    return data


def parts(messages, kind):
    return [p for m in messages for p in m["content"] if p["type"] == kind]


def check_sharegpt(folder):
    with open(os.path.join(folder, "dataset_info.json"), encoding="utf-8") as file:
        info = json.load(file)
    for name, entry in info.items():
        assert entry["formatting"] == "sharegpt", name
        assert entry["columns"] == {"messages": "conversations", "images": "images"}, name
        assert os.path.exists(os.path.join(folder, entry["file_name"])), name
    for split in SPLITS:
        for row in rows(folder, split):
            turns = row["conversations"]
            assert [t["from"] for t in turns] == ["human", "gpt"], row["id"]
            assert sum(t["value"].count("<image>") for t in turns) == len(row["images"]), row["id"]
            assert turns[1]["value"].strip(), row["id"]
    return lambda row: row["conversations"][0]["value"].split('The prompt is: "')[1].rstrip('"')


def check_trl(folder):
    for split in SPLITS:
        for row in rows(folder, split):
            assert [m["role"] for m in row["messages"]] == ["user", "assistant"], row["id"]
            assert len(parts(row["messages"], "image")) == len(row["images"]) == 1, row["id"]
            assert all(isinstance(m["content"], list) for m in row["messages"]), row["id"]
    return lambda row: parts(row["messages"], "text")[0]["text"].split('The prompt is: "')[1].rstrip('"')


def check_preferences(folder):
    for split in SPLITS:
        all_rows = rows(folder, split)
        for row in all_rows:
            assert len(parts(row["prompt"], "image")) == len(row["images"]) == 2, row["id"]
            answers = {row[c][0]["content"][0]["text"] for c in ("chosen", "rejected")}
            assert answers == {"first", "second"}, row["id"]
        if not all_rows:
            continue
        with open(os.path.join(folder, split + ".csv"), encoding="utf-8", newline="") as file:
            records = list(csv.DictReader(file))
        assert len(records) == len(all_rows), split
        for row, record in zip(all_rows, records):
            assert list(record) == ["image1", "image2", "prompt", "VQ"], split
            assert [record["image1"], record["image2"]] == row["images"], row["id"]
            chosen = row["chosen"][0]["content"][0]["text"]
            assert record["VQ"] == {"first": "A", "second": "B"}[chosen], row["id"]
    return lambda row: parts(row["prompt"], "text")[0]["text"].split('better: "')[1].split('"?')[0]


def check_export(folder, prompt_of):
    """No prompt and no image is in two splits, every image opens, datasets loads the export."""
    prompts, images, count = {}, {}, 0
    for split in SPLITS:
        for row in rows(folder, split):
            count += 1
            assert prompts.setdefault(prompt_of(row), split) == split, row["id"]
            for name in row["images"]:
                assert images.setdefault(image_digest(folder, name), split) == split, row["id"]
    assert count > 0, "no rows"
    loaded = "datasets is not installed"
    try:
        import datasets
    except ImportError:
        pass
    else:
        files = {s: os.path.join(folder, s + ".jsonl") for s in SPLITS if rows(folder, s)}
        total = sum(len(d) for d in datasets.load_dataset("json", data_files=files, cache_dir=folder + ".cache").values())
        assert total == count, f"datasets has {total} rows, want {count}"
        loaded = f"datasets {datasets.__version__} loads them"
    splits = ", ".join(f"{len(rows(folder, s))} {s}" for s in SPLITS)
    print(f"{os.path.basename(folder)}: {splits}; {loaded}")


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as home:
        sets = []
        for split in SPLITS:
            sets.append(os.path.join(home, split))
            run(program, "build", "--source", "editing", "--split", split, "--count", "24", "--shard", "10", "--out", sets[-1], "--quiet")
        check_shards(sets[0], 24)
        run(program, "annotate", sets[0], "--quiet")
        for name, check in (("sharegpt", check_sharegpt), ("trl", check_trl), ("preferences", check_preferences)):
            out = os.path.join(home, name)
            run(program, "export", *sets, "--format", name, "--out", out, "--quiet")
            check_export(out, check(out))


if __name__ == "__main__":
    main()
