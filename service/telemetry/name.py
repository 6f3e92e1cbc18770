NAME = "hypocenter"
"""Our name in telemetry: what bears it is left out of what is localized."""


def ours(service: str) -> bool:
    """Whether a service is a part of us: of a workload's name, which may be ``hypocenter-worker``, series are told."""
    return service == NAME or service.startswith(f"{NAME}-")
