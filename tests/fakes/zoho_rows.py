"""What stands in the fake Zoho: an organisation with modules, fields and records, the same for the same seed."""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import pickle
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

SHANGHAI = dt.timezone(dt.timedelta(hours=8))  # of the organisation
FIRST_ID = 5545974000000100000  # 19 digits
ORGANISATION = {
    "id": "5545974000000000001",
    "company_name": "示例工业有限公司",
    "iso_code": "CNY",
    "currency": "Chinese Yuan - CNY",
    "time_zone": "Asia/Shanghai",
}
STAGES = (
    ("Qualification", "资格审查", "Open"),
    ("Needs Analysis", "需求分析", "Open"),
    ("Value Proposition", "价值主张", "Open"),
    ("Id. Decision Makers", "确定决策者", "Open"),
    ("Proposal/Price Quote", "报价", "Open"),
    ("Negotiation/Review", "谈判", "Open"),
    ("Closed Won", "赢单", "Closed Won"),
    ("Closed Lost", "输单", "Closed Lost"),
    ("Closed Lost to Competition", "输给竞争对手", "Closed Lost"),
)
STANDARD = "Standard (Standard)"
_PLACES = ("上海", "北京", "广东", "江苏", "Bayern", "Ohio")
_INDUSTRIES = ("制造业", "医疗", "Energy", "Retail", "金融")
_SOURCES = ("展会", "Referral", "Web", "合作伙伴")
_WORDS = ("华东", "Nordwind", "恒达", "Apex", "瑞丰", "Helios", "中科", "Blue Ridge", "金桥", "Orion")
_LOOKUPS = {
    "Account_Name": "Accounts",
    "Parent_Account": "Accounts",
    "Deal_Name": "Deals",
    "Contact_Name": "Contacts",
    "Who_Id": "Contacts",
    "What_Id": "Accounts",
}
_COMMON = ("Owner:ownerlookup", "Created_Time:datetime", "Modified_Time:datetime", "Tag:text")
_MODULES: dict[str, str] = {
    "Accounts": "Account_Name:text Account_Type:picklist Industry:picklist Rating:picklist Billing_State:text"
    " Annual_Revenue:currency Employees:integer Parent_Account:lookup Last_Activity_Time:datetime"
    " Currency:picklist Exchange_Rate:double",
    "Contacts": "First_Name:text Last_Name:text Full_Name:text Email:email Phone:phone Account_Name:lookup Title:text"
    " Email_Opt_Out:boolean Last_Activity_Time:datetime",
    "Deals": "Deal_Name:text Account_Name:lookup Contact_Name:lookup Pipeline:picklist Stage:picklist Amount:currency"
    " Closing_Date:date Probability:integer Expected_Revenue:currency Next_Step:text Type:picklist"
    " Lead_Source:picklist Reason_For_Loss__s:picklist Last_Activity_Time:datetime Currency:picklist"
    " Exchange_Rate:double",
    "Leads": "Company:text Full_Name:text Lead_Status:picklist Lead_Source:picklist",
    "Tasks": "Subject:text Status:picklist Due_Date:date Closed_Time:datetime What_Id:lookup Who_Id:lookup",
    "Events": "Event_Title:text Start_DateTime:datetime End_DateTime:datetime What_Id:lookup Who_Id:lookup",
    "Calls": "Subject:text Call_Type:picklist Call_Start_Time:datetime Call_Duration_in_seconds:integer"
    " What_Id:lookup Who_Id:lookup",
    "Quotes": "Quote_Number:text Subject:text Quote_Stage:picklist Valid_Till:date Sub_Total:currency Discount:currency"
    " Grand_Total:currency Deal_Name:lookup Account_Name:lookup Currency:picklist",
    "Sales_Orders": "SO_Number:text Subject:text Status:picklist Due_Date:date Grand_Total:currency Deal_Name:lookup"
    " Account_Name:lookup Currency:picklist",
    "Invoices": "Invoice_Number:text Subject:text Invoice_Date:date Due_Date:date Status:picklist Grand_Total:currency"
    " Account_Name:lookup Currency:picklist",
    "Cases": "Case_Number:text Subject:text Status:picklist Priority:picklist Type:picklist Case_Origin:picklist"
    " Account_Name:lookup Deal_Name:lookup",
    "Data_Subject_Requests": "Request_Type:picklist Is_Closed:boolean Requested_Date:date Closed_Date:date",
    "Satisfaction_Surveys": "Name:text Account_Name:lookup Score:integer Asked_At:datetime Comment:textarea",
}
_PICKS = {
    ("Deals", "Stage"): [(name, label) for name, label, _type in STAGES],
    ("Deals", "Pipeline"): [(STANDARD, "标准")],
    ("Tasks", "Status"): [(one, one) for one in ("Not Started", "In Progress", "Completed", "Deferred")],
    ("Invoices", "Status"): [(one, one) for one in ("Created", "Approved", "Delivered", "Paid", "Cancelled")],
    ("Cases", "Status"): [(one, one) for one in ("New", "On Hold", "Escalated", "Closed")],
}


@dataclass
class Table:
    """A module: its fields as the metadata describes them, and its records in the order of their ids."""

    name: str
    fields: dict[str, dict[str, Any]]
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    deleted: list[dict[str, Any]] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)  # described, but the profile does not see them

    def put(self, row: dict[str, Any]) -> None:
        number = int(row["id"])
        if number not in self.rows:
            bisect.insort(self.order, number)
        self.rows[number] = row

    def remove(self, number: int) -> dict[str, Any]:
        self.order.remove(number)
        return self.rows.pop(number)


def described(module: str, name: str, kind: str = "text", label: str = "") -> dict[str, Any]:
    picks = _PICKS.get((module, name), [])
    values = [
        {"actual_value": actual, "display_value": shown, "sequence_number": number}
        for number, (actual, shown) in enumerate(picks, 1)
    ]
    return {
        "api_name": name,
        "field_label": label or name.replace("_", " "),
        "data_type": kind,
        "pick_list_values": values,
        "lookup": {"module": {"api_name": _LOOKUPS[name]}} if kind == "lookup" and name in _LOOKUPS else {},
    }


def stamp(at: dt.datetime) -> str:
    return at.astimezone(SHANGHAI).isoformat(timespec="seconds")


Tenant = tuple[dict[str, Table], list[dict[str, Any]]]


def tenant(*, deals: int, now: dt.datetime, seed: int) -> Tenant:
    """The modules, and the users."""
    if deals > 1000:
        return _made(deals, now, seed)
    made: Tenant = pickle.loads(_kept(deals, now, seed))
    return made


@functools.lru_cache(maxsize=8)
def _kept(deals: int, now: dt.datetime, seed: int) -> bytes:
    """Hundreds of tests begin with the same small organisation, and each changes its own copy."""
    return pickle.dumps(_made(deals, now, seed))


def _made(deals: int, now: dt.datetime, seed: int) -> Tenant:
    maker = _Maker(random.Random(seed), now)
    for module, fields in _MODULES.items():
        parts = [one.split(":") for one in [*fields.split(), *_COMMON]]
        maker.tables[module] = Table(module, {name: described(module, name, kind) for name, kind in parts})
    accounts = maker.make("Accounts", max(5, deals // 10), maker.account)
    contacts = maker.make("Contacts", max(5, deals // 5), lambda n: maker.contact(n, accounts))
    sold = maker.make("Deals", deals, lambda n: maker.deal(n, accounts, contacts))
    tenth = max(3, deals // 10)
    maker.make("Leads", tenth, maker.lead)
    for module in ("Tasks", "Events", "Calls"):
        maker.make(module, 2 * tenth, lambda n, module=module: maker.activity(module, n, accounts, sold))
    for module in ("Quotes", "Sales_Orders", "Invoices", "Cases"):
        maker.make(module, tenth, lambda n, module=module: maker.paper(module, n, accounts, sold))
    maker.make("Data_Subject_Requests", 3, maker.request)
    maker.make("Satisfaction_Surveys", tenth, lambda n: maker.survey(n, accounts))
    return maker.tables, maker.users


class _Maker:
    def __init__(self, rng: random.Random, now: dt.datetime) -> None:
        self.rng = rng
        self.now = now.replace(microsecond=0)
        self.tables: dict[str, Table] = {}
        self.next_id = FIRST_ID
        self.users = [self._user(number) for number in range(12)]
        self._owners = [{"id": one["id"], "name": one["full_name"], "email": one["email"]} for one in self.users]

    def _user(self, number: int) -> dict[str, Any]:
        name = f"{('王', '李', '张', 'Kim', 'Roth', 'Silva')[number % 6]} {number}"
        return {
            "id": self._id(),
            "full_name": name,
            "email": f"seller{number}@example.com",
            "status": "disabled" if number % 6 == 5 else "active",
            "role": {"name": "销售" if number % 2 else "Key accounts", "id": "5545974000000000031"},
            "profile": {"name": "Standard", "id": "5545974000000000032"},
            "Modified_Time": stamp(self.now - dt.timedelta(days=100 + number)),
        }

    def _id(self) -> str:
        self.next_id += self.rng.randrange(1, 60)
        return str(self.next_id)

    def make(
        self, module: str, count: int, content: Callable[[int], dict[str, Any]]
    ) -> Sequence[tuple[str, dict[str, Any]]]:
        """The records, as (id, record)."""
        table, made = self.tables[module], []
        for number in range(count):
            created = self.now - dt.timedelta(minutes=self.rng.randrange(60, 700 * 1440))
            modified = created + (self.now - created) * self.rng.random()
            row = {"id": self._id(), "Owner": self.rng.choice(self._owners), "Tag": []}
            row |= {"Created_Time": stamp(created), "Modified_Time": stamp(modified), **content(number)}
            table.rows[int(row["id"])] = row
            table.order.append(int(row["id"]))
            made.append((row["id"], row))
        return made

    def _lookup(self, made: Sequence[tuple[str, dict[str, Any]]], name: str) -> dict[str, str]:
        found, row = self.rng.choice(made)
        return {"name": row[name], "id": found}

    def _money(self, most: int) -> float:
        return self.rng.randrange(1000, most) / 100

    def _day(self, back: int, ahead: int) -> str:
        return (self.now + dt.timedelta(days=self.rng.randrange(-back, ahead))).astimezone(SHANGHAI).date().isoformat()

    def _time(self, back: int, ahead: int) -> str:
        return stamp(self.now + dt.timedelta(minutes=self.rng.randrange(-back * 1440, ahead * 1440)))

    def account(self, number: int) -> dict[str, Any]:
        return {
            "Account_Name": f"{self.rng.choice(_WORDS)} {number}",
            "Account_Type": self.rng.choice(("Customer", "Prospect", "合作伙伴")),
            "Industry": self.rng.choice(_INDUSTRIES),
            "Rating": self.rng.choice(("Active", "Acquired", None)),
            "Billing_State": self.rng.choice(_PLACES),
            "Annual_Revenue": self._money(5_000_000_000),
            "Employees": self.rng.randrange(5, 5000),
            "Parent_Account": None,
            "Last_Activity_Time": self._time(200, 0),
            "Currency": "CNY",
            "Exchange_Rate": 1,
        }

    def contact(self, number: int, accounts: Any) -> dict[str, Any]:
        first, last = self.rng.choice(("Ana", "伟", "Tom", "丽")), f"{self.rng.choice(_WORDS)}{number}"
        return {
            "First_Name": first,
            "Last_Name": last,
            "Full_Name": f"{first} {last}",
            "Email": f"contact{number}@example.com",
            "Account_Name": self._lookup(accounts, "Account_Name") if number % 20 else None,
            "Title": self.rng.choice(("采购经理", "CTO", "CFO", None)),
            "Email_Opt_Out": number % 9 == 0,
        }

    def deal(self, number: int, accounts: Any, contacts: Any) -> dict[str, Any]:
        """With what real ones have: no account, no closing date, a negative amount, one that is very large."""
        stage = self.rng.choice(STAGES)[0]
        amount: Any = self._money(80_000_000)
        if number % 100 == 7:
            amount = {0: None, 1: -1500.5, 2: 98765432109876.55}[number // 100 % 3]
        return {
            "Deal_Name": f"{self.rng.choice(_WORDS)} 项目 {number}",
            "Account_Name": self._lookup(accounts, "Account_Name") if number % 25 else None,
            "Contact_Name": self._lookup(contacts, "Full_Name"),
            "Pipeline": STANDARD,
            "Stage": stage,
            "Amount": amount,
            "Closing_Date": self._day(200, 150) if number % 30 else None,
            "Probability": self.rng.randrange(0, 101, 5),
            "Next_Step": self.rng.choice(("致电客户", "Send the offer", None)),
            "Type": self.rng.choice(("New Business", "Existing Business", None)),
            "Lead_Source": self.rng.choice(_SOURCES),
            "Reason_For_Loss__s": "价格" if "Lost" in stage else None,
            "Currency": "CNY",
            "Exchange_Rate": 1,
        }

    def lead(self, number: int) -> dict[str, Any]:
        name = f"{self.rng.choice(_WORDS)} {number}"
        return {"Company": name, "Full_Name": f"Lead {number}", "Lead_Source": self.rng.choice(_SOURCES)}

    def activity(self, module: str, number: int, accounts: Any, deals: Any) -> dict[str, Any]:
        about = "Deals" if number % 3 else "Accounts"
        what = self._lookup(deals, "Deal_Name") if number % 3 else self._lookup(accounts, "Account_Name")
        row: dict[str, Any] = {"What_Id": what, "$se_module": about, "Who_Id": None, "Subject": f"Activity {number}"}
        if module == "Tasks":
            done = number % 2 == 0
            closed = self._time(200, 0) if done else None
            status = "Completed" if done else "Not Started"
            return {**row, "Status": status, "Closed_Time": closed, "Due_Date": self._day(200, 30)}
        if module == "Events":
            row.pop("Subject")
            return {**row, "Event_Title": f"Meeting {number}", **self._begun("Start_DateTime", 30)}
        kind = self.rng.choice(("Inbound", "Outbound", "Missed"))
        spoken = 0 if kind == "Missed" else self.rng.randrange(0, 900)
        begun = self._begun("Call_Start_Time", 10)
        return {**row, "Call_Type": kind, **begun, "Call_Duration_in_seconds": spoken}

    def _begun(self, name: str, ahead: int) -> dict[str, str]:
        """When it began or will begin; what is over was last written to afterwards."""
        start = self.now + dt.timedelta(minutes=self.rng.randrange(-200 * 1440, ahead * 1440))
        written = start + (self.now - start) * self.rng.random() if start < self.now else self.now
        return {name: stamp(start), "Modified_Time": stamp(written)}

    def paper(self, module: str, number: int, accounts: Any, deals: Any) -> dict[str, Any]:
        row: dict[str, Any] = {
            "Account_Name": self._lookup(accounts, "Account_Name"),
            "Deal_Name": self._lookup(deals, "Deal_Name"),
            "Subject": f"{module} {number}",
            "Currency": "CNY",
        }
        whole = self._money(40_000_000)
        if module == "Quotes":
            off = round(whole * self.rng.randrange(0, 30) / 100, 2)
            return {
                **row,
                "Quote_Number": f"Q{number}",
                "Sub_Total": whole,
                "Discount": off,
                "Grand_Total": round(whole - off, 2),
                "Valid_Till": self._day(60, 60),
            }
        if module == "Sales_Orders":
            status = self.rng.choice(("Created", "Approved", "Delivered", "Cancelled"))
            return {**row, "SO_Number": f"SO{number}", "Status": status, "Grand_Total": whole}
        row.pop("Deal_Name") if module == "Invoices" else None
        if module == "Invoices":
            status = self.rng.choice(("Created", "Delivered", "Paid", "Cancelled"))
            dates = {"Invoice_Date": self._day(200, 0), "Due_Date": self._day(120, 60)}
            return {**row, **dates, "Invoice_Number": f"INV{number}", "Status": status, "Grand_Total": whole}
        row.pop("Currency")
        priority = self.rng.choice(("High", "Medium", "Low"))
        status = self.rng.choice(("New", "On Hold", "Closed"))
        return {**row, "Case_Number": f"C{number}", "Status": status, "Priority": priority}

    def request(self, number: int) -> dict[str, Any]:
        return {"Request_Type": "Delete", "Is_Closed": False, "Requested_Date": self._day(60, 0), "Closed_Date": None}

    def survey(self, number: int, accounts: Any) -> dict[str, Any]:
        score, asked = self.rng.randrange(0, 11), self._time(300, 0)
        account = self._lookup(accounts, "Account_Name")
        return {"Name": f"NPS {number}", "Account_Name": account, "Score": score, "Asked_At": asked, "Comment": None}
