"""The respond stage's columns of the register file: the measures in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import Prefetch
from django.utils.translation import gettext as _
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from crm.spreadsheets import cells
from crm.spreadsheets.cells import BadCell, DateOrder
from crm.spreadsheets.table import Cell
from responses import measure_text
from responses.measure_text import Measure, Step
from responses.models import Action, Kind, Response
from riskreg.accounts.models import Team, User
from risks import scores
from risks.columns import people_by_name
from risks.models import Cause, Risk
from risks.register import Changes, Column, Problem, Value


def columns() -> list[Column]:
    return [
        Column(
            Kind.PREVENTIVE.value,
            _("Preventive measures"),
            ("preventive measures", "preventive", "mitigation", "mitigations", "mitigation notes", "mitigation plan",
             "mitigation strategy", "treatment", "response", "controls", "actions", "预防措施", "应对措施", "缓解措施", "措施"),
            _measures,
            same=_same_measures,
        ),
        Column(
            Kind.CONTINGENCY.value,
            _("Contingency measures"),
            ("contingency measures", "contingency", "contingency plan", "fallback", "fallback plan", "应急措施", "应急预案"),
            _measures,
            same=_same_measures,
        ),
    ]  # fmt: skip


def _measures(cell: Cell, _order: DateOrder) -> str:
    """Normal form of the cell, so that equal measures are equal text."""
    if isinstance(cell, str):
        # Control characters go, but the indentation that cells.text would strip stays.
        text = "\n".join(cells.text("x" + line)[1:] for line in cell.replace("\r\n", "\n").split("\n"))
    else:
        text = cells.text(cell)
    measures = measure_text.read(text)
    if len(measures) > 50 or any(len(m.description) > 5000 or len(m.trigger) > 500 for m in measures):
        raise BadCell("too_long", cell)
    return measure_text.write(measures)


def _same_measures(one: str | None, other: str | None) -> bool:
    """Equal but for the order of the measures, which says nothing."""
    first, second = measure_text.read(one or ""), measure_text.read(other or "")
    return sorted(first, key=repr) == sorted(second, key=repr)


def read(risks: Sequence[Risk]) -> dict[int, dict[str, Value]]:
    found: dict[int, dict[str, list[Measure]]] = {}
    for response in _in_force(risks):
        kinds = found.setdefault(response.risk_id, {})
        kinds.setdefault(response.kind, []).append(_as_measure(response))
    return {
        risk_id: {kind: measure_text.write(measures) for kind, measures in kinds.items()}
        for risk_id, kinds in found.items()
    }


def _in_force(risks: Sequence[Risk]) -> list[Response]:
    return [response for response in _ever_made(risks) if response.withdrawn_at is None]


def _ever_made(risks: Sequence[Risk]) -> list[Response]:
    responses = Response.objects.filter(risk__in=[r.pk for r in risks]).order_by("pk")
    return list(responses.prefetch_related(Prefetch("actions", Action.objects.select_related("owner").order_by("pk"))))


def _as_measure(response: Response) -> Measure:
    return Measure(
        title=cells.text(response.title),
        description=cells.text(response.description),
        trigger=cells.text(response.trigger),
        confidence=response.confidence,
        steps=[
            Step(cells.text(a.title), a.status, a.done_on, a.due, a.owner.username if a.owner else "", a.cost, a.effect)
            for a in response.actions.all()
        ],
    )


def check(values: Mapping[str, Value], team: Team | None) -> list[Problem]:
    return []


def apply(changes: Changes) -> None:
    """Add the stated measures that are not there, and withdraw those of a stated kind that are not stated.

    A stated measure that was withdrawn is put back, so an undo leaves the responses as they were.
    """
    people = people_by_name()
    stands: dict[tuple[int, str], list[Response]] = {}
    for response in _ever_made([c.risk for c in changes.items]):
        stands.setdefault((response.risk_id, response.kind), []).append(response)
    made: list[tuple[Response, Measure]] = []
    withdrawn: list[int] = []
    restored: list[int] = []
    for change in changes.items:
        for kind in Kind.values:
            if kind not in change.values:
                continue
            wanted = measure_text.read(change.values[kind] or "")
            # Those in force come first: what is there already need not be put back.
            for response in sorted(stands.get((change.risk.pk, kind), []), key=lambda r: r.withdrawn_at is not None):
                measure = _as_measure(response)
                if measure in wanted:
                    wanted.remove(measure)
                    restored += [response.pk] if response.withdrawn_at else []
                elif response.withdrawn_at is None:
                    withdrawn.append(response.pk)
            made += [(_as_response(m, change.risk, kind, changes.by), m) for m in wanted]
    turned = list(Response.objects.filter(pk__in=[*withdrawn, *restored]))
    for response in turned:
        response.withdrawn_at = changes.at if response.pk in withdrawn else None
    bulk_update_with_history(turned, Response, ["withdrawn_at"], batch_size=200, default_user=changes.by)
    bulk_create_with_history([r for r, _ in made], Response, batch_size=200, default_user=changes.by)
    bulk_create_with_history(
        [_as_action(step, response, people) for response, measure in made for step in measure.steps],
        Action,
        batch_size=200,
        default_user=changes.by,
    )
    touched = {response.risk_id for response, _ in made} | {response.risk_id for response in turned}
    scores.rescore(touched, cause=Cause.RESPONSE, at=changes.at)


def _as_response(measure: Measure, risk: Risk, kind: str, by: User | None) -> Response:
    return Response(
        risk=risk,
        kind=kind,
        title=measure.title,
        description=measure.description,
        trigger=measure.trigger,
        confidence=measure.confidence,
        created_by=by,
    )


def _as_action(step: Step, response: Response, people: Mapping[str, User]) -> Action:
    return Action(
        response=response,
        title=step.title,
        status=step.status,
        done_on=step.done_on,
        due=step.due,
        owner=people.get(step.owner.lower()),
        cost=step.cost,
        effect=step.effect,
    )
