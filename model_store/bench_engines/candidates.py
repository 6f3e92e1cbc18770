"""The engines that are tried, and what has to be installed for each."""

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from model_store.bench_engines.writing import Write

OURS: Final = "numpy (ours)"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine: the module here that knows it, its functions in it, what they import, and whether a mask of allowed
    tokens can be applied at each step.
    """

    name: str
    module: str
    loading: str
    packages: tuple[str, ...]  # distributions that serving needs beside what the service has anyway
    masks: str
    preparing: str = ""
    to_prepare: tuple[str, ...] = ()  # distributions that only the conversion needs

    def absent(self) -> list[str]:
        """What is not installed of what it needs."""
        return [name for name in (*self.packages, *self.to_prepare) if find_spec(name) is None]

    @property
    def install_mb(self) -> float:
        """What its packages take on the disk."""
        return sum(_megabytes(name) for name in self.packages)

    def prepare(self, directory: Path, work: Path) -> None:
        """Convert the directory, if it has to be converted."""
        if self.preparing:
            getattr(self._module, self.preparing)(directory, work)

    def load(self, directory: Path, work: Path, threads: int) -> Write:
        """Load it."""
        return getattr(self._module, self.loading)(directory, work, threads)

    @property
    def _module(self) -> object:
        return import_module(f"{__package__}.{self.module}")


CANDIDATES: Final = (
    Candidate(OURS, "in_numpy", "load", (), "yes, computes only allowed logits"),
    Candidate("PyTorch, cache", "in_torch", "load", ("torch",), "yes"),
    Candidate("PyTorch, no cache", "in_torch", "load_without_cache", ("torch",), "yes"),
    Candidate("ONNX Runtime", "in_onnx", "load_onnxruntime", ("onnxruntime",), "yes", "prepare", ("torch", "onnx")),
    Candidate("OpenVINO", "in_onnx", "load_openvino", ("openvino",), "yes", "prepare", ("torch", "onnx")),
    Candidate("CTranslate2 fp32", "in_ctranslate2", "load_single", ("ctranslate2",), "no", "prepare_single"),
    Candidate("CTranslate2 int8", "in_ctranslate2", "load_eight_bits", ("ctranslate2",), "no", "prepare_eight_bits"),
    Candidate("llama.cpp fp32", "in_llama_cpp", "load", ("xllamacpp",), "no, text grammars only", "prepare", ("gguf",)),
)


def _megabytes(name: str) -> float:
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return 0.0
    return sum(path.stat().st_size for file in files if (path := Path(str(file.locate()))).is_file()) / 1e6
