"""Which of Fxiaoke's objects and fields say what, until an administrator says otherwise. Plain data.

Only what the vendor's own lists name is here. Scores of customers and the meaning of a tenant's own choices differ
everywhere, so those are left to be mapped.
"""

from __future__ import annotations

from collections.abc import Mapping

from crm.connectors.base import Source

# By what people read and not by the stored code, which each tenant has its own of.
_STATES = {
    "进行中": "open",
    "赢单": "won",
    "输单": "lost",
    "无效": "lost",
    "Open": "open",
    "In progress": "open",
    "Won": "won",
    "Lost": "lost",
    "Invalid": "lost",
}
_TIERS = {"重点客户": "key", "重要客户": "key", "普通客户": "mid", "一般客户": "mid", "小客户": "small"}

DEFAULT_MAPPING: Mapping[str, tuple[Source, ...]] = {
    "person": (
        Source(
            "PersonnelObj",
            {"name": "name", "email": "email", "active": "status", "unit": "main_department__r"},
            choices={"active": {"0": "yes", "1": "no"}},
        ),
    ),
    "customer": (
        # Not annual_revenue: the amount of the last deal (last_deal_closed_amount) is no year's.
        Source(
            "AccountObj",
            {
                "name": "name",
                "segment": "account_type__r",
                "industry": "industry_level1__r",
                "tier": "account_level__r",
                "owner": "owner",
                "last_touched_at": "last_followed_time",
            },
            choices={"tier": _TIERS},
        ),
    ),
    "contact": (Source("ContactObj", {"name": "name", "customer": "account_id"}),),
    "deal": (
        # Not discount: opp_discount is what is left of the price (95.0 for 5 % off).
        Source(
            "NewOpportunityObj",
            {
                "name": "name",
                "customer": "account_id",
                "owner": "owner",
                "pipeline": "sales_process_id",
                "stage": "sales_stage__r",
                "state": "sales_status__r",
                "amount": "amount",
                "probability": "probability",
                "created_at": "create_time",
                "close_date": "close_date",
                "stage_since": "stg_changed_time",
            },
            choices={"state": _STATES},
        ),
    ),
    "activity": (
        Source(
            "ActiveRecordObj",
            {
                "customer": "account_id",
                "deal": "new_opportunity_id",
                "kind": "active_record_type__r",
                "at": "create_time",
                "by": "created_by",
            },
            fixed={"planned": "no"},  # a record is written once it has happened
        ),
    ),
    "competitor": (Source("CompetitorObj", {"name": "name"}),),
    "competitor_move": (
        Source(
            "CompetitiveLinesObj",
            {"competitor": "competitor_id", "price": "quotation_amount", "on": "create_time", "text": "advantage"},
            fixed={"move": "quote"},
        ),
    ),
    "receivable": (
        Source(
            "PaymentPlanObj",
            {
                "number": "name",
                "customer": "account_id",
                "due_on": "plan_payment_time",
                "amount": "plan_payment_amount",
                "paid": "actual_payment_amount",
            },
        ),
    ),
    "order": (
        Source(
            "SalesOrderObj",
            {
                "number": "name",
                "customer": "account_id",
                "ordered_on": "order_time",
                "amount": "order_amount",
                "delivered_on": "delivery_date",
            },
        ),
    ),
    "contract": (
        # Not yearly_value: contract_amount is that of the whole term.
        Source(
            "SaleContractObj",
            {"number": "name", "customer": "account_id", "starts_on": "started_time", "ends_on": "expired_time"},
        ),
    ),
    "ticket": (Source("CasesObj", {"number": "name", "customer": "account_id", "opened_at": "create_time"}),),
    "quote": (Source("QuoteObj", {"number": "name", "customer": "account_id", "on": "create_time"}),),
    "lead": (Source("LeadsObj", {"name": "name", "created_at": "create_time", "owner": "owner"}),),
}
