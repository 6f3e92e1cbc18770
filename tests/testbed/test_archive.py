"""Recordings packed into one file and laid out again."""

import asyncio
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from deploy.testbed.archive import pack, unpack
from deploy.testbed.errors import ShopError
from service.agent.localize import localize
from service.stores.recorded import RecordedCase
from service.view.opening import open_view
from tests.waiting import LIMIT_S

CASES = Path(__file__).parent.parent / "cases"
CASE = Path("mealrun", "mealrun-04")

_parquet: Any = pq


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    shutil.copytree(CASES / CASE, root / "from" / CASE)
    assert pack(root / "from", root / "packed.tar.xz") == 1
    assert unpack(root / "packed.tar.xz", root / "to") == 1
    return root / "to" / CASE


def test_an_archive_takes_less_than_half_of_the_room(unpacked: Path) -> None:
    archive = unpacked.parent.parent.parent / "packed.tar.xz"
    assert archive.stat().st_size < sum(file.stat().st_size for file in (CASES / CASE).iterdir()) / 2


def test_what_a_responder_is_given_and_the_truth_are_the_same_to_the_letter(unpacked: Path) -> None:
    for name in ("case.json", "truth.json"):
        assert (unpacked / name).read_bytes() == (CASES / CASE / name).read_bytes()


@pytest.mark.parametrize("name", ["spans", "logs", "metrics", "topology", "changes"])
def test_tables_differ_in_nothing_but_ids(unpacked: Path, name: str) -> None:
    before, after = (_parquet.read_table(root / f"{name}.parquet") for root in (CASES / CASE, unpacked))
    ids = {"trace_id", "span_id", "parent_span_id"}
    others = [column for column in before.column_names if column not in ids]
    assert after.select(others).equals(before.select(others))
    for column in ids & set(before.column_names):
        old, new = before[column].to_pylist(), after[column].to_pylist()
        assert len(set(zip(old, new, strict=True))) == len(set(old)) == len(set(new))
        assert {len(one) for one in new if one} == {len(one) for one in old if one}


def test_children_find_their_parents_and_lines_their_spans(unpacked: Path) -> None:
    def found(root: Path) -> tuple[int, int]:
        spans, logs = (_parquet.read_table(root / f"{name}.parquet").to_pydict() for name in ("spans", "logs"))
        known = set(spans["span_id"])
        return sum(p in known for p in spans["parent_span_id"]), sum(s in known for s in logs["span_id"])

    assert found(unpacked) == found(CASES / CASE)


def test_the_answer_is_the_same(unpacked: Path) -> None:
    async def told(root: Path) -> object:
        case = RecordedCase.open(root)
        answer = await localize(await open_view(case.incident, case.telemetry, LIMIT_S), None)
        return [(cause.component, cause.fault, cause.confidence) for cause in answer.localization.causes]

    assert asyncio.run(told(unpacked)) == asyncio.run(told(CASES / CASE))


def test_a_file_that_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.tar.xz").write_bytes(b"not packed")
    with pytest.raises(ShopError, match="is no archive of recordings"):
        unpack(tmp_path / "broken.tar.xz", tmp_path / "to")


@pytest.mark.parametrize(
    ("name", "kind"), [("../case.json", tarfile.REGTYPE), ("/case.json", tarfile.REGTYPE), ("a/link", tarfile.SYMTYPE)]
)
def test_nothing_is_written_beside_the_directory(tmp_path: Path, name: str, kind: bytes) -> None:
    with tarfile.open(tmp_path / "foreign.tar.xz", "w:xz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/"
        archive.addfile(member)
    with pytest.raises(ShopError, match=f"{name} is no file below"):
        unpack(tmp_path / "foreign.tar.xz", tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.tar.xz"]
