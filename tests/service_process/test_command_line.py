import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

import service.agent
from service.__main__ import run
from service.agent.transcript_json import load
from service.text import is_printable
from tests.service_process.conftest import HYPOCENTER, PATIENCE_S, environment

SCHEMA = json.loads((Path(service.agent.__file__).parent / "localization.schema.json").read_text())


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HYPOCENTER_CONFIG", "HYPOCENTER_MODEL__NAME", "HYPOCENTER_RANK"):
        monkeypatch.delenv(name, raising=False)


def test_a_case_is_localized_with_its_tree_and_its_causes(case_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["localize", str(case_dir), "--model", "rules"]) == 0
    printed = capsys.readouterr()
    assert "traces of everything" in printed.out
    assert "ranked_by: fused" in printed.out
    assert printed.err == ""


def test_without_a_model_the_answer_says_that_statistics_ranked(
    case_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["localize", str(case_dir), "--model", "none"]) == 0
    assert "ranked_by: statistical" in capsys.readouterr().out


@pytest.mark.parametrize("model", ["none", "rules", "promoted"])
def test_json_prints_the_answer_and_nothing_else(
    case_dir: Path, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    assert run(["localize", str(case_dir), "--json", "--model", model, "--deadline", "30"]) == 0
    answer = json.loads(capsys.readouterr().out)
    jsonschema.validate(answer, SCHEMA)
    assert answer["causes"]


def test_a_saved_transcript_can_be_loaded(case_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "transcript.json"
    assert run(["localize", str(case_dir), "--model", "rules", "--transcript", str(file), "--print-transcript"]) == 0
    assert load(file).frames
    assert "── frame 0" in capsys.readouterr().out


BAD: list[tuple[list[str], str]] = [
    (["localize"], "CASE_DIR"),
    (["localize", "/nowhere/at/all"], "/nowhere/at/all"),
    (["localize", "CASE", "--deadline", "soon"], "--deadline"),
    (["localize", "CASE", "--deadline", "0"], "--deadline"),
    (["localize", "CASE", "--rank", "dice"], "--rank"),
    (["localize", "CASE", "--model", "oracle"], "oracle"),
    (["localize", "CASE", "--config", "/nowhere.toml"], "/nowhere.toml"),
    (["localize", "CASE", "--transcript", "/nowhere/at/all.json"], "/nowhere/at/all.json"),
    (["localize", "CASE", "--colour"], "--colour"),
    (["localize", "CASE", "--service", "cart"], "CASE_DIR"),
    (["localize", "CASE", "--since", "15m"], "--since"),
    (["localize", "CASE", "--tenant", "shop"], "--tenant"),
    (["localize", "CASE", "--save", "CASE"], "not empty"),
    (["localize", "--service", "cart"], "--telemetry"),
    (["localize", "--service", "cart", "--at", "noon", "--telemetry", "CASE"], "--at noon"),
    (["localize", "--service", "cart", "--tenant", "nobody", "--telemetry", "CASE"], "--tenant nobody"),
    (["localize", "--alert", "/nowhere.json", "--telemetry", "CASE"], "/nowhere.json"),
    (["locate"], "locate"),
    (["localize", "CASE", "\u202emore"], "\ufffdmore"),
    (["localize", "/nowhere\u202e/\x9b"], "/nowhere\ufffd/\ufffd"),
]

BAD_SERVICES: list[tuple[list[str], str]] = [
    (["serve", "--case", "/nowhere/at/all", "--store", "STORE"], "/nowhere/at/all"),
    (["serve", "--case", "CASE", "--store", "/nowhere/at/all.sqlite"], "/nowhere/at/all.sqlite"),
    (["serve", "--port", "70000"], "--port"),
    (["serve", "--case", "CASE", "--store", "STORE", "--model", "oracle", "--port", "0"], "oracle"),
    (["work", "--store", "STORE"], "--case"),
]


def placed(arguments: list[str], case: Path, directory: Path) -> list[str]:
    places = {"CASE": str(case), "STORE": str(directory / "store.sqlite")}
    return [places.get(argument, argument) for argument in arguments]


@pytest.mark.parametrize(("arguments", "named"), BAD)
def test_what_the_caller_got_wrong_is_one_line_and_exit_code_2(
    case_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert run(placed(arguments, case_dir, tmp_path)) == 2
    complaint = capsys.readouterr().err.removesuffix("\n")
    assert is_printable(complaint)
    assert named in complaint


def test_a_key_that_is_not_there_is_told_before_anything_is_asked(
    case_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_MODEL__BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HYPOCENTER_MODEL__API_KEY_FILE", "/nowhere/key")
    assert run(["localize", str(case_dir), "--model", "large"]) == 2
    assert "model.api_key_file /nowhere/key: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "named"), BAD_SERVICES)
def test_a_service_that_cannot_start_says_why_on_its_last_line(
    case_dir: Path, tmp_path: Path, arguments: list[str], named: str
) -> None:
    command = [*HYPOCENTER, *placed(arguments, case_dir, tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=PATIENCE_S, check=False)
    (complaint,) = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert ended.returncode == 2
    assert named in complaint


def spoil_format(case: Path) -> None:
    told = json.loads((case / "case.json").read_text())
    (case / "case.json").write_text(json.dumps(told | {"format": "case/9"}))


def spoil_json(case: Path) -> None:
    (case / "case.json").write_bytes(b'{"format": "case/1"')


def spoil_missing(case: Path) -> None:
    (case / "case.json").unlink()


def spoil_footer(case: Path) -> None:
    spans = case / "spans.parquet"
    spans.write_bytes(spans.read_bytes()[:-100])


def spoil_pages(case: Path) -> None:
    spans = case / "spans.parquet"
    content = bytearray(spans.read_bytes())
    content[100 : len(content) // 2] = bytes(len(content) // 2 - 100)
    spans.write_bytes(content)


@pytest.mark.parametrize("spoil", [spoil_format, spoil_json, spoil_missing, spoil_footer, spoil_pages])
def test_a_case_that_cannot_be_read_is_one_line_and_exit_code_2(
    case_dir: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None]
) -> None:
    spoil(case_dir)
    assert run(["localize", str(case_dir)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert str(case_dir) in printed.err


def test_a_port_that_is_taken_is_one_line(case_dir: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ["--case", str(case_dir), "--store", str(tmp_path / "s.sqlite"), "--port", port]
        ended = subprocess.run(
            [*HYPOCENTER, "serve", *options],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=PATIENCE_S,
            check=False,
        )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(f"hypocenter: cannot listen on 127.0.0.1 port {port}")


def test_a_reader_that_has_seen_enough_is_no_error(case_dir: Path) -> None:
    command = [*HYPOCENTER, "localize", str(case_dir), "--model", "rules", "--print-transcript"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()
    process.wait(PATIENCE_S)
    assert complaints == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the disk that is always full")
def test_a_full_disk_is_told_in_one_line(case_dir: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*HYPOCENTER, "localize", str(case_dir), "--model", "rules"]
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=PATIENCE_S, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.decode().splitlines() == ["hypocenter: cannot go on writing: No space left on device"]


def test_a_terminal_that_knows_no_arrows_is_written_to_all_the_same(case_dir: Path) -> None:
    plain = environment() | {"PYTHONIOENCODING": "ascii"}
    command = [*HYPOCENTER, "localize", str(case_dir)]
    ended = subprocess.run(command, capture_output=True, env=plain, timeout=PATIENCE_S, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_live_demo_takes_no_case(case_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", str(case_dir), "--live"]) == 2
    assert capsys.readouterr().err.startswith("hypocenter: --live breaks a shop of its own: it takes no case")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("hypocenter ")


def test_an_interrupt_ends_it_quietly(case_dir: Path) -> None:
    script = "import sys, service.__main__ as m, service.app, asyncio, signal\n"
    # A suite that runs in the background hands down that interrupts are to be ignored.
    script += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script += "async def hang(*_):\n    print('there', flush=True)\n    await asyncio.sleep(3600)\n"
    script += f"service.app.localize_case = hang\nsys.exit(m.run(['localize', {str(case_dir)!r}]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert b"Traceback" not in complaints
