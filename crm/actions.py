from __future__ import annotations

from collections.abc import Iterable

from crm.models import Customer
from riskreg.accounts.models import Team


def customer_named(*, name: str, team: Team) -> Customer | None:
    """The team's customer of that name, made when new; none for a blank name."""
    return customers_named(names=[name], team=team).get(name.strip().lower())


def customers_named(*, names: Iterable[str], team: Team) -> dict[str, Customer]:
    """The team's customers by lower-cased name, making those that are new: two statements for any number."""
    wanted = {name.strip().lower(): name.strip()[:200] for name in names if name.strip()}
    if not wanted:
        return {}
    found = {c.name.lower(): c for c in Customer.objects.filter(team=team)}
    new = [Customer(name=name, team=team) for key, name in wanted.items() if key not in found]
    if new:
        Customer.objects.bulk_create(new, ignore_conflicts=True)
        found = {c.name.lower(): c for c in Customer.objects.filter(team=team)}
    return {key: found[key] for key in wanted if key in found}
