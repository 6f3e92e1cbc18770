import json

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from service.stores.embedded.origin import NAME_LENGTH, UNKNOWN, Origin, origin_of, text_of
from tests.stores.embedded.sending import any_value, attributes

ORIGINS: list[tuple[dict[str, object], Origin]] = [
    ({"service.name": "a"}, Origin("a", "", "")),
    ({"service.name": "a", "k8s.pod.name": "a-1", "k8s.node.name": "n"}, Origin("a", "a-1", "n")),
    ({"service.name": "a", "service.instance.id": "i", "host.name": "h"}, Origin("a", "i", "h")),
    ({"service.name": "a", "k8s.pod.name": "a-1", "host.name": "a-1"}, Origin("a", "a-1", "")),
    ({"service.name": "a", "container.id": "c", "host.name": "a-1"}, Origin("a", "a-1", "")),
    ({"service.name": "a", "host.name": "h"}, Origin("a", "", "h")),
    ({"k8s.deployment.name": "d", "k8s.pod.name": "d-1"}, Origin("d", "d-1", "")),
    ({"host.name": "h"}, Origin("", "", "h")),
    ({"k8s.pod.name": "p"}, Origin(UNKNOWN, "p", "")),
    ({"service.name": ""}, Origin(UNKNOWN, "", "")),
    ({"service.name": "unknown_service:java"}, Origin(UNKNOWN, "", "")),
    ({"service.name": "unknown_service:java", "k8s.deployment.name": "cart"}, Origin("cart", "", "")),
    ({"k8s.pod.name": "cart-66d9f7bc48-kq8zj"}, Origin("cart", "cart-66d9f7bc48-kq8zj", "")),
    ({"service.name": "cart", "service.namespace": "shop", "k8s.namespace.name": "x"}, Origin("shop/cart", "", "")),
    ({"service.name": "cart", "k8s.namespace.name": "shop"}, Origin("shop/cart", "", "")),
    ({"service.name": "hypocenter", "k8s.namespace.name": "shop"}, Origin("hypocenter", "", "")),
    ({}, Origin(UNKNOWN, "", "")),
]


@pytest.mark.parametrize(("told", "origin"), ORIGINS)
def test_resource_attributes_tell_service_pod_and_node(told: dict[str, object], origin: Origin) -> None:
    assert origin_of(Resource(attributes=attributes(told))) == origin


def test_a_name_without_end_is_cut() -> None:
    told = Resource(attributes=attributes({"service.name": "x" * 10_000}))
    assert origin_of(told).service == "x" * NAME_LENGTH


def test_values_are_told_as_text() -> None:
    assert text_of(AnyValue()) == ""
    assert text_of(any_value("as it is")) == "as it is"
    assert text_of(any_value(True)) == "true"
    assert text_of(any_value(7)) == "7"
    assert text_of(any_value(0.5)) == "0.5"
    assert text_of(any_value(b"\x00\xff")) == "AP8="


def test_maps_and_lists_are_told_as_json() -> None:
    array = AnyValue(array_value=ArrayValue(values=[any_value(1), any_value("b"), AnyValue()]))
    nested = AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="list", value=array)]))
    assert json.loads(text_of(array)) == [1, "b", None]
    assert json.loads(text_of(nested)) == {"list": [1, "b", None]}
