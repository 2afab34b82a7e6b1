"""A synthetic dental practice in the real OpenDental schema; it imports nothing of the ELT."""

from deployments.clinic.create import ClinicSummary, create
from deployments.clinic.day import DaySummary, play_day
from deployments.clinic.load import ClinicError, connect

__all__ = ["ClinicError", "ClinicSummary", "DaySummary", "connect", "create", "play_day"]
