#!/usr/bin/env python3
"""Makes the .gz files beside it: outputs of the detector on the .png photographs, from two references.

    golden.py FOLDER

FOLDER holds PHOTO.bin (RGB bytes), PHOTO.json (w, h), and PHOTO.cpu.scores and PHOTO.cpu.boxes (float32 of
shape [1917, 90] and [1917, 4]): the outputs of TensorFlow.js 4.22.0 with the original float32 weights. This
script computes the outputs with the embedded float16 weights, in float64. Needs numpy.

Each .gz is, little-endian: scores [1917, 90] and boxes [1917, 4] of TensorFlow.js, int16 in 1/8192; then what
the float16 weights add to each, int8 in 1/8192.
"""
import gzip, io, json, math, os, sys
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
WEIGHTS = os.path.join(HERE, "../../../models/coco/model.safetensors")
# Inverted residual blocks: input and output channels, stride.
BLOCKS = [(32, 16, 1), (16, 24, 2), (24, 24, 1), (24, 32, 2), (32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 64, 1),
          (64, 64, 1), (64, 96, 1), (96, 96, 1), (96, 96, 1), (96, 160, 2), (160, 160, 1), (160, 160, 1), (160, 320, 1)]
GRIDS = [19, 10, 5, 3, 2, 1]


def load(path):
    data = open(path, "rb").read()
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    header.pop("__metadata__", None)
    return {name: np.frombuffer(body[slice(*t["data_offsets"])], np.float16).reshape(t["shape"]).astype(np.float64)
            for name, t in header.items()}


def resize(image, n=300):
    def axis(length):
        at = np.arange(n, dtype=np.float32) * np.float32(length / n)
        low, high = np.floor(at).astype(int), np.minimum(np.ceil(at).astype(int), length - 1)
        return low, high, (at - low).astype(np.float32)
    image = image.astype(np.float32)
    (y0, y1, fy), (x0, x1, fx) = axis(image.shape[0]), axis(image.shape[1])
    fy, fx = fy[:, None, None], fx[None, :, None]
    top = image[y0][:, x0] + (image[y0][:, x1] - image[y0][:, x0]) * fx
    bottom = image[y1][:, x0] + (image[y1][:, x1] - image[y1][:, x0]) * fx
    return top + (bottom - top) * fy


def anchors():
    scales, all = [0.2 + 0.15 * i for i in range(6)] + [1.0], []
    for k, grid in enumerate(GRIDS):
        shapes = [(scales[k], r) for r in (1, 2, 0.5, 3, 0.3333)] + [(math.sqrt(scales[k] * scales[k + 1]), 1)]
        if k == 0:
            shapes = [(0.1, 1), (scales[0], 2), (scales[0], 0.5)]
        all += [((y + 0.5) / grid, (x + 0.5) / grid, s / math.sqrt(r), s * math.sqrt(r))
                for y in range(grid) for x in range(grid) for s, r in shapes]
    return np.array(all).T


def run(weights, image):
    def conv(x, name, stride=1, relu=True):
        w, b = weights[name + ".weight"], weights[name + ".bias"]
        k, depthwise = w.shape[0], w.shape[0] == 3 and w.shape[2] == 1
        out = [-(-n // stride) for n in x.shape[:2]]
        pads = [max((o - 1) * stride + k - n, 0) for o, n in zip(out, x.shape)]
        x = np.pad(x, [(p // 2, p - p // 2) for p in pads] + [(0, 0)])
        y = b
        for i in range(k):
            for j in range(k):
                view = x[i:i + (out[0] - 1) * stride + 1:stride, j:j + (out[1] - 1) * stride + 1:stride]
                y = y + (view * w[i, j, 0] if depthwise else view @ w[i, j])
        return np.clip(y, 0, 6) if relu else y

    x = (resize(image) * np.float32(0.007843137718737125) - np.float32(1)).astype(np.float64)
    x, features = conv(x, "stem", 2), []
    for i, (channels, out, stride) in enumerate(BLOCKS):
        name = f"blocks.{i}."
        y = conv(x, name + "expand") if i else x
        if i == 13:
            features.append(y)
        y = conv(conv(y, name + "dw", stride), name + "project", relu=False)
        x = x + y if stride == 1 and channels == out else y
    x = conv(x, "head")
    features.append(x)
    for i in range(4):
        name = f"extras.{i}."
        x = conv(conv(conv(x, name + "reduce"), name + "dw", 2), name + "project")
        features.append(x)
    heads = [[conv(conv(f, f"predict.{k}.{part}_dw"), f"predict.{k}.{part}", relu=False).reshape(-1, n)
              for k, f in enumerate(features)] for part, n in (("cls", 91), ("box", 4))]
    logits, codes = (np.concatenate(h) for h in heads)
    cy, cx, h, w = anchors()
    y, x = codes[:, 0] * 0.1 * h + cy, codes[:, 1] * 0.1 * w + cx
    h, w = np.exp(codes[:, 2] * 0.2) * h, np.exp(codes[:, 3] * 0.2) * w
    return 1 / (1 + np.exp(-logits[:, 1:])), np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2], 1)


def main(folder):
    weights = load(WEIGHTS)
    for name in ("coffee", "chelsea", "astronaut"):
        size = json.load(open(f"{folder}/{name}.json"))
        image = np.fromfile(f"{folder}/{name}.bin", np.uint8).reshape(size["h"], size["w"], 3)
        first, second = [], []
        for part, ours in zip(("scores", "boxes"), run(weights, image)):
            theirs = np.fromfile(f"{folder}/{name}.cpu.{part}", np.float32).reshape(ours.shape)
            print(f"{name} {part}: float16 weights differ by at most {abs(ours - theirs).max():.2g}")
            rounded = np.round(theirs * 8192)
            change = np.round(ours * 8192) - rounded
            assert abs(rounded).max() < 32768 and abs(change).max() < 128
            first.append(rounded.astype("<i2").tobytes())
            second.append(change.astype("i1").tobytes())
        packed = io.BytesIO()
        with gzip.GzipFile("", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
            file.write(b"".join(first + second))
        open(f"{HERE}/{name}.gz", "wb").write(packed.getvalue())


main(sys.argv[1])
