"""Makes reference.safetensors, the fixture of the tests, with the reference
implementation:  pip install safetensors numpy ml_dtypes && python make.py
The package and its tests need no Python."""

import os

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

here = os.path.dirname(os.path.abspath(__file__))
values = np.array([[0.0, -1.0, 1.0 / 3.0], [65504.0, 1e-7, -2.5]], dtype=np.float32)
save_file(
    {
        "b.half": values.astype(np.float16),
        "a.brain": values.astype(ml_dtypes.bfloat16),
        "z.float": values,
        'quote " <é> \n': values[0, :1],
        "odd.half": values[0].astype(np.float16),
        "double": values[1].astype(np.float64),
        "ids": np.array([1, -2, 3], dtype=np.int64),
        "bytes": np.array([0, 255], dtype=np.uint8),
        "scalar": np.array(7.0, dtype=np.float32),
        "empty": np.zeros((0, 4), dtype=np.float32),
    },
    os.path.join(here, "reference.safetensors"),
    metadata={"format": "np"},
)
