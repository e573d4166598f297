"""Zoho CRM, API v8."""

from crm.connectors.zoho.calls import DATA_CENTRES, Credentials
from crm.connectors.zoho.client import SCOPES, Stage, Zoho
from crm.connectors.zoho.mapper import DEFAULT_MAPPING

__all__ = ["DATA_CENTRES", "DEFAULT_MAPPING", "SCOPES", "Credentials", "Stage", "Zoho"]
