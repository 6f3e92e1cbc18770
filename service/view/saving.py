from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from service.domain.evidence import Signal
from service.domain.incident import Incident
from service.domain.window import Window
from service.evidence.tables import Compared
from service.stores.alert_body import AlertGroup, alert_body
from service.stores.case_files import write_case
from service.stores.case_tables import CaseTables
from service.view.view import View


def save_view(view: View, directory: Path) -> None:
    """Writes what the view saw as a case (case/1): opened again, it is an equal view, but for its tenant and for
    notes on stores that failed, which in the case are stores that are not there. So is a baseline that failed.

    Raises `service.errors.CaseError` if the directory holds something already.
    """
    tables = CaseTables(
        spans=_joined(view.tables.spans),
        logs=_joined(view.tables.logs),
        metrics=_joined(view.tables.metrics),
        topology=view.tables.topology,
        changes=view.tables.changes,
    )
    incident = replace(view.incident, baselines=_seen(view))
    write_case(directory, incident, alert_body(_group(incident)), tables)


def _seen(view: View) -> dict[Signal, Window]:
    """The baselines, but for those that a store did not answer for."""
    found = {Signal.TRACES: view.tables.spans, Signal.LOGS: view.tables.logs, Signal.METRICS: view.tables.metrics}
    blind = {signal for signal, compared in found.items() if compared is not None and compared.before is None}
    return {signal: window for signal, window in view.incident.baselines.items() if signal not in blind}


def _joined(compared: Compared | None) -> pa.Table | None:
    return None if compared is None else compared.together


def _group(incident: Incident) -> AlertGroup:
    firing = any(alert.firing for alert in incident.alerts)
    return AlertGroup(group_key=incident.id, status="firing" if firing else "resolved", alerts=incident.alerts)
