"""Answers go where people are: each to the targets that are set, by the store's outbox."""
