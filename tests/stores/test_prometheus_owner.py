import pytest

from service.stores.prometheus_owner import own_labels, service_of
from service.stores.prometheus_series import Labels

SCRAPE = {"service": "kps-kube-state-metrics", "job": "kube-state-metrics", "namespace": "monitoring"}
COLLECTOR = {"job": "otel-collector", "service": "otel-collector", "pod": "otel-collector-66d9f7bc48-kq8zj"}


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"job": "shop/orders", "instance": "0b1c"}, "shop/orders"),
        ({"service_name": "orders", "service_namespace": "shop", "job": "shop/orders"}, "shop/orders"),
        ({"service_name": "orders", "job": "orders"}, "orders"),
        ({"service": "orders", "namespace": "shop"}, "shop/orders"),
        ({**COLLECTOR, "exported_job": "shop/orders", "exported_instance": "0b1c"}, "shop/orders"),
        ({**SCRAPE, "exported_service": "orders", "exported_namespace": "shop"}, "shop/orders"),
        ({"service_name": "unknown_service:java", "app": "orders"}, "orders"),
        ({"service_name": "unknown_service", "job": "unknown_service:java"}, ""),
    ],
)
def test_a_series_belongs_to_whom_its_own_labels_name(labels: dict[str, str], service: str) -> None:
    assert service_of(own_labels(labels, of_pods=False), Labels().service) == service


def test_the_scrapes_labels_are_left_out_beside_exported_ones() -> None:
    labels = {**SCRAPE, "exported_namespace": "shop", "pod": "orders-66d9f7bc48-kq8zj", "exported_container": "orders"}
    own = own_labels(labels, of_pods=True)
    assert own == {"pod": "orders-66d9f7bc48-kq8zj", "namespace": "shop", "container": "orders"}
    assert "pod" not in own_labels({**COLLECTOR, "exported_job": "shop/orders"}, of_pods=False)
