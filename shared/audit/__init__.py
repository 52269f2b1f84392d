"""The audit log: who did what to which data, in a chain that shows every later change."""

from shared.audit.acts import Act
from shared.audit.log import note

__all__ = ["Act", "note"]
