"""The identify stage's columns of the register file."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Prefetch
from django.utils.text import slugify
from django.utils.translation import gettext as _
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from crm.actions import customers_named
from crm.spreadsheets import cells
from crm.spreadsheets.cells import BadCell, DateOrder
from crm.spreadsheets.table import Cell
from crm.spreadsheets.writing import WritableCell
from riskreg.accounts.models import Team, User
from risks import scores
from risks.models import Category, CoverSheet, Risk, Tag
from risks.register import Change, Changes, Column, Problem, Value

_FIELDS = (
    "title",
    "cause",
    "event",
    "consequence",
    "source",
    "notes",
    "confidential",
    "horizon_months",
    "identified_on",
    "status",
    "outcome",
    "closed_on",
    "outcome_note",
    "external_ref",
    "category",
    "customer",
    "owner",
)
_DATES = {"identified_on", "closed_on"}
_STATUSES = {
    "open": "open active new identified ongoing monitoring 打开 进行中 开放 未关闭 处理中 in_progress in-progress 开启",
    "closed": "closed close done resolved retired mitigated completed 关闭 已关闭 已解决 完成",
}
_OUTCOMES = {
    "occurred": ("it happened", "happened", "occurred", "已发生", "发生了"),
    "did_not_occur": ("it did not happen", "did not occur", "did_not_occur", "没有发生", "未发生"),
    "no_longer_relevant": ("no longer relevant", "no_longer_relevant", "不再相关"),
}


def _text(limit: int) -> Callable[[Cell, DateOrder], str]:
    def parse(cell: Cell, _order: DateOrder) -> str:
        text = cells.text(cell)
        if len(text) > limit:
            raise BadCell("too_long", text)
        return text

    return parse


def _title(cell: Cell, order: DateOrder) -> str:
    return _on_one_line(_text(5000)(cell, order))


def _on_one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text)


def _date(cell: Cell, order: DateOrder) -> str | None:
    date = cells.parse_date(cell, order)
    return date.isoformat() if date else None


def _months(cell: Cell, _order: DateOrder) -> int | None:
    number = cells.parse_number(cell)
    if number is None:
        return None
    if not (number.is_integer() and 1 <= number <= 120):
        raise BadCell("months", cell)
    return int(number)


def _status(cell: Cell, _order: DateOrder) -> str:
    word = cells.text(cell).strip().lower().replace(" ", "_")
    for status, spellings in _STATUSES.items():
        if word in spellings.split():
            return status
    if not word:
        return ""
    raise BadCell("status", cell)


def _outcome(cell: Cell, _order: DateOrder) -> str:
    word = cells.text(cell).strip().lower()
    for outcome, spellings in _OUTCOMES.items():
        if word in spellings:
            return outcome
    if not word:
        return ""
    raise BadCell("outcome", cell)


def _tags(cell: Cell, _order: DateOrder) -> list[str]:
    text = cells.text(cell).replace("，", ",").replace("；", ",").replace(";", ",").replace("\n", ",")
    names = sorted({part.strip() for part in text.split(",") if part.strip()})
    if any(len(name) > 50 for name in names):
        raise BadCell("too_long", cell)
    return names


def _bool(cell: Cell, _order: DateOrder) -> bool | None:
    return cells.parse_bool(cell)


def _shown_date(value: str | None) -> WritableCell:
    return dt.date.fromisoformat(value) if value else None


def columns() -> list[Column]:
    def column(key: str, heading: str, aliases: str, parse: Any, **more: Any) -> Column:
        return Column(key, heading, tuple(a.strip() for a in aliases.split(",") if a.strip()), parse, **more)

    yes, no = _("yes"), _("no")
    status_words = dict(Risk.Status.choices)
    outcome_words = dict(Risk.Outcome.choices)
    return [
        column("reference", _("Reference"), "reference, 编号", _text(60)),
        column(
            "external_ref", _("Own number"),
            "own number, risk id, id, no, no., number, risk no, risk number, ref, 自有编号, 风险编号, 序号", _text(60),
        ),
        column(
            "title", _("Title"),
            "title, risk title, risk, risk name, risk description, description, summary, name, risk statement, "
            "标题, 风险标题, 风险名称, 风险描述, 风险, 描述", _title,
        ),
        column("category", _("Category"), "category, risk category, type, risk type, area, 类别, 风险类别, 分类, 类型", _text(80)),
        column("cause", _("Cause"), "cause, causes, root cause, reason, 原因, 成因, 风险原因", _text(5000)),
        column("event", _("Event"), "event, risk event, what may happen, 事件, 风险事件", _text(5000)),
        column(
            "consequence", _("Consequence"),
            "consequence, consequences, impact description, effect, effects, 后果, 影响描述, 结果", _text(5000),
        ),
        column("source", _("Source"), "source, risk source, identified by, raised by, 来源, 风险来源, 提出人", _text(200)),
        column("customer", _("Customer"), "customer, client, account, customer name, 客户, 客户名称", _text(200)),
        column("owner", _("Owner"), "owner, risk owner, responsible, assigned to, 负责人, 责任人, 风险负责人", _text(200)),
        column("team", _("Team"), "team, department, business unit, sales team, 团队, 部门, 销售团队", _text(500)),
        column(
            "confidential", _("Confidential"), "confidential, 保密, 机密", _bool,
            show=lambda value: yes if value else no,
        ),
        column("horizon_months", _("Horizon in months"), "horizon in months, horizon, months, 期限（月）, 期限, 展望期", _months),
        column("tags", _("Tags"), "tags, labels, keywords, 标签, 关键词", _tags, show=lambda v: ", ".join(v or [])),
        column(
            "identified_on", _("Identified on"),
            "identified on, date identified, identified, date raised, date, created, 识别日期, 发现日期, 日期, 提出日期",
            _date, show=_shown_date, is_date=True,
        ),
        column(
            "status", _("Status"), "status, state, risk status, 状态, 风险状态", _status,
            show=lambda value: str(status_words.get(value, "")),
        ),
        column(
            "outcome", _("Outcome"), "outcome, 结局", _outcome,
            show=lambda value: str(outcome_words.get(value, "")) if value else "",
        ),
        column("closed_on", _("Closed on"), "closed on, date closed, close date, 关闭日期", _date, show=_shown_date, is_date=True),
        column("outcome_note", _("What happened"), "what happened, outcome note, 结果说明", _text(5000)),
        column("notes", _("Notes"), "notes, note, comments, comment, remarks, 备注, 说明, 评论", _text(20000)),
        column("score", _("Score (calculated)"), "score (calculated), 分值（计算）, priority, risk rating, risk score, rating", None, show=_rounded),
        column("band", _("Band (calculated)"), "band (calculated), 等级（计算）, risk level", None),
        column("exposure", _("Exposure (calculated)"), "exposure (calculated), 风险敞口（计算）", None, show=_rounded),
        column("residual", _("Residual exposure (calculated)"), "residual exposure (calculated), 剩余敞口（计算）", None, show=_rounded),
        column("target", _("Target exposure (calculated)"), "target exposure (calculated), 目标敞口（计算）", None, show=_rounded),
        column("review_due", _("Review due (calculated)"), "review due (calculated), 应评审日期（计算）", None, show=_shown_date),
    ]  # fmt: skip


def _rounded(value: float | None) -> WritableCell:
    return None if value is None else round(value, 2)


def team_paths() -> dict[int, str]:
    """Every team's full name, such as "Northfield / Key Accounts"."""
    teams = {team.pk: team for team in Team.objects.all()}
    return {
        pk: " / ".join(teams[int(part)].name for part in team.path.strip("/").split("/")) for pk, team in teams.items()
    }


def read(risks: Sequence[Risk]) -> dict[int, dict[str, Value]]:
    paths = team_paths()
    method = scores.active_method()
    versions = {risk.sheet.method_version for risk in risks if getattr(risk, "sheet", None)} - {None, method.version}
    bands = {(method.version, band.position): band for band in method.bands}
    # While the register is re-scored under a new version some scores have the old one's bands.
    bands |= {(version, band.position): band for version in versions for band in method.bands_of(version)}
    tagged = Risk.objects.filter(pk__in=[r.pk for r in risks]).prefetch_related(
        Prefetch("tags", queryset=Tag.objects.order_by("name"))
    )
    tags = {risk.pk: sorted(tag.name for tag in risk.tags.all()) for risk in tagged.only("pk")}
    values: dict[int, dict[str, Value]] = {}
    for risk in risks:
        stated: dict[str, Value] = {}
        for name in _FIELDS:
            value = getattr(risk, name)
            if isinstance(value, dt.date):
                value = value.isoformat()
            # Browsers send line breaks as CR LF; what a file can hold is the same text in its normal form.
            stated[name] = cells.text(value) if isinstance(value, str) else value
        sheet = getattr(risk, "sheet", None) or CoverSheet()
        band = bands.get((sheet.method_version, sheet.band))
        values[risk.pk] = stated | {
            "title": _on_one_line(stated["title"]),
            "reference": risk.reference,
            "category": str(risk.category),
            "customer": risk.customer.name if risk.customer else "",
            "owner": risk.owner.username if risk.owner else "",
            "team": paths[risk.team_id],
            "tags": tags[risk.pk],
            "score": sheet.score,
            "band": f"{band.label.en}" if band else "",
            "exposure": sheet.exposure,
            "residual": sheet.residual,
            "target": sheet.target,
            "review_due": sheet.review_due.isoformat() if sheet.review_due else None,
        }
    return values


def check(values: Mapping[str, Value], team: Team | None) -> list[Problem]:
    problems = []
    if values.get("outcome") and values.get("status", "open") != Risk.Status.CLOSED:
        problems.append(Problem("outcome_of_open", "outcome", str(values["outcome"])))
    if values.get("closed_on") and values.get("status", "open") != Risk.Status.CLOSED:
        problems.append(Problem("closed_on_of_open", "closed_on", str(values["closed_on"])))
    return problems


def apply(changes: Changes) -> None:
    """Create or update the risks themselves; a risk without a primary key is new and stays staged."""
    with transaction.atomic():
        resolve = _Names(changes)
        for change in changes.items:
            _fill(change, resolve, today=changes.at.date())
        new = [c.risk for c in changes.items if c.risk.pk is None]
        old = [c.risk for c in changes.items if c.risk.pk is not None]
        reason = f"import {changes.batch.pk}"
        for risk in new:
            risk.state, risk.import_batch, risk.created_by = Risk.State.STAGED, changes.batch, changes.by
        bulk_create_with_history(new, Risk, batch_size=200, default_user=changes.by, default_change_reason=reason)
        CoverSheet.objects.bulk_create([CoverSheet(risk=risk) for risk in new])
        for risk in old:
            risk.version += 1
        if old:
            _settle_numbers(old)
            bulk_update_with_history(
                old, Risk, [*_FIELDS, "team", "version"], batch_size=100,
                default_user=changes.by, default_change_reason=reason,
            )  # fmt: skip
        _set_tags([c for c in changes.items if "tags" in c.values])


def _settle_numbers(risks: Sequence[Risk]) -> None:
    """Let the own numbers of live risks be exchanged; one that another risk has, seen or unseen, gives way."""
    numbered = [risk for risk in risks if risk.external_ref]
    others = Risk.objects.live().exclude(pk__in=[risk.pk for risk in risks])
    taken = set(others.filter(external_ref__in=[r.external_ref for r in numbered]).values_list("team", "external_ref"))
    for risk in numbered:
        if (risk.team_id, risk.external_ref) in taken:
            risk.external_ref = ""
        taken.add((risk.team_id, risk.external_ref))
    # The database compares row by row, so no row may keep its old number while others get theirs.
    Risk.objects.filter(pk__in=[risk.pk for risk in risks]).exclude(external_ref="").update(external_ref="")


def _fill(change: Change, resolve: _Names, *, today: dt.date) -> None:
    risk, values = change.risk, change.values
    for key, value in values.items():
        if key in _DATES:
            setattr(risk, key, dt.date.fromisoformat(value) if value else None)
        elif key in ("category", "customer", "owner", "team"):
            continue
        elif key in _FIELDS:
            setattr(risk, key, value)
    if "category" in values:
        risk.category = resolve.categories[values["category"].strip().lower()]
    if "owner" in values:
        risk.owner = resolve.people.get(values["owner"].strip().lower())
    if "customer" in values:
        risk.customer = resolve.customers[risk.team_id].get(values["customer"].strip().lower())
    if risk.status == Risk.Status.CLOSED:
        risk.closed_on = risk.closed_on or today
    else:
        risk.status, risk.outcome, risk.closed_on = Risk.Status.OPEN, "", None


class _Names:
    """The rows the names in a file stand for, looked up once for all of them."""

    def __init__(self, changes: Changes) -> None:
        wanted = {c.values["category"].strip() for c in changes.items if c.values.get("category")}
        self.categories = categories_by_name()
        for name in sorted(wanted):
            if name.lower() not in self.categories:
                # Planning has made sure that only those come this far that may be created.
                key = slugify(name)[:40] or f"category-{len(self.categories) + 1}"
                if Category.objects.filter(key=key).exists():
                    key = f"{key}-{len(self.categories) + 1}"
                self.categories[name.lower()] = Category.objects.create(key=key, name_en=name)
        self.people = people_by_name()
        by_team: dict[Team, set[str]] = {}
        for change in changes.items:
            by_team.setdefault(change.risk.team, set()).add(change.values.get("customer") or "")
        self.customers = {team.pk: customers_named(names=names, team=team) for team, names in by_team.items()}


def categories_by_name() -> dict[str, Category]:
    """Categories by key and by either name, in lower case; one's name counts before another's key."""
    categories = list(Category.objects.all())
    keys, zh, en = ({getattr(c, name): c for c in categories} for name in ("key", "name_zh", "name_en"))
    return {name.strip().lower(): category for name, category in {**keys, **zh, **en}.items() if name}


def people_by_name() -> dict[str, User]:
    """Active people by user name, e-mail and, where nobody shares it, full name; in lower case.

    Our own files call people by their user names, so who has left is known by that one.
    """
    everybody = list(User.objects.all())
    people = [person for person in everybody if person.is_active]
    full = [person.get_full_name().lower() for person in people]
    named = {name: p for name, p in zip(full, people, strict=True) if name and full.count(name) == 1}
    named |= {person.email.lower(): person for person in people if person.email}
    gone = {person.username.lower(): person for person in everybody if not person.is_active}
    return gone | named | {person.username.lower(): person for person in people}


def _set_tags(changes: Sequence[Change]) -> None:
    names = {name for change in changes for name in change.values["tags"]}
    Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
    tags = {tag.name: tag.pk for tag in Tag.objects.filter(name__in=names)}
    through = Risk.tags.through
    through.objects.filter(risk__in=[c.risk.pk for c in changes]).delete()
    through.objects.bulk_create(
        [through(risk_id=c.risk.pk, tag_id=tags[name]) for c in changes for name in c.values["tags"]]
    )
