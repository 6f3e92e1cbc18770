"""The network in the format of CTranslate2, in single precision or with weights in 8 bits."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from model_store.bench_engines.writing import Prompts, Write
from service.llm.embedded.network import Shape
from service.llm.embedded.vocabulary import END, UNKNOWN
from service.llm.embedded.weights import read_network
from service.llm.model_files import WEIGHTS

SINGLE, EIGHT_BITS = "float32", "int8"


def prepare(directory: Path, work: Path, kind: str) -> None:
    """Write the converted directory."""
    from ctranslate2.specs import TransformerDecoderModelSpec, common_spec  # pyright: ignore[reportMissingImports]

    shape = read_network(directory).shape
    spec = TransformerDecoderModelSpec.from_config(
        shape.layers,
        shape.heads,
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=shape.head,
        rotary_interleave=False,
        rotary_base=shape.theta,
        head_dim=shape.head,
    )
    _fill(spec.decoder, {name: w.astype(np.float32) for name, w in load_file(directory / WEIGHTS).items()}, shape)
    spec.config.unk_token = UNKNOWN
    spec.config.eos_token = spec.config.bos_token = END
    spec.config.layer_norm_epsilon = shape.eps
    spec.register_vocabulary([str(number) for number in range(shape.vocabulary)])
    if kind == EIGHT_BITS:
        spec.validate()
        spec.optimize(quantization="int8")
    else:
        spec.validate()
        spec.optimize()
    (work / kind).mkdir()
    spec.save(str(work / kind))


def load(_: Path, work: Path, threads: int, kind: str) -> Write:
    """A generator, asked for whole batches: it has no place for a mask of ours."""
    import ctranslate2  # pyright: ignore[reportMissingImports]

    generator = ctranslate2.Generator(str(work / kind), device="cpu", compute_type=kind, intra_threads=threads)

    def write(prompts: Prompts, new: int) -> list[list[int]]:
        told = [[str(i) for i in prompt] for prompt in prompts]
        answers = generator.generate_batch(
            told, max_length=new, min_length=new, include_prompt_in_result=False, sampling_topk=1, end_token=[]
        )
        return [answer.sequences_ids[0] for answer in answers]

    return write


prepare_single, prepare_eight_bits = partial(prepare, kind=SINGLE), partial(prepare, kind=EIGHT_BITS)
load_single, load_eight_bits = partial(load, kind=SINGLE), partial(load, kind=EIGHT_BITS)


def _fill(decoder: Any, weights: dict[str, np.ndarray], shape: Shape) -> None:
    decoder.scale_embeddings = False
    decoder.embeddings.weight = decoder.projection.weight = weights["model.embed_tokens.weight"]
    decoder.layer_norm.gamma = weights["model.norm.weight"]
    for number, layer in enumerate(decoder.layer):
        of = {n.removeprefix(f"model.layers.{number}.").removesuffix(".weight"): w for n, w in weights.items()}
        layer.self_attention.layer_norm.gamma = of["input_layernorm"]
        layer.ffn.layer_norm.gamma = of["post_attention_layernorm"]
        qkv = [of[f"self_attn.{part}_proj"] for part in "qkv"]
        layer.self_attention.linear[0].weight = np.concatenate(qkv)
        layer.self_attention.linear[1].weight = of["self_attn.o_proj"]
        layer.ffn.linear_0.weight = of["mlp.gate_proj"]
        layer.ffn.linear_0_noact.weight = of["mlp.up_proj"]
        layer.ffn.linear_1.weight = of["mlp.down_proj"]
