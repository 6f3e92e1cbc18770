"""Our Prometheus rules as the resource that the Prometheus operator reads.

Printed by ``python -m deploy.prometheus_rule > k8s/base/prometheus-rule.yaml``.
"""

import sys
from pathlib import Path
from typing import Any, Final

try:
    import yaml
except ModuleNotFoundError:
    sys.exit("prometheus_rule needs yaml: pip install pyyaml")

RULES: Final = Path(__file__).resolve().parent / "prometheus"

HEADER: Final = "# Made from deploy/prometheus by python -m deploy.prometheus_rule; change the rules there.\n"


def prometheus_rule() -> dict[str, Any]:
    """The resource: the groups of all files of rules, in the order of the files' names."""
    files = sorted(RULES.glob("*.rules.yaml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "hypocenter"},
        "spec": {"groups": groups},
    }


if __name__ == "__main__":
    sys.stdout.write(HEADER + yaml.safe_dump(prometheus_rule(), sort_keys=False, allow_unicode=True, width=120))
