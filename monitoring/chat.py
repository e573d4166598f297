"""Chat services: which addresses their robots have, and how to speak to them. Only these hosts are ever called."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from apprise import Apprise, NotifyBase


@dataclass(frozen=True)
class Service:
    hosts: tuple[str, ...]  # exact, or with a leading dot whatever ends so
    example: str


SERVICES = {
    "feishu": Service(("open.feishu.cn", "open.larksuite.com"), "https://open.feishu.cn/open-apis/bot/v2/hook/…"),
    "dingtalk": Service(("oapi.dingtalk.com",), "https://oapi.dingtalk.com/robot/send?access_token=…"),
    "wecom": Service(("qyapi.weixin.qq.com",), "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…"),
    "slack": Service(("hooks.slack.com",), "https://hooks.slack.com/services/…"),
    "teams": Service((".logic.azure.com", ".api.powerplatform.com"), "https://….logic.azure.com/workflows/…"),
}


class NotAnAddress(ValueError):
    """This is not the address of a robot of the service."""


def robot(service: str, address: str) -> NotifyBase:
    """What speaks to the robot at an address. Raises NotAnAddress, KeyError for an unknown service."""
    parts = urlsplit(address.strip())
    host = (parts.hostname or "").lower()
    wanted = SERVICES[service].hosts
    at_home = any(host == name or (name.startswith(".") and host.endswith(name)) for name in wanted)
    found = Apprise.instantiate(_as_apprise(parts)) if parts.scheme == "https" and at_home else None
    if found is None:
        raise NotAnAddress(service)
    return found


def _as_apprise(parts: SplitResult) -> str:
    """The address as Apprise writes it, where it does not know the service's own way."""
    host, asked = (parts.hostname or "").lower(), parse_qs(parts.query)
    if host == "open.feishu.cn":
        return f"feishu://{quote(parts.path.rsplit('/', 1)[-1], safe='')}"
    if host == "oapi.dingtalk.com":
        # A robot that wants signatures: its secret is given as &secret=SEC…
        secret = "".join(f"{quote(value, safe='')}@" for value in asked.get("secret", [])[:1])
        return f"dingtalk://{secret}{quote(asked.get('access_token', [''])[0], safe='')}"
    return parts.geturl()
