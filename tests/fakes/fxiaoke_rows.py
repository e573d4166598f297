"""What the fake Fxiaoke tenant holds: its objects with their fields, and records made from a seed."""

from __future__ import annotations

import bisect
import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SHANGHAI = dt.timezone(dt.timedelta(hours=8))
ADMIN = "1000"  # sees everything; every other employee sees only what is theirs
SURVEYS = "object_Nps7k__c"  # a custom object of this tenant
SATISFACTION = "field_k8Zp2__c"  # and a custom field of its customers

_DAY = 86_400_000
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = ("伟", "芳", "娜", "敏", "静", "磊", "洋", "勇", "艳", "杰", "晓东", "雨桐", "子涵", "嘉怡", "志强", "建国")
_CITIES = ("上海", "北京", "深圳", "杭州", "苏州", "成都", "武汉", "青岛", "宁波", "厦门", "长沙", "西安")
_WORDS = ("华信", "鼎盛", "恒通", "博远", "金桥", "天成", "瑞丰", "联创", "明德", "中科", "远大", "万邦")
_TRADES = ("机械", "医药", "化工", "电子", "物流", "食品", "能源", "软件")
_PRODUCTS = ("仓储系统", "质检设备", "数据平台", "产线改造", "年度维保", "云服务", "传感器", "培训服务")

STAGES = {"s1": "初步接触", "s2": "需求确认", "s3": "方案报价", "s4": "商务谈判", "s5": "赢单", "s6": "输单"}
STATES = {"1": "进行中", "2": "赢单", "3": "输单", "4": "无效"}
LEVELS = {"A": "重点客户", "B": "普通客户", "C": "小客户"}
INDUSTRIES = {str(number): trade for number, trade in enumerate(_TRADES, 1)}

# Of each object: its label, and (type, label) of what it has besides what all have.
_COMMON: dict[str, tuple[str, str]] = {
    "_id": ("text", "ID"),
    "name": ("text", "名称"),
    "owner": ("employee", "负责人"),
    "create_time": ("date_time", "创建时间"),
    "created_by": ("employee", "创建人"),
    "last_modified_time": ("date_time", "最后修改时间"),
    "life_status": ("select_one", "生命状态"),
    "is_deleted": ("true_or_false", "是否删除"),
}
OBJECTS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "PersonnelObj": (
        "人员",
        {
            "user_id": ("text", "员工编号"),
            "email": ("email", "邮箱"),
            "status": ("select_one", "状态"),
            "main_department": ("department", "主属部门"),
        },
    ),
    "AccountObj": (
        "客户",
        {
            "account_level": ("select_one", "客户级别"),
            "account_type": ("select_one", "客户类型"),
            "industry_level1": ("select_one", "一级行业"),
            "last_deal_closed_amount": ("currency", "最后成交金额"),
            "last_followed_time": ("date_time", "最后跟进时间"),
            "parent_account_id": ("object_reference", "上级客户"),
            "transfer_count": ("number", "转手次数"),
            SATISFACTION: ("number", "客户满意度"),
        },
    ),
    "ContactObj": (
        "联系人",
        {
            "account_id": ("object_reference", "客户名称"),
            "job_title": ("text", "职务"),
            "contact_status": ("select_one", "状态"),
        },
    ),
    "NewOpportunityObj": (
        "商机2.0",
        {
            "account_id": ("object_reference", "客户名称"),
            "amount": ("currency", "商机金额"),
            "probability": ("percentile", "赢率"),
            "close_date": ("date", "预计成交日期"),
            "sales_process_id": ("object_reference", "销售流程"),
            "sales_stage": ("select_one", "商机阶段"),
            "sales_status": ("select_one", "阶段状态"),
            "stg_changed_time": ("date_time", "阶段变更时间"),
            "last_followed_time": ("date_time", "最后跟进时间"),
            "opp_discount": ("percentile", "整单折扣"),
        },
    ),
    "ActiveRecordObj": (
        "销售记录",
        {
            "account_id": ("object_reference", "客户名称"),
            "new_opportunity_id": ("object_reference", "商机2.0"),
            "active_record_type": ("select_one", "销售记录类型"),
            "active_record_content": ("long_text", "内容"),
        },
    ),
    "CompetitorObj": ("竞争对手", {"website": ("url", "网址")}),
    "CompetitiveLinesObj": (
        "竞争对手明细",
        {
            "competitor_id": ("object_reference", "竞争对手"),
            "account_id": ("object_reference", "客户名称"),
            "new_opportunity_id": ("object_reference", "商机2.0"),
            "quotation_amount": ("currency", "报价"),
            "is_win": ("true_or_false", "是否赢单"),
            "advantage": ("long_text", "优势"),
        },
    ),
    "PaymentPlanObj": (
        "回款计划",
        {
            "account_id": ("object_reference", "客户名称"),
            "order_id": ("object_reference", "销售订单"),
            "plan_payment_time": ("date", "计划回款日期"),
            "plan_payment_amount": ("currency", "计划回款金额"),
            "actual_payment_amount": ("currency", "实际回款金额"),
            "plan_payment_status": ("select_one", "状态"),
        },
    ),
    "SalesOrderObj": (
        "销售订单",
        {
            "account_id": ("object_reference", "客户名称"),
            "new_opportunity_id": ("object_reference", "商机2.0"),
            "order_time": ("date", "下单日期"),
            "order_amount": ("currency", "销售订单金额"),
            "delivery_date": ("date", "交货日期"),
            "order_status": ("select_one", "状态"),
        },
    ),
    "SaleContractObj": (
        "销售合同",
        {
            "account_id": ("object_reference", "客户名称"),
            "started_time": ("date", "开始日期"),
            "expired_time": ("date", "到期日期"),
            "contract_amount": ("currency", "合同金额"),
        },
    ),
    "CasesObj": (
        "工单",
        {"account_id": ("object_reference", "客户名称"), "priority": ("select_one", "优先级")},
    ),
    "QuoteObj": (
        "报价单",
        {
            "account_id": ("object_reference", "客户名称"),
            "new_opportunity_id": ("object_reference", "商机2.0"),
            "quote_time": ("date", "报价日期"),
            "quote_amount": ("currency", "报价单金额"),
            "discount": ("percentile", "整单折扣"),
        },
    ),
    "LeadsObj": ("销售线索", {"source": ("select_one", "来源")}),
    SURVEYS: (
        "客户调研",
        {
            "field_who__c": ("object_reference", "客户"),
            "field_score__c": ("number", "评分"),
            "field_day__c": ("date_time", "日期"),
            "field_text__c": ("long_text", "意见"),
        },
    ),
}
OPTIONS: dict[tuple[str, str], dict[str, str]] = {
    ("NewOpportunityObj", "sales_stage"): STAGES,
    ("NewOpportunityObj", "sales_status"): STATES,
    ("AccountObj", "account_level"): LEVELS,
    ("AccountObj", "account_type"): {"1": "终端客户", "2": "渠道"},
    ("AccountObj", "industry_level1"): INDUSTRIES,
    ("PersonnelObj", "status"): {"0": "正常", "1": "停用"},
    ("ContactObj", "contact_status"): {"1": "在职", "2": "离职"},
    ("ActiveRecordObj", "active_record_type"): {"1": "电话", "2": "拜访", "3": "邮件"},
    ("PaymentPlanObj", "plan_payment_status"): {"incomplete": "未完成", "complete": "已完成", "overdue": "已逾期"},
    ("SalesOrderObj", "order_status"): {"6": "已确认", "7": "已发货", "8": "已完成"},
    ("CasesObj", "priority"): {"1": "紧急", "2": "普通"},
    ("LeadsObj", "source"): {"1": "官网", "2": "展会", "3": "转介绍"},
}
LIFE = {"normal": "正常", "in_change": "变更中", "invalid": "作废"}


@dataclass
class Table:
    """One object: what it is called, its fields as describe tells them, and its records in the order of their ids."""

    label: str
    fields: dict[str, dict[str, Any]]
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def put(self, row: dict[str, Any]) -> None:
        if row["_id"] not in self.rows:
            bisect.insort(self.order, row["_id"])
        self.rows[row["_id"]] = row

    def remove(self, row_id: str) -> None:
        del self.rows[row_id]
        del self.order[bisect.bisect_left(self.order, row_id)]


def described(name: str, kind: str, label: str, options: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "api_name": name,
        "label": label,
        "type": kind,
        "is_required": name == "name",
        "is_active": True,
        "define_type": "custom" if name.endswith("__c") else "package",
        **({"options": [{"label": word, "value": value} for value, word in options.items()]} if options else {}),
    }


def _table(source: str) -> Table:
    label, fields = OBJECTS[source]
    return Table(
        label,
        {
            name: described(name, kind, word, LIFE if name == "life_status" else OPTIONS.get((source, name)))
            for name, (kind, word) in {**_COMMON, **fields}.items()
        },
    )


def tenant(*, deals: int, now_ms: int, seed: int) -> dict[str, Table]:
    """All objects with their records; the same every time for the same arguments."""
    tables = {source: _table(source) for source in OBJECTS}
    made = _Maker(random.Random(seed), now_ms)
    people = made.people()
    accounts = [made.account() for _ in range(max(5, deals // 10))]
    opportunities = [made.deal(index, made.rng.choice(accounts)) for index in range(deals)]
    rows = {"PersonnelObj": people, "AccountObj": accounts, "NewOpportunityObj": opportunities}
    rows |= made.smaller(accounts, opportunities)
    for source, records in rows.items():
        tables[source].rows = {row["_id"]: row for row in records}
        tables[source].order = sorted(tables[source].rows)
    return tables


def midnight(now_ms: int, days: int) -> int:
    """Local midnight in UTC+8 of the day that many days from now: how Fxiaoke writes a date."""
    day = dt.datetime.fromtimestamp(now_ms / 1000, SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((day + dt.timedelta(days=days)).timestamp()) * 1000


_Record = dict[str, Any]


class _Maker:
    def __init__(self, rng: random.Random, now_ms: int) -> None:
        self.rng = rng
        self.now_ms = now_ms
        self.today = midnight(now_ms, 0)
        self.employees = [str(1000 + number) for number in range(12)]

    def id(self) -> str:
        # Both lengths occur, and they are mixed when sorted.
        return f"{self.rng.getrandbits(96):024x}" if self.rng.random() < 0.85 else f"{self.rng.getrandbits(128):032x}"

    def record(self, name: str, **values: Any) -> dict[str, Any]:
        created = self.now_ms - self.rng.randrange(1, 365 * _DAY)
        owner = self.rng.choice(self.employees)
        return {
            "_id": self.id(),
            "name": name,
            "owner": [owner],
            "created_by": [owner],
            "create_time": created,
            "last_modified_time": self.rng.randrange(created, self.now_ms),
            "life_status": "normal",
            "is_deleted": False,
            **values,
        }

    def person_name(self) -> str:
        return self.rng.choice(_SURNAMES) + self.rng.choice(_GIVEN)

    def people(self) -> list[dict[str, Any]]:
        return [
            self.record(
                self.person_name(),
                user_id=number,
                email=f"user{number}@example.cn",
                status="1" if number == self.employees[-1] else "0",
                main_department=["1001"],
                owner=None,
            )
            for number in self.employees
        ]

    def account(self) -> dict[str, Any]:
        rng = self.rng
        name = f"{rng.choice(_CITIES)}{rng.choice(_WORDS)}{rng.choice(_TRADES)}有限公司"
        return self.record(
            name,
            account_level=rng.choice("ABC"),
            account_type=rng.choice("12"),
            industry_level1=rng.choice(list(INDUSTRIES)),
            last_deal_closed_amount=f"{rng.randrange(10_000, 9_000_000)}.00",
            last_followed_time=self.now_ms - rng.randrange(120 * _DAY),
            transfer_count=str(rng.randrange(4)),
            **{SATISFACTION: rng.choice((None, "8.5", "9", "6", "3.5"))},
        )

    def deal(self, index: int, account: dict[str, Any]) -> dict[str, Any]:
        rng = self.rng
        stage = rng.choice(("s1", "s2", "s2", "s3", "s4", "s5", "s6"))
        state = {"s5": "2", "s6": "3"}.get(stage, "1")
        amount = f"{rng.randrange(5_000, 5_000_000)}.{rng.randrange(100):02d}"
        if index % 97 == 0:  # what real tenants hold, too: a correction, a mistyped one, none at all
            amount = rng.choice(("-1200.00", "99999999999999.99", None))
        days = rng.randrange(-30, 120) if state == "1" else rng.randrange(-300, 0)
        return self.record(
            f"{account['name'][:4]}{rng.choice(_PRODUCTS)}项目{index:05d}",
            account_id=account["_id"] if index % 211 else None,
            amount=amount,
            probability=str({"s1": 10, "s2": 30, "s3": 50, "s4": 75, "s5": 100, "s6": 0}[stage]),
            close_date=self.today + days * _DAY if index % 53 else None,
            sales_process_id="5f0000000000000000000001",
            sales_stage=stage,
            sales_status=state,
            stg_changed_time=self.now_ms - rng.randrange(90 * _DAY),
            last_followed_time=self.now_ms - rng.randrange(60 * _DAY),
            opp_discount=rng.choice((None, "100.0", "95.0", "88.5")),
        )

    def smaller(self, accounts: list[_Record], deals: list[_Record]) -> dict[str, list[_Record]]:
        few = min(500, max(6, len(deals) // 4))
        rivals = [self.record(name) for name in ("北方测控", "迅捷系统", "蓝海软件", "科锐仪器")]
        return {"CompetitorObj": rivals, **self.of_accounts(few, accounts), **self.of_deals(few, deals, rivals)}

    def of_accounts(self, few: int, accounts: list[_Record]) -> dict[str, list[_Record]]:
        rng, day = self.rng, self.today

        def of_account(**values: Any) -> _Record:
            return {"account_id": rng.choice(accounts)["_id"], **values}

        def many(make: Callable[[int], _Record]) -> list[_Record]:
            return [make(number) for number in range(few)]

        return {
            "ContactObj": many(
                lambda n: self.record(
                    self.person_name(), **of_account(job_title="采购经理", contact_status=rng.choice("1112"))
                )
            ),
            "PaymentPlanObj": many(
                lambda n: self.record(
                    f"HK{n:06d}",
                    **of_account(
                        plan_payment_time=day + rng.randrange(-90, 60) * _DAY,
                        plan_payment_amount=f"{rng.randrange(10_000, 800_000)}.00",
                        actual_payment_amount=rng.choice((None, "0.00", "5000.00")),
                        plan_payment_status=rng.choice(("incomplete", "complete", "overdue")),
                    ),
                )
            ),
            "SaleContractObj": many(
                lambda n: self.record(
                    f"HT{n:06d}",
                    **of_account(
                        started_time=day - rng.randrange(400) * _DAY,
                        expired_time=day + rng.randrange(-60, 400) * _DAY,
                        contract_amount=f"{rng.randrange(10_000, 2_000_000)}.00",
                    ),
                )
            ),
            "CasesObj": many(lambda n: self.record(f"GD{n:06d}", **of_account(priority=rng.choice("122")))),
            "LeadsObj": many(lambda n: self.record(self.person_name(), source=rng.choice("123"))),
            SURVEYS: many(
                lambda n: self.record(
                    f"DY{n:05d}",
                    field_who__c=rng.choice(accounts)["_id"],
                    field_score__c=str(rng.randrange(11)),
                    field_day__c=self.now_ms - rng.randrange(180 * _DAY),
                    field_text__c=rng.choice((None, "交付及时", "响应太慢")),
                )
            ),
        }

    def of_deals(self, few: int, deals: list[_Record], rivals: list[_Record]) -> dict[str, list[_Record]]:
        rng, day = self.rng, self.today
        if not deals:
            return {}

        def of_deal(**values: Any) -> _Record:
            deal = rng.choice(deals)
            return {"account_id": deal["account_id"], "new_opportunity_id": deal["_id"], **values}

        def many(make: Callable[[int], _Record]) -> list[_Record]:
            return [make(number) for number in range(few)]

        return {
            "ActiveRecordObj": many(
                lambda n: self.record(
                    f"记录{n:05d}",
                    **of_deal(active_record_type=rng.choice("123"), active_record_content="客户反馈良好"),
                )
            ),
            "CompetitiveLinesObj": many(
                lambda n: self.record(
                    f"竞品{n:04d}",
                    **of_deal(
                        competitor_id=rng.choice(rivals)["_id"],
                        quotation_amount=f"{rng.randrange(5_000, 900_000)}.00",
                        is_win=rng.random() < 0.3,
                    ),
                )
            ),
            "SalesOrderObj": many(
                lambda n: self.record(
                    f"DD{n:06d}",
                    **of_deal(
                        order_time=day - rng.randrange(200) * _DAY,
                        order_amount=f"{rng.randrange(10_000, 800_000)}.00",
                        delivery_date=day + rng.randrange(-30, 60) * _DAY,
                        order_status=rng.choice("678"),
                    ),
                )
            ),
            "QuoteObj": many(
                lambda n: self.record(
                    f"BJ{n:06d}",
                    **of_deal(
                        quote_time=day - rng.randrange(90) * _DAY,
                        quote_amount=f"{rng.randrange(10_000, 2_000_000)}.00",
                        discount=rng.choice(("100.0", "92.0", "85.0")),
                    ),
                )
            ),
        }
