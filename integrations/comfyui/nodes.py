"""Nodes of ComfyUI that search, correct and verify images with `reflectionflow serve`."""

import io
import json
import os
import threading
import time

import numpy
import torch
from PIL import Image

import comfy.model_management
import comfy.utils
import folder_paths

from . import client

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT = "default"  # leaves the choice to the server
STRATEGIES = ["reflection", "adaptive", "noise", "noise-prompt"]  # while no server answers
MAX_BATCH = 64
PREVIEW_SIDE = 512


def settings():
    """Returns address and key of the server: from the environment, else from ComfyUI's
    settings. Neither is ever an input of a node, since inputs are saved into images, and
    since a workflow of somebody else must not decide to whom the key is sent."""
    saved = {}
    try:
        with open(os.path.join(folder_paths.get_user_directory(), "default", "comfy.settings.json"), encoding="utf-8") as f:
            saved = json.load(f)
    except (OSError, ValueError):
        pass
    if not isinstance(saved, dict):
        saved = {}

    def one(name, key, default):
        return os.environ.get(name) or str(saved.get(key) or default)

    return one("REFLECTIONFLOW_URL", "ReflectionFlow.url", DEFAULT_URL), one("REFLECTIONFLOW_API_KEY", "ReflectionFlow.key", "").strip()


def server():
    return client.Server(*settings())


class Offers:
    """What the server offers. The editor asks often, so answers are kept for a while."""

    KEEP_SECONDS = 30
    ASK_SECONDS = 2  # how long the editor may have to wait

    def __init__(self):
        self._lock = threading.Lock()
        self._of, self._at, self._offer, self._error = None, 0.0, {}, None

    def get(self, again=False):
        """Returns the server's description and the error that kept us from it, or None.
        Where again is set, an error is not remembered."""
        with self._lock:
            of = settings()
            if of != self._of or time.monotonic() - self._at > self.KEEP_SECONDS or again and self._error:
                self._of, self._offer, self._error = of, {}, None
                try:
                    self._offer = client.Server(*of).models(self.ASK_SECONDS)
                except client.Error as e:
                    self._error = e
                self._at = time.monotonic()
            return self._offer, self._error

    def models(self, again=False):
        offer, error = self.get(again)
        return [m["name"] for m in offer.get("models", [])], error

    def strategies(self):
        return self.get()[0].get("strategies") or STRATEGIES

    def verifiers(self):
        names = []
        for model in self.get()[0].get("models", []):
            names += [v for v in model.get("verifiers", []) if v not in names]
        return names


offers = Offers()


def to_file(image):
    """Returns an image [height, width, channels] of values in [0, 1] as a PNG file."""
    pixels = numpy.clip(image.detach().cpu().numpy() * 255.0 + 0.5, 0, 255).astype(numpy.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()


def from_file(file):
    """Is the reverse of to_file: [height, width, 3]."""
    image = Image.open(io.BytesIO(file)).convert("RGB")
    return torch.from_numpy(numpy.asarray(image).astype(numpy.float32) / 255.0)


def describe(requirement):
    """Says in words what a requirement asks for."""
    if requirement.get("words"):
        return requirement["words"]
    keys = ("kind", "count", "color", "object", "value", "relation", "target_color", "target", "second")
    return " ".join(str(requirement[k]) for k in keys if requirement.get(k))


def findings(score):
    """Returns the findings of a score, a line for each."""
    lines = []
    for f in score.get("requirements", []):
        verdict = "not judged" if f.get("unjudged") else f["verdict"].replace("_", " ")
        lines.append(f"{verdict}: {describe(f['requirement'])}" + ("" if f.get("unjudged") else f" ({f['confidence']:.2f})"))
    if score.get("unanswered"):
        lines.append(f"no verdict: {score['unanswered']}")
    return "\n".join(lines)


def numbered(texts):
    """Joins the texts of a batch: with a heading for each image where there are several."""
    if len(texts) == 1:
        return texts[0]
    return "\n".join(f"image {i}:\n{text}" for i, text in enumerate(texts))


def base64_of(file):
    return client.base64.b64encode(file).decode()


def images_of(budget):
    """Returns how many images a budget allows, 0 where that is unknown."""
    return int(budget) if budget.strip().isdigit() else 0


class Progress:
    """Shows the images of all jobs of a node as they come."""

    def __init__(self, jobs, budget, node):
        self.each = max(1, images_of(budget))
        self.bar = comfy.utils.ProgressBar(jobs * self.each, node_id=node)
        self.done = [0] * jobs

    def candidate(self, server, i, job, event):
        self.done[i] = min(self.done[i] + 1, self.each)
        preview = None
        if event.get("image"):
            try:
                file = server.image(job, event["candidate"]["id"], f"?format=jpeg&side={PREVIEW_SIDE}")
                preview = ("JPEG", Image.open(io.BytesIO(file)).convert("RGB"), PREVIEW_SIDE)
            except (client.Error, OSError):
                pass  # a preview less
        self.bar.update_absolute(sum(self.done), preview=preview)

    def end(self):
        self.bar.update_absolute(self.bar.total)


def search_settings(strategy, budget, width, height, steps, more):
    """Returns the settings of a search as the API takes them."""
    s = {"budget": budget.strip()}
    if strategy != DEFAULT:
        s["strategy"] = strategy
    if (width > 0) != (height > 0):
        raise client.Error("width and height: give both, or leave both at 0 for the model's own size")
    if width > 0:
        s["size"] = f"{width}x{height}"
    if steps > 0:
        s["steps"] = steps
    if more.strip():
        try:
            extra = json.loads(more)
        except ValueError as e:
            raise client.Error(f'settings is no JSON object, such as {{"width": 2}}: {e}') from e
        if not isinstance(extra, dict):
            raise client.Error('settings is no JSON object, such as {"width": 2}')
        if "seed" in extra:
            raise client.Error("settings has a seed: use the node's own")
        s.update(extra)
    return s


def run(requests, budget, node):
    """Runs a job per request; returns the images and the texts that nodes give."""
    if len(requests) > MAX_BATCH:
        raise client.Error(f"{len(requests)} images at once: at most {MAX_BATCH} are allowed")
    to = server()
    progress = Progress(len(requests), budget, node)
    jobs = client.search(to, requests, comfy.model_management.throw_exception_if_processing_interrupted,
                         lambda i, job, event: progress.candidate(to, i, job, event))
    progress.end()
    images = []
    for job in jobs:
        if job["outcome"]["best"] < 0:
            raise client.Error(f"job {job['id']} found no image")
        images.append(from_file(to.image(job["id"], job["outcome"]["best"])))
    scores = [job["outcome"]["score"] for job in jobs]
    return (torch.stack(images), "\n".join(f"{s['value']:.4f}" for s in scores),
            numbered([findings(s) for s in scores]), "\n".join(job["id"] for job in jobs))


def search_inputs():
    """The inputs that Generate and Correct share: required and optional ones."""
    names, _ = offers.models()
    return {
        "model": ([DEFAULT, *names], {"tooltip": "a model of the server"}),
        "strategy": ([DEFAULT, *offers.strategies()], {"tooltip": "how the search goes on from an image"}),
        "budget": ("STRING", {"default": "8", "tooltip": "images (8) or time (30s) for each result"}),
        "seed": ("INT", {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF, "control_after_generate": True,
                         "tooltip": "the same inputs and seed give the same image; image i of a batch has seed + i"}),
    }, {
        "width": ("INT", {"default": 0, "min": 0, "max": 4096, "step": 16, "tooltip": "0 for the model's own"}),
        "height": ("INT", {"default": 0, "min": 0, "max": 4096, "step": 16, "tooltip": "0 for the model's own"}),
        "steps": ("INT", {"default": 0, "min": 0, "max": 1000, "tooltip": "denoising steps; 0 for the model's own"}),
        "settings": ("STRING", {"default": "", "tooltip": 'more settings of the search in JSON, such as {"width": 2, "early_stop": false}'}),
    }


def known(model, **choices):
    """Validates choices from lists that only the server knows. ComfyUI would compare them
    with the list that was shown last, which is empty while the server is away."""
    names, error = offers.models(again=True)
    if error:
        return str(error)
    if model not in (DEFAULT, *names):
        return f"the server has no model {model!r}: it has {', '.join(names)}"
    for kind, (value, allowed) in choices.items():
        if value not in (DEFAULT, *allowed):
            return f"the server has no {kind} {value!r}: it has {', '.join(allowed) or 'none to choose from'}"
    return True


class Node:
    CATEGORY = "ReflectionFlow"
    FUNCTION = "run"

    @classmethod
    def VALIDATE_INPUTS(cls, model, strategy):
        return known(model, strategy=(strategy, offers.strategies()))


class Search(Node):
    RETURN_TYPES = ("IMAGE", "STRING", "STRING", "STRING")
    RETURN_NAMES = ("image", "score", "requirements", "job")


class Generate(Search):
    DESCRIPTION = "Searches for the image that shows what the prompt asks for, on a ReflectionFlow server."

    @classmethod
    def INPUT_TYPES(cls):
        required, optional = search_inputs()
        return {
            "required": {
                "prompt": ("STRING", {"multiline": True, "default": "a photo of two clocks"}), **required,
                "batch_size": ("INT", {"default": 1, "min": 1, "max": MAX_BATCH, "tooltip": "searches, each with a seed and an image of its own"}),
            },
            "optional": optional, "hidden": {"node": "UNIQUE_ID"},
        }

    def run(self, prompt, model, strategy, budget, seed, batch_size, width=0, height=0, steps=0, settings="", node=None):
        search = search_settings(strategy, budget, width, height, steps, settings)
        requests = [{"prompt": prompt, "model": named(model), "search": {**search, "seed": (seed + i) % 2**64}} for i in range(batch_size)]
        return run(requests, budget, node)


class Correct(Search):
    DESCRIPTION = "Corrects each image of a batch by your own words, on a ReflectionFlow server whose model can correct."

    @classmethod
    def INPUT_TYPES(cls):
        required, optional = search_inputs()
        return {
            "required": {
                "image": ("IMAGE",),
                "prompt": ("STRING", {"multiline": True, "default": "a photo of two clocks", "tooltip": "what the image should show"}),
                "reflection": ("STRING", {"multiline": True, "default": "", "tooltip": "what is wrong with the image, and how to fix it"}), **required,
            },
            "optional": optional, "hidden": {"node": "UNIQUE_ID"},
        }

    def run(self, image, prompt, reflection, model, strategy, budget, seed, width=0, height=0, steps=0, settings="", node=None):
        search = search_settings(strategy, budget, width, height, steps, settings)
        requests = [{
            "prompt": prompt, "model": named(model), "search": {**search, "seed": (seed + i) % 2**64},
            "correct": {"image": base64_of(to_file(one)), "reflection": reflection},
        } for i, one in enumerate(image[:MAX_BATCH + 1])]
        return run(requests, budget, node)


class Verify(Node):
    DESCRIPTION = "Judges each image of a batch by a prompt, and gives the best one: of ReflectionFlow or of anything else."
    RETURN_TYPES = ("IMAGE", "FLOAT", "BOOLEAN", "STRING", "STRING")
    RETURN_NAMES = ("best", "score", "right", "scores", "requirements")

    @classmethod
    def INPUT_TYPES(cls):
        names, _ = offers.models()
        return {
            "required": {
                "image": ("IMAGE",),
                "prompt": ("STRING", {"multiline": True, "default": "a photo of two clocks"}),
                "model": ([DEFAULT, *names], {"tooltip": "the model whose verifier judges"}),
                "verifier": ([DEFAULT, *offers.verifiers()], {"tooltip": "a variant of the model's verifier"}),
            },
            "hidden": {"node": "UNIQUE_ID"},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, model, verifier):
        return known(model, verifier=(verifier, offers.verifiers()))

    def run(self, image, prompt, model, verifier, node=None):
        to, poll, verdicts = server(), comfy.model_management.throw_exception_if_processing_interrupted, []
        bar = comfy.utils.ProgressBar(len(image), node_id=node)
        for one in image:
            poll()
            file = to_file(one)
            verdicts.append(client.patient(lambda: to.verify(prompt, file, named(model), named(verifier)), poll))
            bar.update(1)
        scores = [v["score"] for v in verdicts]
        best = max(range(len(scores)), key=lambda i: scores[i]["value"])
        return (image[best:best + 1], scores[best]["value"], verdicts[best]["right"],
                "\n".join(f"{s['value']:.4f}" for s in scores), numbered([findings(s) for s in scores]))


def named(choice):
    return "" if choice == DEFAULT else choice


NODE_CLASS_MAPPINGS = {"ReflectionFlowGenerate": Generate, "ReflectionFlowCorrect": Correct, "ReflectionFlowVerify": Verify}
NODE_DISPLAY_NAME_MAPPINGS = {
    "ReflectionFlowGenerate": "ReflectionFlow Generate", "ReflectionFlowCorrect": "ReflectionFlow Correct", "ReflectionFlowVerify": "ReflectionFlow Verify",
}
