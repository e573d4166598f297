"""Fault 3: the web server is killed every two seconds while people save; what was acknowledged must stand."""

from __future__ import annotations

from collections import Counter
from threading import Thread
from typing import Any

from tests.faults.harness import Counts, report, stand
from tests.faults.visitor import Visitor, administrator

PEOPLE = 4


def work(size: int, *, team: bool) -> tuple[Counts, bool]:
    with stand(team=team) as made:
        from riskreg.accounts.actions import save_team
        from risks.models import Category, Risk

        admin = administrator()
        fields = {"team": save_team(name="Team", parent=None).pk, "category": Category.objects.values_list("pk")[0][0]}
        visitors = [Visitor(made.port, admin) for _ in range(PEOPLE)]
        acknowledged: list[str] = []
        made.pages()
        people = [
            Thread(target=_save_all, args=(visitor, range(first, size, PEOPLE), fields, acknowledged))
            for first, visitor in enumerate(visitors)
        ]
        for person in people:
            person.start()
        kills = 0
        while any(person.is_alive() for person in people):
            before = len(acknowledged)
            made.watch(0.5 if size < 1000 else 2.0)
            if len(acknowledged) > before:
                made.kill(made.web)
                kills += 1
        rows = Counter(Risk.objects.values_list("title", flat=True))
    answers = sum((visitor.answers for visitor in visitors), Counter[str]())
    counts = {
        "acknowledged": len(acknowledged),
        "lost": sum(rows[title] == 0 for title in acknowledged),
        "doubled": sum(count > 1 for count in rows.values()),
        "refused": answers["refused"],
        "errors": answers["errors"],
    }
    ok = not any(counts[name] for name in ("lost", "doubled", "refused", "errors")) and kills > 0
    return {"kills": kills, "broken_in_flight": answers["broken"], **counts}, ok


def _save_all(visitor: Visitor, numbers: range, fields: dict[str, Any], acknowledged: list[str]) -> None:
    for number in numbers:
        title = f"Risk {number} that somebody noticed"
        if visitor.save("/risks/capture/", title=title, **fields):
            acknowledged.append(title)


if __name__ == "__main__":
    report("web server killed", work, size=1000, either=True)
