"""Files as a source of facts: a table is an object, its headings are the fields, its rows have no time of change.

What people keep is taken as it is: dates in any order, amounts with signs and separators, stages in their own words.
Plain.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crm.connectors.base import About, NotThere, Page, Row, Source, SourceField, Tally
from crm.connectors.mapping import ID
from crm.kinds import KINDS, Kind, Type
from crm.spreadsheets import cells, headings
from crm.spreadsheets.cells import BadCell, DateOrder
from crm.spreadsheets.table import Cell, is_blank

ROWS_A_PAGE = 500

# What columns are called, by kind and field; a kind's own words come before those that all share.
_SHARED: dict[str, tuple[str, ...]] = {
    "id": ("id", "record id", "external id", "编号", "编码"),
    "name": ("name", "名称"),
    "customer": ("account", "customer", "account name", "customer name", "company", "客户", "客户名称", "公司"),
    "deal": ("deal", "opportunity", "deal name", "opportunity name", "opportunity id", "deal id", "商机", "商机名称"),
    "owner": ("owner", "sales agent", "sales rep", "salesperson", "account manager", "负责人", "销售", "销售员"),
    "currency": ("currency", "币种", "货币"),
    "amount": ("amount", "value", "total", "金额", "总额"),
    "number": ("number", "no", "单号", "号码"),
    "competitor": ("competitor", "竞争对手", "竞品"),
    "product": ("product", "product line", "产品", "产品线"),
    "source": ("source", "lead source", "来源"),
    "discount": ("discount", "discount %", "折扣"),
}
_OWN: dict[str, dict[str, tuple[str, ...]]] = {
    "person": {
        "name": ("sales agent", "sales rep", "salesperson", "employee", "name", "姓名", "销售", "员工"),
        "email": ("email", "e-mail", "mail", "邮箱"),
        "unit": ("regional office", "office", "department", "region", "team", "部门", "区域"),
        "active": ("active", "status", "在职"),
    },
    "customer": {
        "name": ("account", "customer", "account name", "customer name", "company", "name", "客户", "客户名称", "名称"),
        "segment": ("segment", "account type", "customer type", "细分市场", "客户类型"),
        "industry": ("industry", "sector", "行业"),
        "region": ("region", "office location", "country", "location", "地区", "区域", "国家"),
        "tier": ("tier", "size", "account level", "客户级别"),
        "parent": ("parent", "parent account", "subsidiary of", "母公司", "上级客户"),
        "annual_revenue": ("revenue with us", "annual revenue with us", "revenue a year", "年销售额"),
        "credit_limit": ("credit limit", "信用额度"),
        "last_touched_at": ("last activity", "last contact", "last contacted", "最后跟进时间", "最近联系"),
    },
    "deal": {
        "id": ("opportunity id", "deal id", "id", "商机编号"),
        "name": ("deal", "opportunity", "deal name", "opportunity name", "name", "商机", "商机名称"),
        "pipeline": ("pipeline", "sales process", "销售流程"),
        "stage": ("stage", "deal stage", "sales stage", "阶段", "销售阶段"),
        "amount": ("amount", "close value", "deal value", "value", "expected revenue", "金额", "商机金额", "预计金额"),
        "probability": ("probability", "win probability", "赢率", "概率"),
        "created_at": ("created", "created at", "created date", "engage date", "open date", "创建时间", "创建日期"),
        "close_date": ("close date", "expected close date", "closing date", "预计成交日期", "预计成交日", "成交日期"),
        "closed_on": ("closed on", "closed date", "won date", "实际成交日期"),
        "next_step": ("next step", "下一步", "下一步计划"),
        "contacts": ("contacts", "number of contacts", "联系人数"),
        "loss_reason": ("loss reason", "reason lost", "输单原因"),
    },
    "contact": {
        "name": ("contact", "contact name", "full name", "name", "联系人", "姓名"),
        "role": ("role", "title", "position", "职位", "角色"),
        "is_key": ("key contact", "decision maker", "关键联系人"),
        "active": ("active", "在职"),
        "opted_out": ("opt out", "email opt out", "unsubscribed", "退订"),
    },
    "activity": {
        "kind": ("type", "kind", "activity", "activity type", "类型", "方式"),
        "at": ("date", "at", "time", "when", "activity date", "日期", "时间"),
        "two_way": ("two-way", "answered", "customer took part", "双向"),
        "planned": ("planned", "still to come", "计划中"),
        "by": ("by", "owner", "sales agent", "负责人"),
    },
    "satisfaction": {
        "value": ("score", "value", "rating", "csat", "nps", "satisfaction", "得分", "评分", "满意度"),
        "scale": ("scale", "out of", "max", "满分"),
        "at": ("date", "at", "answered", "日期", "时间"),
        "comment": ("comment", "feedback", "remark", "评论", "备注"),
    },
    "competitor": {"name": ("competitor", "name", "竞争对手", "名称")},
    "competitor_move": {
        "move": ("move", "type", "what", "动作", "类型"),
        "price": ("price", "quote", "their price", "报价", "价格"),
        "on": ("date", "on", "日期"),
        "text": ("text", "note", "description", "what happened", "说明", "描述"),
    },
    "receivable": {
        "number": ("invoice", "invoice number", "number", "发票号", "单号"),
        "due_on": ("due", "due date", "due on", "到期日", "应收日期"),
        "amount": ("amount", "invoice amount", "total", "金额", "应收金额"),
        "paid": ("paid", "paid amount", "received", "已付", "已收", "回款金额"),
    },
    "order": {
        "number": ("order", "order number", "number", "订单号"),
        "ordered_on": ("order date", "ordered", "date", "下单日期", "订单日期"),
        "amount": ("amount", "order amount", "total", "金额", "订单金额"),
        "is_open": ("open", "not fulfilled", "未完成"),
        "delivered_on": ("delivered", "delivery date", "发货日期", "交货日期"),
        "invoiced_on": ("invoiced", "invoice date", "开票日期"),
        "approved_on": ("approved", "approval date", "审批日期"),
    },
    "contract": {
        "number": ("contract", "contract number", "number", "合同号"),
        "starts_on": ("start", "start date", "from", "开始日期"),
        "ends_on": ("end", "end date", "until", "expiry date", "结束日期", "到期日期"),
        "yearly_value": ("yearly value", "annual value", "value", "amount", "年合同额", "合同金额"),
        "active": ("active", "有效"),
    },
    "ticket": {
        "number": ("ticket", "case", "case number", "number", "工单号"),
        "subject": ("subject", "title", "主题", "标题"),
        "is_top_priority": ("top priority", "urgent", "紧急"),
        "opened_at": ("opened", "created", "date", "opened at", "创建时间", "提交时间"),
        "closed_at": ("closed", "resolved", "closed at", "关闭时间", "解决时间"),
    },
    "quote": {
        "number": ("quote", "quote number", "number", "报价单号"),
        "on": ("date", "quote date", "on", "报价日期"),
        "approved_on": ("approved", "approval date", "审批日期"),
    },
    "lead": {
        "name": ("lead", "name", "company", "线索", "名称"),
        "created_at": ("created", "created at", "date", "创建时间", "创建日期"),
    },
    "privacy_request": {
        "opened_on": ("requested", "request date", "opened", "date", "申请日期"),
        "closed_on": ("answered", "closed", "closed date", "答复日期"),
        "about": ("about", "request type", "type", "subject", "类型", "事由"),
    },
}
# Words for stages and states, most telling first; anything else is open.
_WON = ("closed won", "won", "赢单", "成交", "已成交", "赢")
_LOST = ("closed lost", "lost", "输单", "丢单", "流失", "输", "abandoned", "作废")


@dataclass(frozen=True)
class File:
    """A table as it was read: its headings and the rows below them."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class FilesConnector:
    """A set of files, by the names of their objects."""

    def __init__(self, files: Mapping[str, File], sources: Sequence[Source]) -> None:
        self.tally = Tally()
        self.files = files
        self.id_columns = {source.object: source.fields.get(ID, source.fields.get("name", "")) for source in sources}
        self.order = {name: _date_order(file) for name, file in files.items()}
        self._reading: DateOrder = "dmy"

    def test(self) -> About:
        return About(organisation=", ".join(self.files))

    def fields(self, source: str) -> list[SourceField]:
        return [SourceField(name, name, "column") for name in self._file(source).header if name]

    def pages(
        self, source: str, *, fields: Sequence[str], since: dt.datetime | None, cursor: str | None
    ) -> Iterator[Page]:
        """All rows, whatever ``since``: a file does not say what changed."""
        file = self._file(source)
        for name in fields:
            if name not in file.header:
                raise NotThere(f"{source} has no column {name}.", source=source)
        self._reading = self.order[source]
        for start in range(int(cursor or 0), len(file.rows), ROWS_A_PAGE):
            end = start + ROWS_A_PAGE
            rows = [self._row(source, file, row) for row in file.rows[start:end] if not all(map(is_blank, row))]
            yield Page(rows, str(end) if end < len(file.rows) else None)

    def gone(self, source: str, *, since: dt.datetime | None) -> Iterator[list[str]]:
        """Nothing: a file that leaves a row out does not say that it is gone."""
        return iter(())

    def ids(self, source: str) -> Iterator[list[str]]:
        file = self._file(source)
        yield [self._row(source, file, row).external_id for row in file.rows]

    def close(self) -> None:
        """Nothing is held open."""

    def value(self, raw: Any, wanted: Type) -> Any:
        """A cell as what it is to be. Raises ValueError with what is wrong."""
        if is_blank(raw):
            return None
        try:
            return self._read(raw, wanted)
        except BadCell as error:
            raise ValueError(f"{cells.text(raw)[:50]!r}: {error}") from error

    def _read(self, raw: Cell, wanted: Type) -> Any:
        if wanted in (Type.MONEY, Type.NUMBER, Type.COUNT):
            number = cells.parse_number(raw)
            if number is None:
                return None
            return int(number) if wanted is Type.COUNT else Decimal(str(number))
        if wanted is Type.DAY:
            return cells.parse_date(raw, self._reading)
        if wanted is Type.MOMENT:
            return self._moment(raw)
        return cells.parse_bool(raw) if wanted is Type.YES else cells.text(raw)

    def _moment(self, raw: Cell) -> dt.datetime | None:
        if isinstance(raw, dt.datetime):
            return raw if raw.tzinfo else raw.replace(tzinfo=dt.UTC)
        day = cells.parse_date(raw, self._reading)
        # Noon: the same day in most zones.
        return None if day is None else dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC)

    def _file(self, source: str) -> File:
        if source not in self.files:
            raise NotThere(f"There is no file {source}.", source=source)
        return self.files[source]

    def _row(self, source: str, file: File, row: Sequence[Cell]) -> Row:
        raw = {name: cell for name, cell in zip(file.header, row, strict=False) if name and not is_blank(cell)}
        said = raw.get(self.id_columns.get(source, ""))
        # Without an id a row is known by all it says: the same file again changes nothing.
        known_by = (
            cells.text(said) if said is not None else hashlib.sha256(repr(sorted(raw.items())).encode()).hexdigest()
        )
        return Row(known_by[:200], None, raw)


def _date_order(file: File) -> DateOrder:
    """One order for the whole file, from all cells that could be dates."""
    return cells.guess_date_order(cell for row in file.rows for cell in row if isinstance(cell, str) and "/" in cell)


# --- what a file's columns are ---------------------------------------------------------------------------


def read_headings(rows: Sequence[Sequence[Cell]], kind: str) -> File:
    """The table under the row that names its columns; names that come twice get a number."""
    at = headings.find_header(rows, aliases(kind))
    names: list[str] = []
    for cell in rows[at] if rows else ():
        name = "" if is_blank(cell) else cells.text(cell)
        same = sum(name == there or there.startswith(f"{name} (") for there in names)
        names.append(f"{name} ({same + 1})" if name and same else name)
    return File(names, rows[at + 1 :])


def aliases(kind: str) -> dict[str, tuple[str, ...]]:
    """What the columns of a kind may be called, by field, the id among them."""
    own = _OWN.get(kind, {})
    fields = [ID, *(field.name for field in KINDS[kind].fields)]
    return {name: (*own.get(name, ()), *(() if name in own else _SHARED.get(name, ()))) for name in fields}


def proposed(kind: Kind, name: str, file: File) -> Source:
    """How a file is probably meant, for a person to look over."""
    columns = headings.propose_mapping(list(file.header), file.rows[:20], aliases(kind.name))
    fields = {field: file.header[column] for column, field in columns.items() if field is not None}
    fields = {field: column for field, column in fields.items() if column}
    choices = {}
    if kind.name == "deal":
        stages = "stage" in fields and "state" not in fields
        if stages:
            fields["state"] = fields["stage"]
        if "state" in fields:
            choices["state"] = {word: _state(word) for word in _words(file, fields["state"])}
        if ID in fields and "name" not in fields:
            fields["name"] = fields[ID]
    return Source(object=name, fields=fields, choices=choices)


def _words(file: File, column: str) -> list[str]:
    place = list(file.header).index(column)
    return sorted({cells.text(row[place]) for row in file.rows if place < len(row) and not is_blank(row[place])})[:200]


def _state(word: str) -> str:
    said = headings.normalised(word)
    for state, words in (("won", _WON), ("lost", _LOST)):
        if any(said == one or (len(one) > 1 and one in said) for one in words):
            return state
    return "open"
