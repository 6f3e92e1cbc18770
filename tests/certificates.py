"""Authorities that sign certificates for this machine, for tests."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import LIMIT_S


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates in a directory of its own."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """Its own, which whoever trusts it has."""
        return self.directory / "ca.pem"

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and its key."""
        signed = ["-CA", str(self.certificate), "-CAkey", str(self.directory / "ca.key")]
        return self._request(
            name, *signed, "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"
        )

    def found(self) -> "Authority":
        """Make it. Skips the test where nothing makes certificates."""
        if shutil.which("openssl") is None:
            pytest.skip("no openssl here that makes certificates for a test")
        self.directory.mkdir()
        self._request("ca")
        return self

    def _request(self, name: str, *options: str) -> tuple[Path, Path]:
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        files = ["-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(["openssl", "req", *kind, *files, *options], capture_output=True, timeout=LIMIT_S, check=True)
        return certificate, key
