import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.errors import SettingsError
from service.settings import Settings, read_settings
from service.text import is_printable
from tests.strangers import HOSTILE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hypocenter.toml"


def test_without_anything_said_the_defaults_stand() -> None:
    assert read_settings({}) == Settings()


def test_the_environment_goes_before_the_file_and_the_command_line_before_both(file: Path) -> None:
    file.write_text('port = 1\nhost = "file"\nlog_level = "debug"\n[model]\nname = "rules"\n')
    environ = {"HYPOCENTER_PORT": "2", "HYPOCENTER_HOST": "environment", "HYPOCENTER_CONFIG": str(file)}
    settings = read_settings(environ, options={"port": ("--port", 3), "model.name": ("--model", None)})
    assert (settings.port, settings.host, settings.log_level) == (3, "environment", "debug")
    assert settings.model.name == "rules"


def test_other_programs_variables_and_empty_ones_are_nothing_to_us() -> None:
    environ = {"PORT": "1", "HYPOCENTER_PORT": "", "HYPOCENTER_CASES": "/cases", "XHYPOCENTER_PORT": "2"}
    assert read_settings(environ) == Settings()


def service_links(name: str, host: str, **ports: int) -> dict[str, str]:
    """The variables that Kubernetes derives from a Service: its own names, and those of Docker's links."""
    first = next(iter(ports.values()))
    url = f"[{host}]" if ":" in host else host
    links = {f"{name}_SERVICE_HOST": host, f"{name}_SERVICE_PORT": str(first), f"{name}_PORT": f"tcp://{url}:{first}"}
    for port_name, port in ports.items():
        links[f"{name}_SERVICE_PORT_{port_name.upper()}"] = str(port)
        for protocol in ("tcp", "udp", "sctp"):
            link = f"{name}_PORT_{port}_{protocol.upper()}"
            links |= {link: f"{protocol}://{url}:{port}", f"{link}_PROTO": protocol, f"{link}_PORT": str(port)}
            links[f"{link}_ADDR"] = host
    return links


@pytest.mark.parametrize("service", ["HYPOCENTER", "HYPOCENTER_REDIS", "HYPOCENTER_MODEL_2", "HYPOCENTER__WORKER"])
@pytest.mark.parametrize("host", ["10.96.0.17", "fd00:10:96::1f"])
def test_variables_of_a_kubernetes_service_with_our_name_are_no_settings(service: str, host: str) -> None:
    assert read_settings(service_links(service, host, http=8080, metrics=9090)) == Settings()


def test_a_port_that_somebody_set_stands_beside_variables_of_a_service() -> None:
    links = service_links("HYPOCENTER", "10.96.0.17", http=8080)
    assert read_settings({**links, "HYPOCENTER_PORT": "9000"}).port == 9000


def test_what_is_no_incident_is_said_by_labels() -> None:
    settings = read_settings({"HYPOCENTER_GROUPING__NO_INCIDENTS": "team=lab, alertname=Watchdog"})
    assert settings.grouping.no_incidents == ("team=lab", "alertname=Watchdog")
    with pytest.raises(SettingsError, match="HYPOCENTER_GROUPING__NO_INCIDENTS"):
        read_settings({"HYPOCENTER_GROUPING__NO_INCIDENTS": "Watchdog"})


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"HYPOCENTER_PROT": "1"}, "", "HYPOCENTER_PROT is no setting; the nearest is HYPOCENTER_PORT"),
    ({"HYPOCENTER_MODEL__NMAE": "x"}, "", "the nearest is HYPOCENTER_MODEL__NAME"),
    ({"HYPOCENTER_MODEL": "x"}, "", "HYPOCENTER_MODEL is no setting"),
    ({"HYPOCENTER_PORT": "many"}, "", "environment: HYPOCENTER_PORT: "),
    ({"HYPOCENTER_WORKER__LEASE_S": "nan"}, "", "environment: HYPOCENTER_WORKER__LEASE_S: "),
    ({"HYPOCENTER_PORTS": "tcp://10.0.0.7:80"}, "", "HYPOCENTER_PORTS is no setting; the nearest is HYPOCENTER_PORT"),
    ({"HYPOCENTER_SERVICE_HOST": "0.0.0.0/0"}, "", "HYPOCENTER_SERVICE_HOST is no setting"),
    ({"HYPOCENTER_WORKER_PORT": "8080"}, "", "HYPOCENTER_WORKER_PORT is no setting"),
    ({"HYPOCENTER_SERVICE_PORT": "http"}, "", "HYPOCENTER_SERVICE_PORT is no setting"),
    ({"HYPOCENTER_PORT": "http://10.0.0.7:80"}, "", "environment: HYPOCENTER_PORT: "),
    ({}, "prot = 1", "prot is no setting; the nearest is port"),
    ({}, "[modle]\nname = 'x'", "modle.name is no setting; the nearest is model.name"),
    ({}, "port = 70000", "hypocenter.toml: port: "),
    ({}, "model = 1", "model is no setting"),
    ({}, "port = ", "hypocenter.toml: "),
]


@pytest.mark.parametrize(("environ", "toml", "told"), WRONG)
def test_what_is_wrong_is_told_on_one_line(file: Path, environ: dict[str, str], toml: str, told: str) -> None:
    file.write_text(toml)
    with pytest.raises(SettingsError) as caught:
        read_settings(environ, file)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"hypocenter\.toml: No such file or directory$"):
        read_settings({}, file)


def test_an_option_of_the_command_line_is_blamed_by_its_own_name() -> None:
    with pytest.raises(SettingsError, match="command line: --deadline: "):
        read_settings({}, options={"budget.deadline_s": ("--deadline", -1)})


NAMES = HOSTILE | st.sampled_from(["PORT", "MODEL__NAME", "LINKS__TRACES", "NOTIFY__OPS__KIND", "LABELS__SERVICE"])
VALUES = HOSTILE | st.sampled_from(["1", "rules", "[]"])


def toml_of(pairs: dict[str, str]) -> str:
    """A file of texts; TOML writes most of them as JSON does."""
    lines = (
        f"{'.'.join(map(json.dumps, name.lower().split('__')))} = {json.dumps(text)}" for name, text in pairs.items()
    )
    return "\n".join(lines)


@given(
    st.dictionaries(NAMES, VALUES, max_size=2),
    st.dictionaries(NAMES, VALUES, max_size=2).map(toml_of) | HOSTILE,
    st.dictionaries(NAMES.map(str.lower), VALUES, max_size=1),
)
@example({"\x1f": "1"}, "", {})
@example({"MODEL__\u202e": "1"}, "", {})
@example({}, '"\\u001f" = 1', {})
@example({}, "\x1f = 1", {})
@example({}, '[labels]\nservice = "\\u202e"', {})
def test_whatever_is_set_is_taken_or_refused_in_one_printable_line(
    environment: dict[str, str], toml: str, options: dict[str, str]
) -> None:
    environ = {f"HYPOCENTER_{name}": value for name, value in environment.items()}
    with tempfile.TemporaryDirectory() as root:
        file = Path(root) / "hypocenter.toml"
        file.write_text(toml, encoding="utf-8", errors="surrogatepass")
        complaint = ""
        try:
            read_settings(environ, file, {name: (f"--{name}", value) for name, value in options.items()})
        except SettingsError as error:
            complaint = str(error)
    assert is_printable(complaint)
