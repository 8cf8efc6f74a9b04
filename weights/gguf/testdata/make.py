"""Writes reference.gguf with the Python package gguf (0.19): metadata of every type, and for
every quantized type NAME a tensor NAME of random blocks and a tensor NAME.values, which holds
what gguf.quants.dequantize makes of them. golden.json holds one block per type from the same
package. Usage: make.py [FILE [BLOCKS]]"""
import sys
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Q, GGUFValueType as V, GGUFWriter
from gguf.quants import dequantize

TYPES = {  # byte offsets of the float16 numbers of a block
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}
path = sys.argv[1] if len(sys.argv) > 1 else "reference.gguf"
blocks = int(sys.argv[2]) if len(sys.argv) > 2 else 2
r = np.random.default_rng(1)
w = GGUFWriter(path, "flux")
for name, value in (("uint8", 255), ("int8", -1), ("uint16", 65535), ("int16", -2), ("uint32", 7), ("int32", -3),
                    ("float32", 0.5), ("bool", True), ("uint64", 1 << 40), ("int64", -4), ("float64", 0.1)):
    w.add_key_value("test." + name, value, V[name.upper()])
w.add_string("test.text", "größe")
w.add_array("test.strings", ["a", "", "bc"])
w.add_array("test.ints", [1, -2, 3])
w.add_array("comfy.gguf.orig_shape.Q4_0.reshaped", [4, 8, 2])
w.add_tensor("vector", np.arange(5, dtype=np.float32))
w.add_tensor("half", np.array([[1, -2, 65504], [6e-8, -0.0, 0.1]], dtype=np.float16))
w.add_tensor("conv", np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2))
brain = np.array([[1, -2, 3e38]], dtype=np.float32).view(np.uint32) >> 16
w.add_tensor("brain", brain.astype(np.uint16).view(np.uint8), raw_dtype=Q.BF16)
special = [0.0, -0.0, 6e-8, -65504.0, 1.0]
for name, offsets in TYPES.items():
    size = GGML_QUANT_SIZES[Q[name]][1]
    b = r.integers(0, 256, (2, blocks, size), dtype=np.uint8)
    for at in offsets:
        d = r.normal(0, 0.05, (2, blocks)).astype(np.float16)
        d.reshape(-1)[-5:] = special[-d.size:] if blocks > 2 else d.reshape(-1)[-5:]
        b[:, :, at:at + 2] = d.view(np.uint8).reshape(2, blocks, 2)
    b = b.reshape(2, blocks * size)
    w.add_tensor(name, b, raw_dtype=Q[name])
    w.add_tensor(name + ".values", dequantize(b, Q[name]))
    if name == "Q4_0" and blocks == 2:
        w.add_tensor("Q4_0.reshaped", b[:1], raw_dtype=Q.Q4_0)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
