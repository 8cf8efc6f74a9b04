#!/usr/bin/env bash
# Builds llama-server and sd-server from their source distributions on PyPI, gives them
# models of random weights, runs our program against them, and records exchanges, against
# which tests check the doubles.
#
#   tools/compat/real_servers.sh FOLDER      (needs a C++ compiler, cmake, ninja, python3 with venv, Go)
#
# LLAMA_SERVER and SD_SERVER name programs that are built already. Ends with 0 when
# everything that it tried worked.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
work=${1:?a folder for sources, builds, models and results}
mkdir -p "$work" && work=$(cd "$work" && pwd)
llama_port=${LLAMA_PORT:-18080} sd_port=${SD_PORT:-18234}

python=$work/venv/bin/python
[ -x "$python" ] || { python3 -m venv "$work/venv" && "$work/venv/bin/pip" -q install numpy gguf; }

# source PACKAGE VERSION DIRECTORY: unpacks the source distribution, the server's own tree within.
source_of() {
	local package=$1 version=$2
	local tree=$work/src/${package//-/_}-$version
	[ -d "$tree" ] || {
		mkdir -p "$work/src"
		"$work/venv/bin/pip" download -q --no-deps --no-binary :all: -d "$work/src" "$package==$version"
		tar -xf "$work/src/${package//-/_}-$version.tar.gz" -C "$work/src"
	} >&2
	echo "$tree/vendor/$3"
}

if [ -z "${LLAMA_SERVER:-}" ]; then
	cmake -S "$(source_of llama-cpp-python 0.3.36 llama.cpp)" -B "$work/llama" -G Ninja -DCMAKE_BUILD_TYPE=Release -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
		-DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_TOOLS=ON -DLLAMA_CURL=OFF
	ninja -C "$work/llama" llama-server
	LLAMA_SERVER=$work/llama/bin/llama-server
fi
if [ -z "${SD_SERVER:-}" ]; then
	cmake -S "$(source_of stable-diffusion-cpp-python 0.4.7 stable-diffusion.cpp)" -B "$work/sd" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSD_WEBP=OFF -DSD_WEBM=OFF \
		-DSD_BUILD_EXAMPLES=ON -DSD_SERVER_BUILD_FRONTEND=OFF
	ninja -C "$work/sd" sd-server
	SD_SERVER=$work/sd/bin/sd-server
fi

models=$work/models
[ -f "$models/llama.gguf" ] || "$python" "$here/tools/compat/tiny_models.py" "$models"
(cd "$here" && GOEXPERIMENT=simd go build -o "$work/reflectionflow" ./cmd/reflectionflow)

"$LLAMA_SERVER" --model "$models/llama.gguf" --alias tiny-random --port "$llama_port" -c 8192 >"$work/llama.log" 2>&1 &
llama=$!
"$SD_SERVER" --diffusion-model "$models/flux.safetensors" --tae "$models/tae.safetensors" --clip_l "$models/clip_l.safetensors" --listen-port "$sd_port" --steps 1 >"$work/sd.log" 2>&1 &
sd=$!
trap 'kill $llama $sd 2>/dev/null' EXIT
for url in "http://127.0.0.1:$llama_port/v1/models" "http://127.0.0.1:$sd_port/v1/models"; do
	until "$python" -c "import urllib.request as u; u.urlopen('$url', timeout=5).read()" 2>/dev/null; do
		kill -0 "$llama" "$sd" # ends the script when a server has
		sleep 1
	done
done

"$python" "$here/tools/compat/record.py" llama "http://127.0.0.1:$llama_port" "$work/recorded/llama.cpp"
"$python" "$here/tools/compat/record.py" sd "http://127.0.0.1:$sd_port" "$work/recorded/stable-diffusion.cpp"

cat >"$work/deployment.yaml" <<YAML
generators:
  native: {type: remote, url: "sdcpp+http://127.0.0.1:$sd_port?concurrency=1", size: 64, steps: 1, guidance: 3.5}
  openai: {type: remote, url: "openai+http://127.0.0.1:$sd_port/v1", size: 64}
search: {strategy: noise, budget: 1, seed: 3}
YAML
for generator in native openai; do
	rm -rf "${work:?}/run-$generator"
	sed "\$a use: {generator: $generator}" "$work/deployment.yaml" >"$work/$generator.yaml"
	"$work/reflectionflow" generate "a photo of two clocks" --config "$work/$generator.yaml" --out "$work/run-$generator" --quiet
	test -s "$work/run-$generator/best.png"
	echo "sd-server, $generator: image generated"
done
# The client of language models, with a model whose answers are useless but have the required form.
(cd "$here" && GOEXPERIMENT=simd LLAMA_SERVER_URL="http://127.0.0.1:$llama_port/v1" go test ./internal/completions -count=1 -v -run TestRealServer)
