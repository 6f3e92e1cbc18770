"""Incidents and the work that they cause, kept durably: what is acknowledged here is never lost."""
