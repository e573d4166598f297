"""manage.py import_register FILE [--team NAME] [--dry-run] [--json]"""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from riskreg.accounts.models import Team
from riskreg.jobs import actions as jobs
from riskreg.jobs import bell
from riskreg.jobs.models import Job
from risks import imports
from risks.management.commands import import_register
from risks.models import Category, ImportBatch, ImportRow, Risk

pytestmark = pytest.mark.django_db

UWA = Path(__file__).parents[1] / "data" / "uwa_tikasathi_register.csv"


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "ring", lambda _job_id: True)


def output(*arguments: object, **options: Any) -> str:
    out = io.StringIO()
    call_command("import_register", *map(str, arguments), stdout=out, **options)
    return out.getvalue()


def report(*arguments: object) -> dict[str, Any]:
    return json.loads(output(*arguments, "--json"))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def nothing_there() -> bool:
    return not any(model.objects.exists() for model in (Risk, ImportBatch, ImportRow, Job))


def test_it_takes_a_register_in_and_says_what_it_did(cast: SimpleNamespace) -> None:
    said = report(UWA, "--team", "Accounts")
    assert said == {
        "file": "uwa_tikasathi_register.csv",
        "header_row": 19,
        "mapping": {
            "Own number": "Risk ID",
            "Category": "Category",
            "Title": "Risk Description",
            "Consequence": "Impact Description",
            "Financial impact": "Impact Level Rate 1 (LOW) to 5 (HIGH)",
            "Likelihood": "Probability Level Rate 1 (LOW) to 5 (HIGH)",
            "Score (calculated)": "Priority Level Impact x Probability Address the highest first.",
            "Preventive measures": "Mitigation Notes",
            "Status": "Status",
            "Owner": "Owner",
            "Identified on": "Date Identified",
            "Assessed on": "Last Reviewed",
            "Notes": "Notes",
        },
        "read": 25,
        "created": 23,
        "updated": 0,
        "skipped": 2,
        "failed": 0,
        "reasons": [
            {"row": row, "verdict": "skip", "column": "Title", "text": "No title, so nothing to take in."}
            for row in (43, 44)
        ],
        "import": ImportBatch.objects.get().pk,
    }
    assert Risk.objects.live().filter(team=cast.accounts, sheet__score__gt=0).count() == 23
    assert Category.objects.filter(name_en="Health / Safety").exists()


def test_a_dry_run_says_the_same_and_writes_nothing(cast: SimpleNamespace) -> None:
    dry = report(UWA, "--team", "Accounts", "--dry-run")
    assert nothing_there()
    assert Category.objects.count() == 5
    wet = report(UWA, "--team", "Accounts")
    del wet["import"]
    assert dry == wet | {"dry_run": True}


def test_a_second_run_finds_nothing_to_do(cast: SimpleNamespace) -> None:
    report(UWA)
    again = report(UWA)
    assert [again[name] for name in ("read", "created", "updated", "skipped", "failed")] == [25, 0, 0, 25, 0]
    assert again["reasons"][0]["text"] == f"Nothing differs from R-{Risk.objects.order_by('pk').first().pk}."


def test_without_json_it_is_read_by_people(cast: SimpleNamespace, tmp_path: Path) -> None:
    path = written(tmp_path / "risks.csv", "Risk,Likelihood,Impact\nPrice war,3,4\nStrike,9,4\n")
    assert output(path, "--dry-run").splitlines() == [
        "risks.csv: header in row 1",
        "  Title <- Risk",
        "  Likelihood <- Likelihood",
        "  Financial impact <- Impact",
        "2 rows read, 1 created, 0 updated, 0 skipped, 1 failed (dry run: nothing was written)",
        "  row 3 error: Likelihood: “9” is no level of this scale.",
    ]
    assert "2 rows read, 1 created, 0 updated, 0 skipped, 1 failed\n" in output(path)
    assert [risk.title for risk in Risk.objects.live()] == ["Price war"]


def test_the_first_team_takes_risks_that_name_none(cast: SimpleNamespace, tmp_path: Path) -> None:
    output(written(tmp_path / "risks.csv", "Title,Team\nOne,\nTwo,Hengyue\nThree,Northfield / Accounts\n"))
    assert list(Risk.objects.order_by("pk").values_list("title", "team__name")) == [
        ("One", "Northfield"),
        ("Two", "Hengyue"),
        ("Three", "Accounts"),
    ]


def test_chinese_stays_readable_in_the_json(cast: SimpleNamespace, tmp_path: Path) -> None:
    text = output(written(tmp_path / "登记册.csv", "标题,可能性\n价格战,很可能\n罢工,也许\n"), "--json")
    assert '"file": "登记册.csv"' in text
    assert "“也许” is no level of this scale." in text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "The file has no content."),
        (b"\x89PNG\r\n\x1a\n", "The file is neither CSV text nor an Excel workbook (.xlsx)."),
        (b'Title\n"never closed\n', "The quotation mark opened in line 2 is never closed properly."),
    ],
)
def test_a_file_that_is_no_register_is_an_error(cast: SimpleNamespace, tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "risks.csv"
    path.write_bytes(data)
    with pytest.raises(CommandError, match=f"^risks.csv: {said[:30]}"):
        output(path)
    assert nothing_there()


def test_a_file_that_is_not_there_is_an_error(cast: SimpleNamespace, tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(CommandError, match=said):
            output(path)


def test_a_file_without_titles_is_an_error(cast: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"risks\.csv: no column was recognised as the title"):
        output(written(tmp_path / "risks.csv", "Foo,Bar\n1,2\n"))
    assert nothing_there()


def test_a_team_that_is_not_there_is_an_error(cast: SimpleNamespace) -> None:
    with pytest.raises(CommandError, match=r"There is no team 'Nowhere'\."):
        output(UWA, "--team", "Nowhere")
    assert nothing_there()


def test_without_any_team_it_asks_for_one(db: None) -> None:
    assert not Team.objects.exists()
    with pytest.raises(CommandError, match="There is no team yet; make one first"):
        output(UWA)


def test_a_worker_that_was_quicker_is_waited_for(cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(job_id: int, *, now_fn: jobs.Clock) -> bool:
        assert jobs.claim(job_id, now_fn=now_fn)
        return False

    def worker_goes_on(_seconds: float) -> None:
        Job.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
        assert run(Job.objects.get().pk, now_fn=timezone.now)

    run = jobs.run
    monkeypatch.setattr(jobs, "run", taken)
    monkeypatch.setattr(import_register.time, "sleep", worker_goes_on)
    monkeypatch.setattr(imports, "pause_between_chunks", lambda _seconds: None)
    assert report(UWA)["created"] == 23
    assert Risk.objects.live().count() == 23


def test_an_import_that_stops_is_an_error(cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(imports, "_create", broken)
    with pytest.raises(CommandError, match="the disk is full"):
        output(UWA)
    assert not Risk.objects.live().exists()
