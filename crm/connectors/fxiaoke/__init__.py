"""Fxiaoke (纷享销客), open API v2."""

from crm.connectors.fxiaoke.client import CLOUDS, LIMITS, ZONE, Credentials, Fxiaoke, Style
from crm.connectors.fxiaoke.mapper import DEFAULT_MAPPING

__all__ = ["CLOUDS", "DEFAULT_MAPPING", "LIMITS", "ZONE", "Credentials", "Fxiaoke", "Style"]
