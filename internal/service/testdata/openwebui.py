"""Drives the image router of Open WebUI: its functions image_generations and image_edits.

Usage: openwebui.py FOLDER SERVER KEY, where FOLDER has open_webui/routers/images.py. What
the router imports of the rest of Open WebUI (settings, files, users) is replaced; what is
sent, and how the reply is read, is its own code.
"""

import asyncio
import base64
import importlib.util
import io
import sys
import tempfile
import types
from pathlib import Path
from unittest import mock

import aiohttp
from PIL import Image

folder, server, key = sys.argv[1:]
stored = []
session = None


class Anything(types.ModuleType):
    """A module that has every name."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return mock.MagicMock(name=name)


settings = {}


class Config:
    @staticmethod
    async def get_many(*names):
        return {name: settings.get(name, "") for name in names}


async def get_session():
    return session


async def keep(request, file, metadata, process, user):
    data = await file.read()
    stored.append(Image.open(io.BytesIO(data)))
    return types.SimpleNamespace(id=str(len(stored)), meta={}, filename=file.filename)


def load():
    names = """open_webui open_webui.config open_webui.constants open_webui.env open_webui.events open_webui.internal
        open_webui.internal.db open_webui.models open_webui.models.chats open_webui.models.config open_webui.retrieval
        open_webui.retrieval.web open_webui.retrieval.web.utils open_webui.routers open_webui.routers.files open_webui.utils
        open_webui.utils.access_control open_webui.utils.auth open_webui.utils.headers open_webui.utils.images
        open_webui.utils.images.comfyui open_webui.utils.json_codec open_webui.utils.session_pool"""
    modules = {name: Anything(name) for name in names.split()}
    sys.modules.update(modules)
    config = modules["open_webui.config"]
    config.CACHE_DIR = Path(tempfile.mkdtemp())
    config.ENABLE_OPENAI_IMAGE_EDIT_NORMALIZATION = True
    config.IMAGE_AUTO_SIZE_MODELS_REGEX_PATTERN = "^gpt-image"
    config.IMAGE_URL_RESPONSE_MODELS_REGEX_PATTERN = "^gpt-image|^dall-e-2"
    env = modules["open_webui.env"]
    env.AIOHTTP_CLIENT_SESSION_SSL, env.AIOHTTP_CLIENT_ALLOW_REDIRECTS, env.ENABLE_FORWARD_USER_INFO_HEADERS = True, False, False
    modules["open_webui.models.config"].Config = Config
    modules["open_webui.utils.session_pool"].get_session = get_session
    modules["open_webui.routers.files"].upload_file_handler = keep
    web = modules["open_webui.retrieval.web.utils"]
    web.validate_url, web.get_ssrf_safe_session = lambda url: None, aiohttp.ClientSession
    spec = importlib.util.spec_from_file_location("images", Path(folder) / "open_webui/routers/images.py")
    images = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(images)
    return images


async def main():
    global session
    images = load()
    request = mock.MagicMock()
    async with aiohttp.ClientSession() as session:
        for part in ("image_generation", "images.edit"):
            settings.update({
                f"{part}.engine": "openai", f"{part}.openai.api_base_url": server + "/v1", f"{part}.openai.api_key": key,
                f"{part}.openai.api_version": "", f"{part}.size": "512x512", f"{part}.model": "paint:noise",
            })
        settings["image_generation.openai.params"] = {"quality": "low"}
        made = await images.image_generations(request, images.CreateImageForm(prompt="red", n=2), user=None)
        assert len(made) == len(stored) == 2 and stored[0].size == (512, 512), made
        settings.update({"image_generation.model": "dall-e-2", "image_generation.size": "256x256"})  # answered with addresses
        await images.image_generations(request, images.CreateImageForm(prompt="red", n=1), user=None)
        assert len(stored) == 3 and stored[2].size == (256, 256), stored
        for given in ("JPEG", "PNG"):
            file = io.BytesIO()
            Image.new("RGB", (48, 32), "red").save(file, given)
            url = f"data:image/{given.lower()};base64," + base64.b64encode(file.getvalue()).decode()
            for image in (url, [url, url]):
                before = len(stored)
                await images.image_edits(request, images.EditImageForm(image=image, prompt="remove the cup", n=1, size="64x64", background="auto"), user=None)
                assert len(stored) == before + 1 and stored[-1].size == (64, 64), stored
    print(f"{len(stored)} images")


asyncio.run(main())
