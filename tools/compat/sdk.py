#!/usr/bin/env python3
"""Drives `reflectionflow serve` with the openai package for Python, unchanged.

    OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=any python tools/compat/sdk.py
"""
import base64, os

import openai

client = openai.OpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key=os.environ.get("OPENAI_API_KEY") or "any", max_retries=0)


def png(text):
    data = base64.b64decode(text)
    assert data.startswith(b"\x89PNG"), data[:8]
    return data


models = [m.id for m in client.models.list()]
assert len(models) > 1 and client.models.retrieve(models[0]).id == models[0]
print("models:", models[0], "and", len(models) - 1, "more")

reply = client.images.generate(prompt="a photo of two clocks", model=models[0], n=2, quality="low", extra_body={"reflectionflow": {"seed": 1, "details": True}})
files = [png(d.b64_json) for d in reply.data]
assert len(files) == 2 and files[0] != files[1] and reply.usage.total_tokens == 0
assert reply.data[0].reflectionflow["job"]
reply = client.images.generate(prompt="a photo of two clocks", size="1024x1024", quality="low")
assert reply.size == "1024x1024" and png(reply.data[0].b64_json)[16:24] == b"\0\0\x04\0" * 2
print("generations: 2 images, and one of 1024x1024")

for image in (("image.png", files[0]), [("image.png", files[0])]):
    reply = client.images.edit(image=image, prompt="There is one clock. Add one clock.", quality="low", extra_body={"reflectionflow": '{"prompt": "a photo of two clocks"}'})
    png(reply.data[0].b64_json)
print("edits: one file, and a list")

kinds = []
for event in client.images.generate(prompt="a photo of two clocks", stream=True, partial_images=2, quality="medium"):
    kinds.append(event.type)
    png(event.b64_json)
assert kinds[-1] == "image_generation.completed" and "image_generation.partial_image" in kinds, kinds
print("stream:", ", ".join(kinds))

for want, call in (
    (openai.BadRequestError, lambda: client.images.generate(prompt="a photo of two clocks", n=99)),
    (openai.NotFoundError, lambda: client.images.generate(prompt="a photo of two clocks", model="dall-e-9")),
    (openai.NotFoundError, lambda: client.models.retrieve("dall-e-9")),
):
    try:
        call()
    except want as error:
        assert error.request_id and error.body["message"], error
    else:
        raise AssertionError(f"{want.__name__} was not raised")
print("errors: typed, with request IDs")
print("openai for Python", openai.__version__, "passes")
