"""Drives the doubles with OpenAI's own Python SDK (openai 3.54.0 when last run).

Run by TestPythonSDK where OPENAI_PYTHON names a Python that has the package:
    python3 -m venv sdk && sdk/bin/pip install openai
    OPENAI_PYTHON=$PWD/sdk/bin/python go test ./internal/testserver -run PythonSDK
"""
import base64
import sys

import openai

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
chat, images = (openai.OpenAI(base_url=url, api_key="k-1", max_retries=0) for url in sys.argv[1:3])
schema = {"type": "object", "additionalProperties": False, "required": ["color"], "properties": {"color": {"type": "string"}}}
answer = chat.chat.completions.create(
    model="double-1", max_tokens=16, seed=1, logprobs=True, top_logprobs=2,
    messages=[{"role": "user", "content": [
        {"type": "text", "text": "Which color?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(PNG).decode()}}]}],
    response_format={"type": "json_schema", "json_schema": {"name": "check", "strict": True, "schema": schema}})
assert '"color"' in answer.choices[0].message.content and answer.usage.total_tokens == 110 and answer.choices[0].finish_reason == "stop"
assert [m.id for m in chat.models.list()] == ["double-1"]
answer = chat.chat.completions.create(
    model="double-1", max_tokens=1, logprobs=True, top_logprobs=2, messages=[{"role": "user", "content": "yes or no?"}])
assert {t.token for t in answer.choices[0].logprobs.content[0].top_logprobs} == {"yes", "no"}
drawn = images.images.generate(model="gpt-image-1", prompt="a cat", n=2, size="1024x1024", output_format="png")
assert len(drawn.data) == 2 and base64.b64decode(drawn.data[0].b64_json).startswith(b"\x89PNG") and drawn.usage.output_tokens == 200
edited = images.images.edit(model="gpt-image-1", prompt="a cat", n=1, size="1024x1024", image=("a.png", PNG, "image/png"))
assert base64.b64decode(edited.data[0].b64_json).startswith(b"\x89PNG")
try:
    images.images.generate(model="gpt-image-1", prompt="forbidden", size="1024x1024")
    raise SystemExit("a refusal came as an image")
except openai.BadRequestError as e:
    assert e.code == "moderation_blocked"
try:
    openai.OpenAI(base_url=sys.argv[1], api_key="wrong", max_retries=0).chat.completions.create(model="double-1", messages=[{"role": "user", "content": "?"}])
    raise SystemExit("a wrong key was taken")
except openai.AuthenticationError as e:
    assert e.code == "invalid_api_key"
