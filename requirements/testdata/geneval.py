#!/usr/bin/env python3
"""Draws the 553 prompts of GenEval (arXiv 2310.11513) by its rules and its seed: 100 of each task, without those that are there twice.

python3 geneval.py | gzip -9n > geneval.jsonl.gz
"""
import json

import numpy as np

CLASSES = """person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign parking_meter bench bird cat dog horse sheep cow
elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard
tennis_racket bottle wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch potted_plant bed
dining_table toilet tv laptop computer_mouse tv_remote computer_keyboard cell_phone microwave oven toaster sink refrigerator book clock vase scissors teddy_bear
hair_drier toothbrush""".split()
CLASSES = [c.replace("_", " ") for c in CLASSES]
NUMBERS = ["zero", "one", "two", "three", "four"]
COLORS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"]
PLACES = ["left of", "right of", "above", "below"]


def a(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def plural(noun):
    if noun[-1] == "s":
        return noun + "es"
    return noun + "s"


def draw(rng):
    for i in rng.choice(len(CLASSES), size=80, replace=False):
        yield {"tag": "single_object", "include": [{"class": CLASSES[i], "count": 1}], "prompt": "a photo of " + a(CLASSES[i])}
    for _ in range(100):
        x, y = (CLASSES[i] for i in rng.choice(len(CLASSES), size=2, replace=False))
        yield {"tag": "two_object", "include": [{"class": x, "count": 1}, {"class": y, "count": 1}], "prompt": f"a photo of {a(x)} and {a(y)}"}
    for _ in range(100):
        x, n = CLASSES[rng.choice(len(CLASSES))], int(rng.integers(2, 4, endpoint=True))
        yield {"tag": "counting", "include": [{"class": x, "count": n}], "exclude": [{"class": x, "count": n + 1}], "prompt": f"a photo of {NUMBERS[n]} {plural(x)}"}
    for _ in range(100):
        x, c = CLASSES[rng.choice(len(CLASSES) - 1) + 1], COLORS[rng.choice(len(COLORS))]
        yield {"tag": "colors", "include": [{"class": x, "count": 1, "color": c}], "prompt": f"a photo of {a(c)} {x}"}
    for _ in range(100):
        x, y = (CLASSES[i] for i in rng.choice(len(CLASSES), size=2, replace=False))
        p = PLACES[rng.choice(len(PLACES))]
        yield {"tag": "position", "include": [{"class": y, "count": 1}, {"class": x, "count": 1, "position": [p, 0]}], "prompt": f"a photo of {a(x)} {p} {a(y)}"}
    for _ in range(100):
        x, y = (CLASSES[i + 1] for i in rng.choice(len(CLASSES) - 1, size=2, replace=False))
        c, d = (COLORS[i] for i in rng.choice(len(COLORS), size=2, replace=False))
        yield {"tag": "color_attr", "include": [{"class": x, "count": 1, "color": c}, {"class": y, "count": 1, "color": d}], "prompt": f"a photo of {a(c)} {x} and {a(d)} {y}"}


seen = set()
for sample in draw(np.random.default_rng(43)):
    line = json.dumps(sample)
    if line not in seen:
        seen.add(line)
        print(line)
