"""Whom alerts are about: the labels that common rule sets write, against one small system."""

import pytest

from service.domain.alert import Alert
from service.domain.graph import ServiceGraph
from service.domain.subject import Trusted
from service.view.subjects import Alerting, subjects
from tests.telemetry_rows import at

GRAPH = ServiceGraph(
    services=("web", "orders", "payments", "orders-db", "Billing.Api", "invoice-exporter", "ledger_writer", "audit"),
    calls=frozenset({("web", "orders"), ("orders", "payments"), ("orders", "orders-db")}),
    pods={"orders-7c5b9d8f6d-x2x4z": "orders", "orders-db-0": "orders-db", "legacy-host-a": "audit"},
    hosts={"web": ("node-1",), "orders": ("node-2.dc.example.com",), "payments": ("10.0.0.3",), "audit": ("node-1",)},
)
NAMESPACES = {"web": "shop", "orders": "shop", "payments": "shop", "orders-db": "shop", "audit": "back"}

STATE = {
    "job": "kube-state-metrics",
    "service": "kps-kube-state-metrics",
    "container": "kube-state-metrics",
    "pod": "kps-kube-state-metrics-7c5b9d8f6d-x2x4z",
    "instance": "10.42.3.28:8080",
    "endpoint": "http",
}
"""What kube-prometheus leaves on an alert of kube-state-metrics where the series has no such label of its own."""
MACHINE = {
    "job": "node-exporter",
    "service": "kps-node-exporter",
    "container": "node-exporter",
    "pod": "kps-node-exporter-x2x4z",
    "namespace": "monitoring",
    "endpoint": "http-metrics",
}
INGRESS = {
    "job": "ingress-nginx-controller-metrics",
    "service": "ingress-nginx-controller-metrics",
    "namespace": "ingress-nginx",
    "pod": "ingress-nginx-controller-7c5b9d8f6d-x2x4z",
    "container": "controller",
}

SHAPES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "a service": ({"service": "payments"}, ("payments",)),
    "self-made metrics": (
        {"service": "payments", "job": "payments", "pod": "payments-7c5b9d8f6d-x2x4z", "namespace": "shop"},
        ("payments",),
    ),
    "kube: a pod": (
        {**STATE, "namespace": "shop", "container": "orders", "pod": "orders-7c5b9d8f6d-x2x4z"},
        ("orders",),
    ),
    "kube: a pod that is no more": (
        {**STATE, "namespace": "shop", "container": "app", "pod": "payments-66d9f7bc48-kq8zj"},
        ("payments",),
    ),
    "kube: a pod alone": ({"namespace": "shop", "pod": "payments-66d9f7bc48-abcde"}, ("payments",)),
    "kube: a pod with a name of its own": ({"namespace": "back", "pod": "legacy-host-a"}, ("audit",)),
    "kube: a pod of a stateful set": ({"namespace": "shop", "pod": "orders-db-2"}, ("orders-db",)),
    "kube: a deployment": ({**STATE, "namespace": "shop", "deployment": "payments"}, ("payments",)),
    "kube: a stateful set": ({**STATE, "namespace": "shop", "statefulset": "orders-db"}, ("orders-db",)),
    "kube: a daemon set": ({**STATE, "namespace": "back", "daemonset": "audit"}, ("audit",)),
    "kube: a job of a cron job": ({**STATE, "namespace": "back", "job_name": "audit-28391040"}, ("audit",)),
    "kube: an autoscaler": ({**STATE, "namespace": "shop", "horizontalpodautoscaler": "payments"}, ("payments",)),
    "kube: a replica set": ({**STATE, "namespace": "shop", "replicaset": "payments-66d9f7bc48"}, ("payments",)),
    "kube: a node": ({**STATE, "namespace": "monitoring", "node": "node-1", "condition": "Ready"}, ("web", "audit")),
    "kube: a volume": (
        {"job": "kubelet", "service": "kps-kubelet", "namespace": "shop", "node": "node-1"}
        | {"persistentvolumeclaim": "data-orders-db-0", "instance": "10.0.0.9:10250", "metrics_path": "/metrics"},
        ("orders-db",),
    ),
    "kube: a kubelet": ({"job": "kubelet", "service": "kps-kubelet", "node": "node-1"}, ("web", "audit")),
    "kube: throttling, by a sum": (
        {"namespace": "shop", "container": "orders", "pod": "orders-66d9f7bc48-abcde"},
        ("orders",),
    ),
    "no honor_labels": (
        {**STATE, "namespace": "monitoring", "exported_namespace": "shop", "exported_container": "orders"}
        | {"exported_pod": "orders-7c5b9d8f6d-x2x4z"},
        ("orders",),
    ),
    "no honor_labels, only the namespace twice": (
        {"job": "kubernetes-service-endpoints", "service": "prom-kube-state-metrics", "namespace": "monitoring"}
        | {"app_kubernetes_io_name": "kube-state-metrics", "exported_namespace": "shop", "node": "node-1"}
        | {"pod": "payments-66d9f7bc48-kq8zj", "container": "payments"},
        ("payments",),
    ),
    "no honor_labels, a deployment": (
        {**STATE, "namespace": "monitoring", "exported_namespace": "shop", "deployment": "orders"},
        ("orders",),
    ),
    "ingress, no honor_labels": (
        {**INGRESS, "exported_service": "payments", "exported_namespace": "shop", "ingress": "web"},
        ("payments",),
    ),
    "ingress, honor_labels": ({**INGRESS, "service": "payments", "namespace": "shop", "ingress": "web"}, ("payments",)),
    "an exporter of one's own, of a pod": (
        {"job": "prober", "service": "prober", "pod": "orders-7c5b9d8f6d-x2x4z", "namespace": "shop"},
        ("orders",),
    ),
    "node exporter by name": ({**MACHINE, "instance": "node-1:9100", "mountpoint": "/"}, ("web", "audit")),
    "node exporter by address": ({**MACHINE, "instance": "10.0.0.3:9100"}, ("payments",)),
    "node exporter by domain": ({"job": "node_exporter", "instance": "node-1.example.org:9100"}, ("web", "audit")),
    "node exporter by short name": ({"job": "node", "nodename": "node-2", "instance": "10.1.1.1:9100"}, ("orders",)),
    "Istio at the destination": (
        {"destination_service_name": "payments", "destination_service": "payments.shop.svc.cluster.local"}
        | {"destination_workload": "payments-v1", "destination_workload_namespace": "shop", "source_workload": "orders"}
        | {"reporter": "source", "pod": "orders-7c5b9d8f6d-x2x4z", "job": "envoy-stats"},
        ("payments",),
    ),
    "Istio by canonical service": ({"destination_canonical_service": "orders", "source_app": "web"}, ("orders",)),
    "Istio, a host": ({"destination_service": "orders.shop.svc.cluster.local", "source_app": "web"}, ("orders",)),
    "Istio, nobody known is called": (
        {"destination_service_name": "PassthroughCluster", "destination_workload": "unknown", "source_workload": "web"},
        ("web",),
    ),
    "Envoy's cluster": ({"envoy_cluster_name": "outbound|8080||payments.shop.svc.cluster.local"}, ("payments",)),
    "Linkerd outbound": (
        {"deployment": "web", "namespace": "shop", "direction": "outbound", "dst_deployment": "orders"}
        | {"job": "linkerd-proxy", "pod": "web-7c5b9d8f6d-x2x4z"},
        ("orders",),
    ),
    "Linkerd inbound": (
        {"deployment": "orders", "namespace": "shop", "direction": "inbound", "job": "linkerd-proxy"}
        | {"authority": "web.shop.svc.cluster.local:8080"},
        ("orders",),
    ),
    "a service graph": ({"client": "web", "server": "orders", "job": "tempo"}, ("orders",)),
    "Spring": ({"application": "payments", "job": "spring-actuator", "instance": "10.1.2.3:8080"}, ("payments",)),
    ".NET, other case": ({"job": "billing.api", "instance": "10.1.2.3:8080"}, ("Billing.Api",)),
    ".NET, other separators": ({"app": "billing-api"}, ("Billing.Api",)),
    "other case": ({"service": "Payments"}, ("payments",)),
    "an underscore": ({"service": "ledger-writer"}, ("ledger_writer",)),
    "OpenTelemetry's job": ({"job": "shop/web", "instance": "0b1c"}, ("web",)),
    "a collector's job": ({"job": "otel-collector", "instance": "c:8889", "exported_job": "shop/orders"}, ("orders",)),
    "resource attributes": ({"service_name": "orders", "k8s_namespace_name": "shop"}, ("orders",)),
    "the SDK's default": (
        {"service_name": "unknown_service:java", "job": "unknown_service:java", "k8s_deployment_name": "orders"},
        ("orders",),
    ),
    "the SDK's default and a pod": (
        {"service_name": "unknown_service", "pod": "payments-66d9f7bc48-kq8zj"},
        ("payments",),
    ),
    "a host of the cluster": ({"service": "payments.shop.svc.cluster.local"}, ("payments",)),
    "a host and a port": ({"service": "payments.shop.svc:8080"}, ("payments",)),
    "a host of a domain": ({"service": "payments.service.consul"}, ("payments",)),
    "a version": ({"deployment": "payments-v2", "namespace": "shop"}, ("payments",)),
    "a canary": ({"app": "payments-canary"}, ("payments",)),
    "a namespace in front": ({"deployment": "shop-payments", "namespace": "shop"}, ("payments",)),
    "a headless service": ({"service": "orders-db-headless", "namespace": "shop"}, ("orders-db",)),
    "a probe inside": ({"job": "blackbox", "instance": "http://payments.shop.svc:8080/health"}, ("payments",)),
    "a probe of a container": ({"job": "blackbox", "instance": "http://orders:8080/"}, ("orders",)),
    "compose": ({"job": "spring", "instance": "payments:8080"}, ("payments",)),
    "an exporter of a database": ({"job": "postgres-exporter", "instance": "orders-db:9187"}, ("orders-db",)),
    "an exporter named after its database": (
        {"job": "orders-db-exporter", "instance": "10.1.2.3:9187"},
        ("orders-db",),
    ),
    "a service that exports for a living": (
        {"service": "invoice-exporter", "job": "invoice-exporter"},
        ("invoice-exporter",),
    ),
    "a label of an environment": ({"deployment": "production", "job": "payments"}, ("payments",)),
    "an empty label": ({"service": "", "job": "payments"}, ("payments",)),
}  # fmt: skip

NOBODY: dict[str, dict[str, str]] = {
    "a probe from outside": {"job": "blackbox", "instance": "https://web.shop.example.com/checkout"},
    "a quota": {**STATE, "resourcequota": "compute"},
    "the exporter of all alone": dict(STATE),
    "nothing": {"severity": "page"},
    "a pod of a workload that nobody knows": {"pod": "orders-cache-66d9f7bc48-kq8zj"},
    "a longer name": {"service": "payments-gateway"},
    "a node that nobody knows": {**MACHINE, "instance": "node-7:9100"},
    "the control plane": {"job": "apiserver", "service": "kubernetes", "instance": "10.0.0.1:6443"},
}


def about(labels: dict[str, str], trusted: Trusted | None = None) -> Alerting:
    alert = Alert("f", at(0), labels={"alertname": "A", **labels}, trusted=trusted or Trusted())
    return subjects([alert], GRAPH, NAMESPACES)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_alert_is_about_what_its_rule_set_means(shape: str) -> None:
    labels, expected = SHAPES[shape]
    assert about(labels) == Alerting(expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_system_that_does_not_know_the_subject_knows_nobody_instead(shape: str) -> None:
    labels, _ = SHAPES[shape]
    alert = Alert("f", at(0), labels=labels)
    strangers = ServiceGraph(("kube-state-metrics", "kps-kube-state-metrics", "node-exporter", "kubelet"))
    assert subjects([alert], strangers, {}).services == ()


@pytest.mark.parametrize("shape", NOBODY)
def test_nobody_is_named_where_nothing_fits(shape: str) -> None:
    seen = about(NOBODY[shape])
    assert seen.services == ()
    (note,) = seen.notes
    assert note.endswith("everything is looked at")


def test_a_service_of_another_namespace_is_not_meant() -> None:
    assert about({"service": "payments", "namespace": "back"}).services == ("audit",)
    assert about({"service": "payments", "namespace": "unheard-of"}).services == ("payments",)


def test_the_whole_namespace_is_looked_at_where_nothing_in_it_fits() -> None:
    seen = about({**STATE, "namespace": "shop", "resourcequota": "compute"})
    assert seen.services[0] == "web"
    assert set(seen.services) == {"web", "orders", "payments", "orders-db"}
    assert seen.notes == ("alert A names no service, pod or node in namespace shop: its whole namespace is looked at",)


def test_one_alert_that_fits_is_enough_and_the_other_is_told_of() -> None:
    alerts = [Alert("1", at(0), labels={"service": "ghost"}), Alert("2", at(0), labels={"service": "orders"})]
    seen = subjects(alerts, GRAPH, {})
    assert seen.services == ("orders",)
    assert seen.notes == ("alert without a name is about nothing that telemetry knows (service ghost)",)


def test_all_versions_of_a_service_are_meant_by_its_name() -> None:
    graph = ServiceGraph(("checkout-v1", "checkout-v2", "checkout-worker"))
    alert = Alert("f", at(0), labels={"service": "checkout"})
    assert subjects([alert], graph, {}).services == ("checkout-v1", "checkout-v2")


def test_of_one_name_in_two_namespaces_the_alert_means_its_own() -> None:
    graph = ServiceGraph(("shop/api", "back/api", "web"))
    seen = {namespace: subjects([Alert("f", at(0), labels=labels)], graph, {}).services for namespace, labels in {
        "shop": {"service": "api", "namespace": "shop"},
        "back": {"pod": "api-66d9f7bc48-kq8zj", "namespace": "back"},
        "job": {"job": "back/api"},
        "both": {"service": "api"},
    }.items()}  # fmt: skip
    assert seen == {
        "shop": ("shop/api",),
        "back": ("back/api",),
        "job": ("back/api",),
        "both": ("shop/api", "back/api"),
    }


def test_names_that_differ_only_in_their_case_are_told_apart() -> None:
    graph = ServiceGraph(("orders", "Orders"))
    assert subjects([Alert("f", at(0), labels={"service": "Orders"})], graph, {}).services == ("Orders",)
    assert subjects([Alert("f", at(0), labels={"service": "ORDERS"})], graph, {}).services == ()


def test_labels_that_are_trusted_come_first() -> None:
    labels = {"service": "web", "component": "payments", "machine": "node-1", "task": "orders-db-0"}
    assert about(labels).services == ("web",)
    assert about(labels, Trusted(service=("nothing", "component"))).services == ("payments",)
    assert about(labels, Trusted(pod=("task",))).services == ("orders-db",)
    assert about(labels, Trusted(node=("machine",))).services == ("web", "audit")


def test_what_a_rule_asks_says_who_tells_of_others() -> None:
    labels = {"job": "ksm", "service": "ksm", "deployment": "payments", "pod": "ksm-66d9f7bc48-kq8zj"}
    graph = ServiceGraph(("ksm", "payments", "kube-state-metrics"))
    rule = "http://p/graph?g0.expr=kube_deployment_status_replicas_unavailable+%3E+0"
    assert subjects([Alert("f", at(0), labels=labels, generator_url=rule)], graph, {}).services == ("payments",)
    down = "http://p/graph?g0.expr=up+%3D%3D+0"
    labels = {"job": "kube-state-metrics", "service": "kube-state-metrics"}
    assert subjects([Alert("f", at(0), labels=labels, generator_url=down)], graph, {}).services == (
        "kube-state-metrics",
    )
    assert subjects([Alert("f", at(0), labels=labels)], graph, {}).services == ()


def test_no_notes_are_written_without_bound() -> None:
    alerts = [Alert(str(n), at(0), labels={"alertname": "A" * 999, "service": f"ghost-{n}"}) for n in range(50)]
    notes = subjects(alerts, GRAPH, {}).notes
    assert len(notes) == 4
    assert max(map(len, notes)) < 400
