"""All at once: the worker killed every two seconds, Redis (which keeps nothing) with it now and then, two schedulers.

First half re-scoring jobs and half digests, ``size`` in all; then ``size`` digests over a register of 100 risks each.
The register is spread over teams of a thousand risks, and each reader belongs to one; one in a hundred reads of all.
In the end the statements of a digest are counted, for the readers of least and of most risks.
"""

from __future__ import annotations

import datetime as dt

from tests.faults.harness import (
    Counts,
    Stand,
    analyse,
    mailed,
    put_in_rescores,
    queue_digests,
    report,
    rescored,
    stand,
    subscribe,
    until_all_is_done,
)

RISKS_EACH = 100
READER_OF_ALL = 100  # of so many readers one
REDIS_EVERY = 2  # of so many kills of the worker one takes Redis, too


def work(size: int) -> tuple[Counts, bool]:
    with stand(team=True, mail=True, FAULTS_LEASE="10") as made:
        from django.utils import timezone

        from bench.scoring_run import rescore

        half = size // 2
        put_in_rescores(half, risks=size * RISKS_EACH)
        _spread_over_teams()
        rescore()
        analyse()
        first = [f"first-{n}" for n in range(size - half)]
        second = [f"second-{n}" for n in range(size)]
        subscribe(first)
        queue_digests(timezone.now())
        made.start(made.worker, made.beat, made.second_beat())
        kills = until_all_is_done(made, lambda: _fire(made), size=size)
        mixed = {**rescored(half), **mailed(made, first)}
        subscribe(second)
        _read_of_all(second[::READER_OF_ALL])
        queue_digests(timezone.now())
        kills += until_all_is_done(made, lambda: _fire(made), size=size)
        digests = mailed(made, second)
        counts = {
            "risks": size * RISKS_EACH,
            "kills": kills,
            **mixed,
            **{f"digests_{name}": count for name, count in digests.items()},
            "dead_in_the_end": rescored(half)["dead"],
        }
        of_all, of_a_team = _statements(second[0]), _statements(second[1])
    statements = {"statements": max(of_all, of_a_team), "statements_by_risks": abs(of_all - of_a_team)}
    zero = ("lost", "doubled", "dead", "missing", "repeats_with_another_id", "dead_in_the_end", "digests_missing",
            "digests_repeats_with_another_id")  # fmt: skip
    few = counts["repeats"] <= max(1, len(first) // 100) and counts["digests_repeats"] <= max(1, size // 100)
    ok = not any(counts[name] for name in zero) and few and kills > 0
    return {**counts, **statements}, ok and statements["statements"] <= 15 and not statements["statements_by_risks"]


def _spread_over_teams() -> None:
    """A team has a thousand risks, however large the register."""
    from django.db.models import F

    from riskreg.accounts.actions import save_team
    from risks.models import Risk

    teams = [save_team(name=f"Team {n}", parent=None).pk for n in range(max(1, Risk.objects.count() // 1000))]
    Risk.objects.update(team=F("pk") % len(teams) + min(teams))


def _read_of_all(names: list[str]) -> None:
    """Make administrators of these readers, whose digests are about the whole register."""
    from monitoring.models import Subscription
    from riskreg.accounts.models import User

    User.objects.filter(username__in=names).update(is_admin=True)
    Subscription.objects.filter(user__username__in=names).update(scope=Subscription.Scope.ALL)


def _statements(name: str) -> int:
    """How many statements it takes to write a reader's next digest, when every score has moved."""
    from django.db import connection
    from django.db.models import F
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from monitoring.digests import write_digest
    from monitoring.models import Subscription
    from risks.models import CoverSheet

    CoverSheet.objects.update(score=F("score") / 2)
    subscription = Subscription.objects.select_related("user", "view").get(user__username=name)
    with CaptureQueriesContext(connection) as captured:
        write_digest(subscription=subscription, period="next", now=timezone.now() + dt.timedelta(days=1))
    return len(captured)


def _fire(made: Stand) -> None:
    made.kill(made.worker)
    made.shots += 1
    if made.shots % REDIS_EVERY == 0:
        made.kill(made.redis)


if __name__ == "__main__":
    report("under fire", work, size=1000)
