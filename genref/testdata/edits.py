"""Writes edits.parquet, as the datasets library writes a set of edits with images.

Run with pyarrow 26 and pillow 13: python edits.py
"""

import io

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def encoded_image(color, kind="PNG"):
    data = io.BytesIO()
    image = Image.new("RGB", (16, 16), color)
    image.paste((255, 255, 255), (4, 4, 8, 8))
    image.save(data, kind)
    return {"bytes": data.getvalue(), "path": None}


rows = [
    ("red", "blue", ["make it blue", "turn the picture blue"], "PNG"),
    ("green", "black", ["make it black"], "JPEG"),
    ("white", "orange", ["paint it orange"], "WEBP"),
    ("red", "red", ["leave it"], "PNG"),
    ("red", None, ["lose it"], "PNG"),
    ("pink", "brown", [], "PNG"),
    ("brown", "pink", ["make it pink"], "PNG"),
]
image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
table = pa.table(
    {
        "id": pa.array(range(len(rows)), pa.int64()),
        "src_img": pa.array([encoded_image(a, kind) for a, _, _, kind in rows], image),
        "edited_img": pa.array([encoded_image(b, kind) if b else None for _, b, _, kind in rows], image),
        "edited_prompt_list": pa.array([words for _, _, words, _ in rows], pa.list_(pa.string())),
    }
)
pq.write_table(table, "edits.parquet", row_group_size=3, compression="zstd")
