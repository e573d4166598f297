"""The assess stage of the score pipeline: what was judged, in the terms of the method in question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from django.db.models import Q

from assessments import restating, scoring
from assessments.method import Band, MethodSpec
from assessments.models import Assessment, Method
from riskreg import arrays
from risks.models import ScoreEntry
from risks.scores import Floats, Integers, Sheet, replayed


class ScoringMethod:
    """What the pipeline and the register need of a method: its formulas bound to its scales.

    One object serves a whole run: it keeps what it has read of older methods and how their judgements restate.
    """

    def __init__(self, spec: MethodSpec, *, method_id: int) -> None:
        self.spec = spec
        self.method_id = method_id
        self.version = spec.version
        self.bands: tuple[Band, ...] = spec.bands
        self._others: dict[int, MethodSpec] = {}
        self._impacts: dict[tuple[int, int], float] = {}  # of judgements by level: (method id, code) -> money

    def over_horizon(self, probability: Floats, months: Floats) -> Floats:
        return scoring.over_horizon(probability, months)

    def evaluate(self, probability: Floats, money: Floats, months: Floats) -> scoring.Scored:
        return scoring.evaluate(self.spec, probability, money, months)

    def bands_of(self, version: int) -> Sequence[Band]:
        """The bands of a version: what a score that still has it is shown with."""
        if version == self.version:
            return self.bands
        method = Method.objects.filter(version=version).first()
        return method.spec().bands if method else ()

    def beyond_appetite(self) -> Q:
        """Risks in a band their category does not bear."""
        spec = self.spec
        beyond = Q(sheet__band__gt=spec.tolerable) & ~Q(category__key__in=list(spec.appetite))
        for category, band in spec.appetite.items():
            beyond |= Q(category__key=category, sheet__band__gt=band)
        return Q(sheet__method_version=self.version) & beyond

    @property
    def least_band_borne(self) -> int:
        """The highest band that every category bears."""
        return min([self.spec.tolerable, *self.spec.appetite.values()])

    def is_beyond_appetite(self, category: str, band: int) -> bool:
        return not self.spec.within_appetite(category, band)

    def impacts(self, methods: Integers, codes: Integers, money: Floats, stored: Floats) -> Floats:
        """Impacts under this method; ``stored`` is what they were under the method of the day."""
        result = stored.copy()
        older = np.flatnonzero(methods != self.method_id)
        if not len(older):
            return result
        self._load(np.unique(methods[older]).tolist())
        by_level = older[np.isnan(money[older])]
        pairs, place = np.unique(np.stack([methods[by_level], codes[by_level]]), axis=1, return_inverse=True)
        result[by_level] = np.array([self._impact(m, c) for m, c in pairs.T.tolist()] or [np.nan])[place.ravel()]
        given = older[~np.isnan(money[older])]
        pairs, place = np.unique(np.stack([methods[given], codes[given]]), axis=1, return_inverse=True)
        for number, (method_id, code) in enumerate(pairs.T.tolist()):
            rows = given[place.ravel() == number]
            result[rows] = restating.impacts(self._others[method_id], code, self.spec, money[rows])
        return result

    def restated(self, entries: Sequence[ScoreEntry]) -> list[float | None]:
        """The scores these ledger rows would have under this method; None where nobody can tell."""
        same = {self.version, None}  # rows without a version were never made by a method
        older = [e for e in entries if e.score is not None and e.method_version not in same and e.factors]
        judged = self._judged({e.factors[0]["ref"] for e in older})
        known = [e for e in older if e.factors[0]["ref"] in judged]
        again: dict[int, float] = {}
        if known:
            factors = [e.factors for e in known]
            values = replayed(self, factors, [judged[f[0]["ref"]] for f in factors])
            again = {e.pk: score for e, score in zip(known, values.tolist(), strict=True) if not np.isnan(score)}
        return [e.score if e.method_version in same else again.get(e.pk) for e in entries]

    def _judged(self, assessments: set[int]) -> dict[int, tuple[float, float]]:
        """Probability a year and impact under this method of assessments, by id."""
        found = Assessment.objects.filter(pk__in=assessments).order_by("pk")
        pks, methods, codes, money, probability, impact = arrays.read(
            found.values_list("pk", "method", "impact_code", "money", "probability", "impact"),
            "int", "int", "int", "float", "float", "float",
        )  # fmt: skip
        moneys = self.impacts(methods, codes, money, impact)
        return dict(zip(pks.tolist(), zip(probability.tolist(), moneys.tolist(), strict=True), strict=True))

    def levels(self, assessment: Assessment) -> tuple[int, dict[str, int]]:
        """A judgement's likelihood level, and its impact levels by dimension key, on this method's scales."""
        if assessment.method_id == self.method_id:
            return assessment.likelihood_level, self.spec.decode(assessment.impact_code)
        self._load([assessment.method_id])
        restated = restating.restate(
            self._others[assessment.method_id], assessment.impact_code, self.spec, money=assessment.money
        )
        return scoring.level_of(self.spec.likelihood, assessment.probability), dict(restated.levels)

    def _impact(self, method_id: int, code: int) -> float:
        if (method_id, code) not in self._impacts:
            by_level = np.array([np.nan])
            self._impacts[method_id, code] = float(
                restating.impacts(self._others[method_id], code, self.spec, by_level)[0]
            )
        return self._impacts[method_id, code]

    def specs(self, method_ids: Iterable[int]) -> Mapping[int, MethodSpec]:
        """Specs of other versions, by id."""
        self._load(list(method_ids))
        return self._others

    def _load(self, method_ids: Sequence[int]) -> None:
        missing = [pk for pk in method_ids if pk not in self._others]
        if missing:
            self._others |= {pk: method.spec() for pk, method in Method.objects.in_bulk(missing).items()}


def contribute(sheet: Sheet) -> None:
    """Fill in the current assessment of each risk that has one."""
    current = (
        Assessment.objects.filter(is_current=True)
        .order_by()
        .values_list("risk", "pk", "method", "impact_code", "money", "probability", "impact", "assessed_on")
    )
    rows, pks, methods, codes, money, probability, impact, assessed_on = sheet.read(
        current, "int", "int", "int", "float", "float", "float", "day"
    )
    sheet.judgement[rows] = pks
    sheet.probability[rows] = probability
    sheet.impact[rows] = sheet.method.impacts(methods, codes, money, impact)
    sheet.reviewed_on[rows] = assessed_on
