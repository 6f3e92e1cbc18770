"""The image: what its file says, and, where buildah is, that it is built and runs with nothing to write to."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.waiting import LIMIT_S

DOCKERFILE = REPOSITORY / "Dockerfile"
BASE = "docker.io/library/python:3.11-slim-bookworm"
BUILD_S = 1800


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    ended = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert ended.stdout == ""
    assert ended.returncode == 0


def test_the_base_is_pinned_and_an_argument_so_that_a_digest_can_be_given() -> None:
    assert f"ARG PYTHON={BASE}" in DOCKERFILE.read_text().splitlines()


def test_what_is_built_from_is_let_through_and_nothing_else() -> None:
    copied = {
        name
        for line in DOCKERFILE.read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    let_through = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert copied == let_through
    assert all((REPOSITORY / name).exists() for name in copied)


def test_locks_know_no_training_framework() -> None:
    for name in ("requirements.lock", "requirements-image.lock"):
        assert "torch" not in (REPOSITORY / name).read_text()


class Builder:
    """buildah with images of its own, as root without a container engine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, *arguments: str | Path, timeout_s: float = BUILD_S, check: bool = True) -> str:
        """What a command printed."""
        own = ["--root", self._directory / "root", "--runroot", self._directory / "run", "--storage-driver", "vfs"]
        command = ["buildah", *own, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert not check or ended.returncode == 0, ended.stderr[-3000:]
        return ended.stdout.strip()


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Builds where it is, with a base that stands in for the real one: Debian of the same release with its Python."""
    missing = [program for program in ("buildah", "debootstrap") if shutil.which(program) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"needs root, and {', '.join(missing) or 'buildah'}: apt install buildah debootstrap")
    builder = Builder(tmp_path_factory.mktemp("buildah"))
    rootfs = tmp_path_factory.mktemp("base") / "rootfs"
    include = "--include=python3,python3-venv,ca-certificates"
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", include, "bookworm", rootfs],
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no base can be made here: {made.stdout.strip()[-200:]}")
    (rootfs / "usr" / "bin" / "python").symlink_to("python3")
    container = builder("from", "scratch")
    builder("add", container, rootfs, "/")
    builder("commit", container, BASE)
    builder("rm", container)
    return builder


@pytest.fixture(scope="module")
def image(buildah: Builder, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image, built from what is under version control and what lies beside it."""
    certificates = Path("/etc/ssl/certs")
    configured = tmp_path_factory.mktemp("pip") / "pip.conf"
    configured.write_text(f"[global]\ncert = {certificates / 'ca-certificates.crt'}\n")
    mounts = ["--volume", f"{certificates}:{certificates}:ro", "--volume", f"{configured}:/etc/pip.conf:ro"]
    options = ["--isolation", "chroot", "--format", "docker", "--pull-never", *mounts]
    buildah("build-using-dockerfile", *options, "--tag", "hypocenter:tried", REPOSITORY)
    return "hypocenter:tried"


@pytest.fixture(scope="module")
def container(buildah: Builder, image: str) -> Iterator[str]:
    """A container of the image."""
    made = buildah("from", "--pull-never", image)
    yield made
    buildah("rm", made)


READ_ONLY = """
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o uid=10001,gid=10001 tmpfs "$root/data"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
set -- sh -c 'cd /data; exec "$@"' sh "$@"
exec chroot --userspec=10001:10001 "$root" /usr/bin/env -i PATH=/app/bin:/usr/bin:/bin "$@"
"""
"""Runs a command in a root file system as Kubernetes does: nobody's user, nothing writable but the volume and /tmp."""


def inside(buildah: Builder, container: str, *command: str) -> "subprocess.CompletedProcess[str]":
    """What became of a command in the container, with the image's user and a root file system that is read-only."""
    root = buildah("mount", container)
    arguments = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", root, *command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.slow
@pytest.mark.timeout(2 * BUILD_S)
def test_the_image_says_how_it_is_run_and_looked_at(buildah: Builder, image: str) -> None:
    config = json.loads(buildah("inspect", "--type", "image", image))["Docker"]["config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["hypocenter"]
    assert config["Volumes"] == {"/data": {}}
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "python"]


@pytest.mark.slow
@pytest.mark.timeout(2 * BUILD_S)
def test_the_image_has_its_list_of_parts_and_neither_pip_nor_torch(buildah: Builder, container: str) -> None:
    sbom = json.loads(inside(buildah, container, "cat", "/usr/share/sbom/hypocenter.cdx.json").stdout)
    assert sbom["bomFormat"] == "CycloneDX"
    listed = {part["name"] for part in sbom["components"]}
    assert {"pyarrow", "redis", "fastapi"} <= listed
    look = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    found = inside(buildah, container, "python", "-c", look).stdout.split()
    installed = {name.lower().replace("_", "-") for name in found}
    assert "hypocenter" in installed
    assert installed.isdisjoint({"pip", "setuptools", "torch"})
    assert installed - {"hypocenter"} <= {name.lower().replace("_", "-") for name in listed}


@pytest.mark.slow
@pytest.mark.timeout(2 * BUILD_S)
def test_the_image_localizes_with_the_model_in_it_where_nothing_can_be_written(
    buildah: Builder, container: str
) -> None:
    assert inside(buildah, container, "touch", "/app/here").returncode != 0
    answered = inside(buildah, container, "hypocenter", "demo")
    assert answered.returncode == 0, answered.stderr
    assert "Most likely cause" in answered.stdout
    assert "model hypocenter-small" in answered.stdout


@pytest.mark.slow
@pytest.mark.timeout(2 * BUILD_S)
def test_the_image_serves_is_found_healthy_by_its_own_check_and_ends_when_told(
    buildah: Builder, container: str
) -> None:
    check = json.loads(buildah("inspect", "--type", "container", container))["Docker"]["config"]["Healthcheck"]["Test"]
    serving = f"""
        hypocenter serve & serving=$!
        for _ in $(seq 60); do {shlex.join(check[1:])} && break; sleep 1; done
        {shlex.join(check[1:])} && kill $serving && wait $serving && ls
    """
    served = inside(buildah, container, "sh", "-c", serving)
    assert served.returncode == 0, served.stderr
    assert "hypocenter.sqlite" in served.stdout
