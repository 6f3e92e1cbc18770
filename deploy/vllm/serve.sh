#!/bin/sh
# Serves a model's directory with vLLM, under the name that its manifest tells, in the arithmetic that it was
# measured in (float32). Whatever stands behind the directory is given to vLLM.
#   deploy/vllm/serve.sh model_store/models/NAME [--port 8000 …]
set -eu
[ -f "${1:-}/manifest.toml" ] || { echo "usage: $0 MODEL_DIRECTORY [options of vLLM]" >&2; exit 2; }
directory=$1
shift
name=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$directory/manifest.toml")
exec "${PYTHON:-python3}" -m vllm.entrypoints.openai.api_server --model "$directory" --served-model-name "$name" \
	--dtype float32 --block-size 32 "$@"
