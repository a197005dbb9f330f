"""Grafana's own alerting: its webhook contact point, version 1, in the form of Alertmanager's."""

from .alertmanager import parse

__all__ = ["parse"]
