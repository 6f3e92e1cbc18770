from pathlib import Path

import pyarrow as pa

from service.domain.incident import Incident
from service.evidence.tables import Compared
from service.stores.alert_body import AlertGroup, alert_body
from service.stores.case_files import write_case
from service.stores.case_tables import CaseTables
from service.view.view import View


def save_view(view: View, directory: Path) -> None:
    """Writes what the view saw as a case (case/1): opened again, it is an equal view, but for its tenant and for
    notes on stores that failed, which in the case are stores that are not there.

    Raises `service.errors.CaseError` if the directory holds something already.
    """
    tables = CaseTables(
        spans=_joined(view.tables.spans),
        logs=_joined(view.tables.logs),
        metrics=_joined(view.tables.metrics),
        topology=view.tables.topology,
        changes=view.tables.changes,
    )
    write_case(directory, view.incident, alert_body(_group(view.incident)), tables)


def _joined(compared: Compared | None) -> pa.Table | None:
    return None if compared is None else compared.together


def _group(incident: Incident) -> AlertGroup:
    firing = any(alert.firing for alert in incident.alerts)
    return AlertGroup(group_key=incident.id, status="firing" if firing else "resolved", alerts=incident.alerts)
