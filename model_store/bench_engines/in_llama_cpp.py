"""The network in GGUF, run by llama.cpp (the package xllamacpp) in single precision."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from model_store.bench_engines.writing import Prompts, Write
from service.llm.embedded.network import Shape
from service.llm.embedded.weights import read_network
from service.llm.model_files import WEIGHTS

FILE = "model.gguf"
AT_ONCE = 8
_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def prepare(directory: Path, work: Path) -> None:
    """Write the GGUF file; its vocabulary is numbers, as nothing but ids goes in and out."""
    import gguf  # pyright: ignore[reportMissingImports]

    shape = read_network(directory).shape
    file = gguf.GGUFWriter(str(work / FILE), "llama")
    file.add_context_length(shape.context)
    file.add_embedding_length(shape.hidden)
    file.add_block_count(shape.layers)
    file.add_feed_forward_length(shape.intermediate)
    file.add_head_count(shape.heads)
    file.add_head_count_kv(shape.heads)
    file.add_key_length(shape.head)
    file.add_value_length(shape.head)
    file.add_rope_dimension_count(shape.head)
    file.add_rope_freq_base(shape.theta)
    file.add_layer_norm_rms_eps(shape.eps)
    file.add_vocab_size(shape.vocabulary)
    file.add_tokenizer_model("llama")
    file.add_token_list([f"▁{number}" for number in range(shape.vocabulary)])
    file.add_token_scores([0.0] * shape.vocabulary)
    file.add_token_types([1] * shape.vocabulary)
    file.add_add_bos_token(False)
    for name, weight in load_file(directory / WEIGHTS).items():
        file.add_tensor(_named(name), _turned(name, weight.astype(np.float32), shape))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def load(_: Path, work: Path, threads: int) -> Write:
    """Its server in this process; a batch is as many requests at once."""
    import xllamacpp  # pyright: ignore[reportMissingImports]

    told = xllamacpp.CommonParams()
    told.model.path = str(work / FILE)
    told.n_ctx, told.n_parallel, told.n_batch, told.n_ubatch = AT_ONCE * 512, AT_ONCE, 4096, 512
    told.cpuparams.n_threads = told.cpuparams_batch.n_threads = threads
    told.cache_prompt, told.verbosity, told.n_threads_http = False, -1, 1
    server = xllamacpp.Server(told)

    def one(prompt: list[int], new: int) -> list[int]:
        asked = {"prompt": prompt, "n_predict": new, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
        said = server.handle_completions({**asked, "top_k": 1})
        return [int(number) for number in said["choices"][0]["text"].split()]

    def write(prompts: Prompts, new: int) -> list[list[int]]:
        with ThreadPoolExecutor(AT_ONCE) as together:
            return list(together.map(lambda prompt: one(list(prompt), new), prompts))

    return write


def _named(name: str) -> str:
    match name.removesuffix(".weight").split(".", 3):
        case ["model", "layers", number, part]:
            return f"blk.{number}.{_NAMES[part]}.weight"
        case _:
            return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]


def _turned(name: str, weight: NDArray[np.float32], shape: Shape) -> NDArray[np.float32]:
    """llama.cpp rotates neighbours, Hugging Face features half a head apart."""
    if "q_proj" not in name and "k_proj" not in name:
        return weight
    halves = weight.reshape(shape.heads, 2, shape.head // 2, shape.hidden)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weight.shape))
