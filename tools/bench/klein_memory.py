"""Memory and time of FLUX.2 [klein] 4B at its true shapes, with the random weights of random_klein.py.

    python3 tools/bench/random_klein.py bf16 DIR/bf16      # 16 GB
    python3 tools/bench/random_klein.py q4_k DIR/q4_k      # 4.9 GB
    GOEXPERIMENT=simd go build -o bin/reflectionflow ./cmd/reflectionflow
    GOEXPERIMENT=simd go build -o bin/bench-worker ./tools/bench/worker
    python3 tools/bench/klein_memory.py DIR                # all runs below, about 40 minutes on two cores
    python3 tools/bench/klein_memory.py DIR --only start-q4_k q4_k-512

The runs "start" take a model from its files to two denoising steps in bin/bench-worker, and say what each part takes.
The runs "again" start `generate` twice with the same prompt and an empty cache of embeddings: the second start need not encode it.
Every other run is one `generate`. Its memory is sampled 50 times a second from /proc: "peak" is the largest resident set, with
the pages of weights that are mapped (VmHWM), "anonymous" the largest part of it that is not backed by a file (RssAnon).
A run that exceeds its bound is marked, and the script then fails. The runs of one form share the page cache: the first
one may read the disk. Linux only; needs nothing but Python and the program.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = "two red cups and a dog"
CORRECTION = ["--strategy", "reflection", "--budget", "2"]  # an image, and a correction of it
ONE = ["--strategy", "noise", "--budget", "1"]
GB = 1e9

# Name, flags, and the bounds of peak and of anonymous memory in GB; 0 is none.
RUNS = [
    ("q4_k-512", [*CORRECTION, "--size", "512"], 7, 0),
    ("q4_k-1024", [*ONE, "--size", "1024"], 7, 0),
    ("q4_k-1024-correction", [*CORRECTION, "--size", "1024"], 7, 0),
    ("q4_k-512-f32", [*CORRECTION, "--size", "512", "--precision", "f32"], 7, 0),
    ("q4_k-512-auto", [*CORRECTION, "--size", "512", "--precision", "auto"], 7, 0),
    ("q4_k-512-bound", [*CORRECTION, "--size", "512", "--memory", "1070MB"], 0, 1.45),  # 1.07 for images, 0.13 for programs, 0.25 before
    ("bf16-512", [*CORRECTION, "--size", "512"], 0, 4),
    ("bf16-1024", [*ONE, "--size", "1024"], 0, 4),
    ("bf16-1024-correction", [*CORRECTION, "--size", "1024"], 0, 4),
]


STARTS = ["start-q4_k", "start-bf16"]
AGAIN = ["again-q4_k", "again-bf16"]
PARTS = ["open the files", "compile the text encoder", "encode a text", "encode it again", "compile a step", "first step", "second step"]


def weights(folder, form):
    """The paths of the weights, by the keys of a configuration."""
    at = folder / form
    if form == "bf16":
        return {"model": str(at)}
    return {"model": str(at / "flux-2-klein-4b-Q4_K.gguf"), "text_encoder": str(at / "qwen3-4b-Q4_K.gguf"), "vae": str(at / "vae"), "tokenizer": str(at / "tokenizer")}


def model(folder, form):
    """The flags that name the weights."""
    return [word for key, path in weights(folder, form).items() for word in ("--" + key.replace("_", "-"), path)]


def start(options, name):
    """Prints what the parts of a start take, twice: the first one may read the disk."""
    request = json.dumps({"do": "start", "model": weights(options.folder, name.split("-")[1]), "size": 512})
    for turn in ("first", "again"):
        out = subprocess.run([options.worker, "--backend", "cpu:" + options.precision], input=request + "\n", stdout=subprocess.PIPE, text=True)
        answer = json.loads(out.stdout or "{}")
        if "values" not in answer:
            print(f"{name}: {answer.get('error', 'the worker ended')}")
            return False
        seconds = dict(zip(PARTS, answer["values"]))
        loading = sum(seconds[part] for part in ("open the files", "compile the text encoder", "compile a step"))
        print(f"{name} {turn}: to the first step {loading:.2f} s without the text and {loading + seconds['encode a text']:.2f} s with it; "
              + ", ".join(f"{part} {s:.2f} s" for part, s in seconds.items()), flush=True)
    return True


def again(options, name):
    """Prints how long two starts take beside their image: before its first step, and after it, with the verifier."""
    with tempfile.TemporaryDirectory() as scratch:
        for turn in ("first", "again"):
            out = os.path.join(scratch, turn)
            command = [options.program, "generate", PROMPT, *model(options.folder, name.split("-")[1]), *ONE, "--size", "512", "--steps", "1",
                       "--precision", options.precision, "--out", out]
            begin = time.time()
            done = subprocess.run(command, env=dict(os.environ, XDG_CACHE_HOME=scratch), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            seconds = time.time() - begin
            if done.returncode != 0:
                print(f"{name}: {done.stdout}")
                return False
            image = sum(images(out))
            print(f"{name} {turn}: {seconds:.2f} s, of which {image:.2f} s for the text and the image, and {seconds - image:.2f} s for all else", flush=True)
    return True


def status(pid):
    """Resident, anonymous and largest resident memory in bytes; None if the process has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in text.splitlines())
    if "VmHWM" not in fields:
        return None
    return {key: 1024 * int(fields[key].split()[0]) for key in ("VmRSS", "RssAnon", "VmHWM")}


def watch(command, timeline):
    """Runs the command: seconds, peaks and what it wrote."""
    samples, begin = [], time.time()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            if now := status(process.pid):
                samples.append((time.time() - begin, now))
            time.sleep(0.02)
        seconds = time.time() - begin
        log.seek(0)
        text = log.read()
    usage = os.times()
    if timeline:
        every = max(1, len(samples) // 60)
        for at, now in samples[::every]:
            print(f"    {at:7.1f} s  resident {now['VmRSS'] / GB:5.2f}  anonymous {now['RssAnon'] / GB:5.2f} GB")
    return {
        "seconds": seconds, "cpu": usage.children_user + usage.children_system, "code": process.returncode, "log": text,
        "peak": max((now["VmHWM"] for _, now in samples), default=0), "anonymous": max((now["RssAnon"] for _, now in samples), default=0),
    }


def images(out):
    """Seconds of every image, from the run folder."""
    file = pathlib.Path(out) / "timing.jsonl"
    return [json.loads(line)["seconds"] for line in file.read_text().splitlines()] if file.exists() else []


def measure(options, name, flags, bounds):
    """One line of the table, and whether the bounds are kept."""
    before = sum(os.times()[2:4])
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, "run")
        precision = [] if "--precision" in flags else ["--precision", options.precision]
        steps = ["--steps", options.steps] if options.steps else []
        command = [options.program, "generate", PROMPT, *model(options.folder, name.split("-")[0]), *flags, *precision, *steps, "--out", out]
        got = watch(command, options.timeline)
        each = images(out)
    peak, anonymous = got["peak"] / GB, got["anonymous"] / GB
    kept = got["code"] == 0 and (not bounds[0] or peak <= bounds[0]) and (not bounds[1] or anonymous <= bounds[1])
    print(f"{name:24} {got['seconds']:7.1f} s  {got['cpu'] - before:7.1f} s of CPU  peak {peak:5.2f} GB  anonymous {anonymous:5.2f} GB  images {' '.join(f'{s:.1f}' for s in each)} s"
          + ("" if kept else f"  EXCEEDS OR FAILED (exit code {got['code']})"), flush=True)
    if got["code"] != 0 or options.log:
        print(got["log"])
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="with the folders bf16 and q4_k")
    parser.add_argument("--program", default=str(ROOT / "bin" / "reflectionflow"))
    parser.add_argument("--worker", default=str(ROOT / "bin" / "bench-worker"))
    parser.add_argument("--precision", default="bf16", help="default bf16")
    parser.add_argument("--only", nargs="+", choices=STARTS + AGAIN + [run[0] for run in RUNS], help="these runs")
    parser.add_argument("--steps", help="of an image, instead of 4: memory does not depend on them")
    parser.add_argument("--timeline", action="store_true", help="print the memory over time")
    parser.add_argument("--log", action="store_true", help="print what the program writes")
    options = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.1f}", flush=True)
    kept = [start(options, name) for name in STARTS if not options.only or name in options.only]
    kept += [again(options, name) for name in AGAIN if not options.only or name in options.only]
    kept += [measure(options, name, flags, bounds) for name, flags, *bounds in RUNS if not options.only or name in options.only]
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
