"""Whom a span speaks to, by attributes of today and of before."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ports import ADDED, SPANS
from service.stores.callees import ATTRIBUTES, NOBODY, callee_of
from service.stores.case_files import read_table
from service.stores.embedded.journal import Journal, read_journal
from service.stores.embedded.segments import read_segment, seal
from tests.telemetry_rows import spans

CALLEES: list[tuple[dict[str, str], tuple[str, str]]] = [
    ({"db.system.name": "postgresql", "server.address": "ledger-db.shop.svc"}, ("ledger-db", "database")),
    ({"db.system": "mysql", "net.peer.name": "Ledger-DB", "db.name": "ledger"}, ("ledger-db", "database")),
    ({"db.system": "mongodb", "peer.service": "accounts"}, ("accounts", "database")),
    ({"db.system.name": "postgresql", "db.namespace": "ledger"}, ("postgresql:ledger", "database")),
    ({"db.system": "postgresql", "db.name": "ledger", "net.peer.name": "localhost"}, ("postgresql:ledger", "database")),
    ({"db.system": "postgresql", "db.name": "ledger", "server.address": "10.0.3.7"}, ("postgresql:ledger", "database")),
    ({"db.instance": "ledger", "db.type": "sql"}, ("sql:ledger", "database")),
    ({"db.system": "redis"}, ("redis", "cache")),
    ({"db.system.name": "memcached", "server.address": "sessions:11211"}, ("sessions", "cache")),
    ({"messaging.system": "kafka", "messaging.destination.name": "orders"}, ("kafka:orders", "queue")),
    ({"messaging.system": "rabbitmq", "messaging.destination": "orders"}, ("rabbitmq:orders", "queue")),
    ({"messaging.destination.name": "orders", "server.address": "broker-0"}, ("queue:orders", "queue")),
    ({"messaging.system": "aws_sqs", "server.address": "sqs.example.com"}, ("sqs.example.com", "queue")),
    (
        {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": "amq.gen-1",
            "messaging.destination.temporary": "true",
        },
        ("rabbitmq", "queue"),
    ),
    ({"url.full": "https://user:secret@api.pay.example:8443/v1?key=secret"}, ("api.pay.example", "external")),
    ({"http.url": "http://api.pay.example/v1"}, ("api.pay.example", "external")),
    ({"http.host": "api.pay.example:443"}, ("api.pay.example", "external")),
    ({"server.address": "cart.shop.svc.cluster.local."}, ("cart", "external")),
    ({"server.address": "pg-0.pg.shop.svc.cluster.local", "db.system": "postgresql"}, ("pg", "database")),
    ({"net.peer.ip": "93.184.216.34"}, ("93.184.216.34", "external")),
    ({"rpc.system": "grpc", "rpc.service": "pay.Ledger"}, ("pay.Ledger", "external")),
    ({"rpc.system": "grpc", "rpc.service": "pay.Ledger", "server.address": "ledger"}, ("ledger", "external")),
    ({"peer.service": "unknown", "server.address": "ledger"}, ("ledger", "external")),
    ({"net.peer.ip": "10.1.2.3"}, NOBODY),
    ({"server.address": "127.0.0.1"}, NOBODY),
    ({"http.method": "GET"}, NOBODY),
    ({}, NOBODY),
]


@pytest.mark.parametrize(("attributes", "callee"), CALLEES)
def test_a_client_names_whom_it_speaks_to(attributes: dict[str, str], callee: tuple[str, str]) -> None:
    assert callee_of("client", attributes) == callee


@pytest.mark.parametrize("kind", ["server", "internal", ""])
def test_who_speaks_to_nobody_names_itself(kind: str) -> None:
    assert callee_of(kind, {"server.address": "cart", "http.host": "cart", "db.system": "redis"}) == NOBODY


def test_a_consumer_names_the_queue_that_it_reads_from() -> None:
    assert callee_of("consumer", {"messaging.system": "kafka"}) == NOBODY
    named = {"messaging.system": "kafka", "messaging.destination.name": "orders", "server.address": "broker"}
    assert callee_of("consumer", named) == callee_of("producer", named) == ("kafka:orders", "queue")


HELD = st.dictionaries(st.sampled_from(ATTRIBUTES), st.text(max_size=40), max_size=6)


@given(HELD, st.sampled_from(["client", "consumer"]))
def test_whatever_attributes_hold_a_name_has_a_role(attributes: dict[str, str], kind: str) -> None:
    name, role = callee_of(kind, attributes)
    assert bool(name) == bool(role)


_parquet: Any = pq
OLD = spans({"span_id": "a", "service": "cart"}).drop_columns(sorted(ADDED))


def test_a_recording_of_before_reads_as_one_that_names_nobody(tmp_path: Path) -> None:
    file = tmp_path / "spans.parquet"
    _parquet.write_table(OLD, file)
    assert read_table(file, SPANS).equals(spans({"span_id": "a", "service": "cart"}))


def test_so_do_a_journal_and_a_segment_of_before(tmp_path: Path) -> None:
    file = tmp_path / "0000000001.journal"
    journal = Journal(file)
    journal.append(OLD)
    journal.close()
    assert read_journal(file, SPANS).equals(spans({"span_id": "a", "service": "cart"}))
    segment = seal(file, OLD.schema)
    assert segment is not None
    assert read_segment(segment.path, SPANS).equals(spans({"span_id": "a", "service": "cart"}))


def test_columns_that_no_version_wrote_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "0000000001.journal"
    journal = Journal(file)
    journal.append(OLD.drop_columns(["service"]))
    journal.close()
    with pytest.raises(pa.ArrowInvalid, match="other columns"):
        read_journal(file, SPANS)
