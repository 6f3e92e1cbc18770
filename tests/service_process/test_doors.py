"""From the terminal: who is let in, and that no secret comes out anywhere."""

import base64
import json
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from model_store.ports import held_ports
from service.__main__ import run
from service.domain.window import rfc3339
from tests.gateway.conftest import alertmanager_body
from tests.service_process.conftest import PATIENCE_S, Server
from tests.waiting import wait_until


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_what_others_can_reach_needs_tokens(host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--host", host, "--store", str(tmp_path / "store.sqlite")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert host in line
    assert "doors.tokens_file" in line
    assert not (tmp_path / "store.sqlite").exists()


def test_a_token_is_printed_once_and_only_its_digest_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tokens.toml"
    assert run(["token", str(file), "alertmanager", "--scope", "ingest", "--tenant", "shop"]) == 0
    token = capsys.readouterr().out.strip()
    assert token.startswith("hyp_")
    assert token not in file.read_text()
    assert run(["token", str(file), "x", "--scope", "everything"]) == 2
    assert "ingest, read, operate" in capsys.readouterr().err


class Echo(BaseHTTPRequestHandler):
    """A server at its worst: it refuses everything and says in its answer what it was sent."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = json.dumps({"error": {"message": f"{self.path} {self.headers.items()}"}}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def of_basic(word: str) -> str:
    return base64.b64encode(f"ops:{word}".encode()).decode()


def of_webhook(word: str) -> str:
    return f"whsec_{base64.b64encode(word.encode()).decode()}"


class Planted:
    """Secrets, each in a file of its own or told; none of them may be seen again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.words: list[str] = []

    def word(self) -> str:
        self.words.append(f"pl4nted-{len(self.words)}-secret-of-this-test")
        return self.words[-1]

    def file(self, form: Callable[[str], str] = str) -> str:
        path = self._directory / f"secret-{len(self.words)}"
        path.write_text(form(self.word()))
        return str(path)

    def seen_in(self, text: str) -> list[str]:
        encoded = [form(word) for word in self.words for form in (of_basic, of_webhook)]
        return [word for word in (*self.words, *encoded) if word in text]


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


@pytest.fixture
def config(tmp_path: Path, planted: Planted, echo: str) -> Path:
    """Settings with a secret wherever one may stand."""
    file = tmp_path / "hypocenter.toml"
    file.write_text(f"""
[traces]
kind = "jaeger"
url = "http://ops:{planted.word()}@{echo}/jaeger"
headers = {{ X-Told = "{planted.word()}" }}
header_files = {{ X-Api-Key = "{planted.file()}" }}
[logs]
kind = "loki"
url = "http://{echo}/loki"
bearer_file = "{planted.file()}"
[metrics]
kind = "prometheus"
url = "http://{echo}/prometheus"
user = "ops"
password_file = "{planted.file()}"
[changes]
kind = "kubernetes"
url = "http://ops:{planted.word()}@127.0.0.1:1/kubernetes"
bearer_file = "{planted.file()}"
[model]
name = "served"
base_url = "http://ops:{planted.word()}@{echo}/v1"
api_key_file = "{planted.file()}"
[notify.people]
kind = "webhook"
url = "http://ops:{planted.word()}@{echo}/hook"
secret_files = ["{planted.file(of_webhook)}"]
bearer_file = "{planted.file()}"
""")
    return file


@pytest.mark.parametrize(("command", "code"), [("check-config", 1), ("localize --service cart --deadline 5", 0)])
def test_what_the_terminal_shows_of_servers_that_refuse_us_holds_no_secret(
    config: Path, planted: Planted, capsys: pytest.CaptureFixture[str], command: str, code: int
) -> None:
    assert run([*command.split(), "--config", str(config)]) == code
    printed = capsys.readouterr()
    assert "Jaeger" in printed.out + printed.err
    assert planted.seen_in(printed.out + printed.err) == []


def test_settings_that_cannot_be_meant_show_no_secret(
    config: Path, planted: Planted, case_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in (["--case", str(case_dir)], ["--telemetry", "\x00"]):
        assert run(["check-config", "--config", str(config), *more]) == 2
    config.write_text(config.read_text().replace("http://", "htp://"))
    assert run(["check-config", "--config", str(config)]) == 2
    config.write_text(f'[traces]\npassword = "{planted.word()}"\n')
    assert run(["check-config", "--config", str(config)]) == 2
    config.write_text(f"[traces\n{planted.word()}")
    assert run(["check-config", "--config", str(config)]) == 2
    config.write_text(f'store = "redis://:{planted.word()}@127.0.0.1:1/none"\n[telemetry]\nembedded = "t"\n')
    assert run(["serve", "--port", "0", "--config", str(config)]) in (1, 2)
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) >= 6
    assert planted.seen_in(printed.out + printed.err) == []


class Configured(Server):
    """A server by a file of settings, which stands where a case would."""

    @property
    def source(self) -> list[str]:
        return ["--config", str(self.case)]


def test_nothing_that_comes_out_of_a_server_shows_a_secret(
    config: Path, planted: Planted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = tmp_path / "tokens.toml"
    assert run(["token", str(tokens), "all", "--scope", "ingest", "--scope", "read", "--scope", "operate"]) == 0
    token = capsys.readouterr().out.strip()
    planted.words.append(token)
    config.write_text(f"{config.read_text()}\n[doors]\ntokens_file = '{tokens}'\n[budget]\ndeadline_s = 5\n")
    with held_ports(1) as (port,):
        server = Configured(config, tmp_path / "store.sqlite", tmp_path / "serve.log", port, model="served")
        try:
            server.start()
            out = seen_by_callers(server, planted, token)
            assert server.end(signal.SIGTERM) == 0
        finally:
            server.clear_away()
    log = server.log.read_text()
    assert "hypocenter.audit" in log
    assert planted.seen_in(out + log) == []


def seen_by_callers(server: Server, planted: Planted, token: str) -> str:
    """All that callers are told, whoever they are: by good requests, by bad ones and by those that show what they hold
    where it does not belong.
    """
    client = httpx.Client(base_url=server.url, timeout=PATIENCE_S)
    out: list[str] = []

    def ask(method: str, path: str, headers: dict[str, str], **told: object) -> httpx.Response:
        answer = client.request(method, path, headers=headers, **told)  # type: ignore[arg-type]
        out.append(f"{answer.headers} {answer.text}")
        return answer

    known = {"Authorization": f"Bearer {token}"}
    ask("GET", "/readyz", known)
    body = alertmanager_body("cart")
    body["alerts"][0]["startsAt"] = rfc3339(datetime.now(UTC))  # what is older than all telemetry is dropped
    id_ = ask("POST", "/v1/alerts", known, json=body).json()["localization_id"]
    wait_until(lambda: ask("GET", f"/v1/localizations/{id_}?wait_s=60", known).json()["status"] in ("done", "failed"))
    for path in ("transcript", "events", "deliveries"):
        ask("GET", f"/v1/localizations/{id_}/{path}", known)
    for headers in (
        {"Authorization": f"Bearer {planted.word()}"},
        {"Authorization": f"Basic {of_basic(planted.word())}"},
        {"Cookie": f"session={planted.word()}"},
        known | {"X-Scope-OrgID": f"a/{planted.word()}"},
    ):
        for method, path in (("GET", "/v1/incidents"), ("POST", "/v1/alerts"), ("DELETE", "/v1/localizations/x")):
            ask(method, path, headers)
    ask("POST", "/v1/alerts", known, content=planted.word())
    ask("GET", f"/v1/incidents/password={planted.word()}", {})
    ask("GET", "/metrics", known)
    assert 'status="401"' in out[-1]
    client.close()
    return "\n".join(out)
