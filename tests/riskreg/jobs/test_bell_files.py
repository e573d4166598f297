from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from threading import Event, Thread
from typing import Any

import pytest
from celery import current_app
from kombu import Connection

from riskreg.jobs.bell_files import Channel, Transport


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Channel]:
    folders = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path)}
    options = {**folders, "control_folder": str(tmp_path / "control")}
    with Connection("filesystem://localhost", transport=Transport, transport_options=options) as connection:
        yield connection.channel()


@pytest.mark.embedded
def test_the_embedded_mode_has_this_transport() -> None:
    assert isinstance(current_app.connection_for_write("filesystem://localhost").transport, Transport)


def test_messages_are_heard_in_their_order(channel: Channel, tmp_path: Path) -> None:
    for number in (1, 2):
        channel._put("celery", {"job": number})
    assert [channel._get("celery"), channel._get("celery")] == [{"job": 1}, {"job": 2}]
    with pytest.raises(Empty):
        channel._get("celery")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_message_is_never_seen_half_written(channel: Channel, tmp_path: Path) -> None:
    over, unreadable = Event(), []

    def look() -> None:
        while not over.is_set():
            for path in tmp_path.glob("*.celery.msg"):
                if not path.read_bytes().endswith(b"}"):
                    unreadable.append(path)
                path.unlink()

    reader = Thread(target=look)
    reader.start()
    for _ in range(1000):
        channel._put("celery", {"body": "x" * 1000})
    over.set()
    reader.join()
    assert unreadable == []


@pytest.mark.parametrize("content", [b"", b'{"body": "x', b"\xff\xfe"])
def test_a_message_that_cannot_be_read_is_passed_over(channel: Channel, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0_cut-off.celery.msg").write_bytes(content)
    channel._put("celery", {"job": 1})
    assert channel._get("celery") == {"job": 1}
    with pytest.raises(Empty):
        channel._get("celery")


@pytest.mark.parametrize("content", ["", '[["", "", "wor'])
def test_a_table_of_queues_that_was_cut_off_is_made_anew(channel: Channel, tmp_path: Path, content: str) -> None:
    table = tmp_path / "control" / "celery.pidbox.exchange"
    table.parent.mkdir()
    table.write_text(content)
    assert channel.get_table("celery.pidbox") == []
    channel._queue_bind("celery.pidbox", "", "", "worker.celery.pidbox")
    rows: list[Any] = json.loads(table.read_text())
    assert rows == [["", "", "worker.celery.pidbox"]]
