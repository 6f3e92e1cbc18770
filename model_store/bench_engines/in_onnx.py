"""The network as an ONNX graph with keys and values going in and out, run by ONNX Runtime or OpenVINO."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_store.bench_engines.writing import Logits, Write, by_steps
from service.llm.embedded.network import Shape
from service.llm.embedded.weights import read_network

GRAPH = "model.onnx"


def prepare(directory: Path, work: Path) -> None:
    """Write the graph; PyTorch makes it."""
    import torch

    from model_store.bench_engines.in_torch import Cached, read

    network = Cached(read(directory))
    ids, past = torch.zeros(2, 7, dtype=torch.int64), network.nothing(2)
    _, past = network(ids, past)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # it is told to use the newer exporter, which needs one more package
        torch.onnx.export(
            network,
            (ids, past),
            str(work / GRAPH),
            dynamo=False,
            opset_version=17,
            input_names=["ids", "past"],
            output_names=["logits", "kept"],
            dynamic_axes={
                "ids": {0: "b", 1: "t"},
                "past": {2: "b", 4: "p"},
                "logits": {0: "b"},
                "kept": {2: "b", 4: "e"},
            },
        )


def load_onnxruntime(directory: Path, work: Path, threads: int) -> Write:
    """By ONNX Runtime."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(work / GRAPH), options, providers=["CPUExecutionProvider"])
    shape = read_network(directory).shape

    def step(ids: NDArray[np.int64], past: Any | None) -> tuple[Logits, Any]:
        logits, kept = session.run(None, {"ids": ids, "past": _nothing(shape, len(ids)) if past is None else past})
        return logits, kept

    return by_steps(step)


def load_openvino(directory: Path, work: Path, threads: int) -> Write:
    """By OpenVINO, which is told not to compute in halves."""
    import openvino  # pyright: ignore[reportMissingImports]

    told = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    model = openvino.Core().compile_model(str(work / GRAPH), "CPU", told)
    shape = read_network(directory).shape

    def step(ids: NDArray[np.int64], past: Any | None) -> tuple[Logits, Any]:
        said = model({"ids": ids, "past": _nothing(shape, len(ids)) if past is None else past})
        return said["logits"], said["kept"].copy()

    return by_steps(step)


def _nothing(shape: Shape, batch: int) -> NDArray[np.float32]:
    return np.zeros((shape.layers, 2, batch, shape.heads, 0, shape.head), np.float32)
