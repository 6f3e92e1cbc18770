NAME = "hypocenter"
"""Our name in telemetry: what bears it is left out of what is localized."""
