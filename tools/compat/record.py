"""Records exchanges with real servers, against which tests check the doubles.

    python record.py llama|sd BASE_URL FOLDER

Writes one JSON file per exchange: request, status, reply. Needs nothing but Python.
Values that differ between runs (ids, times, the images' bytes) are kept as received;
the tests compare shapes.
"""

import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

COLOR = {"type": "object", "additionalProperties": False, "required": ["color"], "properties": {"color": {"type": "string", "enum": ["red", "blue"]}}}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def question(content, **more):
    return {"model": "tiny-random", "messages": [{"role": "user", "content": content}], "temperature": 0, **more}


LLAMA = {
    "models": ("GET", "/v1/models", None),
    "plain": ("POST", "/v1/chat/completions", question("a", max_tokens=1)),
    "logprobs": ("POST", "/v1/chat/completions", question("a", max_tokens=1, logprobs=True, top_logprobs=2)),
    "schema": ("POST", "/v1/chat/completions", question("Answer", max_tokens=60, response_format={"type": "json_schema", "json_schema": {"name": "color", "strict": True, "schema": COLOR}})),
    "image-refused": ("POST", "/v1/chat/completions", question([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": PIXEL}}], max_tokens=1)),
    "broken": ("POST", "/v1/chat/completions", '{"messages":['),
}

DRAWING = {
    "prompt": "a cat", "width": 64, "height": 64, "seed": 7, "batch_count": 1, "output_format": "png",
    "sample_params": {"sample_steps": 1, "guidance": {"txt_cfg": 1, "distilled_guidance": 3.5}},
}
SD = {
    "submit": ("POST", "/sdcpp/v1/img_gen", DRAWING),
    "job-waiting": ("GET", "/sdcpp/v1/jobs/{id}", None),
    "job-completed": ("GET", "/sdcpp/v1/jobs/{id}", None),
    "cancel-late": ("POST", "/sdcpp/v1/jobs/{id}/cancel", ""),
    "job-unknown": ("GET", "/sdcpp/v1/jobs/nonsense", None),
    "broken": ("POST", "/sdcpp/v1/img_gen", '{"prompt":'),
    "openai-no-prompt": ("POST", "/v1/images/generations", {"n": 1}),
    "openai-generations": ("POST", "/v1/images/generations", {"prompt": "a cat", "n": 1, "size": "64x64", "output_format": "png"}),
}


def exchange(base, method, path, body):
    data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=3600) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read())


def main():
    kind, base, folder = sys.argv[1], sys.argv[2].rstrip("/"), pathlib.Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    job = ""
    for name, (method, path, body) in {"llama": LLAMA, "sd": SD}[kind].items():
        path = path.replace("{id}", job)
        status, came = exchange(base, method, path, body)
        while name == "job-completed" and came.get("status") in ("queued", "generating"):
            time.sleep(1)
            status, came = exchange(base, method, path, body)
        if name == "submit":
            job = came["id"]
        record = {"method": method, "path": path, "sent": body, "status": status, "came": came}
        (folder / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        print(kind, name, status, flush=True)


if __name__ == "__main__":
    main()
