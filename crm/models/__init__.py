from crm.models.connection import AccessToken, Connection, SyncPoint, SyncRun, Upload
from crm.models.customer import Customer
from crm.models.deal import Deal, DealSnapshot, Stage
from crm.models.dealings import (
    Activity,
    Contact,
    Contract,
    Order,
    PrivacyRequest,
    Quote,
    Receivable,
    SatisfactionScore,
    Ticket,
)
from crm.models.fact import Fact
from crm.models.market import Competitor, CompetitorMove, ExchangeRate, Lead
from crm.models.measurement import Measure, Measurement
from crm.models.person import Person
from crm.models.target import Target

__all__ = [
    "AccessToken",
    "Activity",
    "Competitor",
    "CompetitorMove",
    "Connection",
    "Contact",
    "Contract",
    "Customer",
    "Deal",
    "DealSnapshot",
    "ExchangeRate",
    "Fact",
    "Lead",
    "Measure",
    "Measurement",
    "Order",
    "Person",
    "PrivacyRequest",
    "Quote",
    "Receivable",
    "SatisfactionScore",
    "Stage",
    "SyncPoint",
    "SyncRun",
    "Target",
    "Ticket",
    "Upload",
]
