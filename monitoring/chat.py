"""Chat services: which addresses their robots have, and how to speak to them. Only these hosts are ever called."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit, urlunsplit

from apprise import Apprise, AppriseAsset, NotifyBase
from apprise.plugins.dingtalk import NotifyDingTalk

# A robot's host may be anybody's (Teams), so where it redirects to is not gone to. No pictures from outside.
_ASSET = AppriseAsset(http_redirects=False, image_url_mask="", image_url_logo="", app_id="Sales risk register")


@dataclass(frozen=True)
class Service:
    hosts: tuple[str, ...]  # exact, or with a leading dot whatever ends so
    example: str
    # What of the address's query is the robot's own. Apprise would take the rest as orders: a "template" to read from
    # this machine or its network, certificates not to look at, hours to wait.
    own: tuple[str, ...] = ()


SERVICES = {
    "feishu": Service(("open.feishu.cn", "open.larksuite.com"), "https://open.feishu.cn/open-apis/bot/v2/hook/…"),
    "dingtalk": Service(("oapi.dingtalk.com",), "https://oapi.dingtalk.com/robot/send?access_token=…"),
    "wecom": Service(("qyapi.weixin.qq.com",), "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…", ("key",)),
    "slack": Service(("hooks.slack.com",), "https://hooks.slack.com/services/…"),
    "teams": Service(
        (".logic.azure.com", ".api.powerplatform.com"),
        "https://….logic.azure.com/workflows/…",
        ("api-version", "sp", "sv", "sig"),
    ),
}


class NotAnAddress(ValueError):
    """This is not the address of a robot of the service."""


class _DingTalk(NotifyDingTalk):
    """Apprise encodes a signature twice, and DingTalk then refuses it."""

    def get_signature(self) -> tuple[str, str]:
        timestamp, signature = super().get_signature()
        return timestamp, unquote(signature)


def robot(service: str, address: str) -> NotifyBase:
    """What speaks to the robot at an address. Raises NotAnAddress, KeyError for an unknown service."""
    about = SERVICES[service]
    try:
        parts = urlsplit(address.strip())
        port = parts.port
    except ValueError as error:
        raise NotAnAddress(service) from error
    host = (parts.hostname or "").lower()
    at_home = any(host == name or (name.startswith(".") and host.endswith(name)) for name in about.hosts)
    if parts.scheme != "https" or port not in (None, 443) or "@" in parts.netloc or not at_home:
        raise NotAnAddress(service)
    found = _dingtalk(parts) if service == "dingtalk" else Apprise.instantiate(_as_apprise(parts, about), asset=_ASSET)
    if found is None:
        raise NotAnAddress(service)
    return found


def _as_apprise(parts: SplitResult, about: Service) -> str:
    """The address as Apprise writes it, where it does not know the service's own way, and nothing in it but its own."""
    if parts.hostname == "open.feishu.cn":
        return f"feishu://{quote(parts.path.rstrip('/').rsplit('/', 1)[-1], safe='')}"
    asked = parse_qs(parts.query)
    query = urlencode({name: asked[name][0] for name in about.own if name in asked})
    return urlunsplit(("https", parts.netloc, parts.path, query, ""))


def _dingtalk(parts: SplitResult) -> NotifyBase | None:
    asked = parse_qs(parts.query)
    # A robot that wants signatures: its secret is given as &secret=SEC…
    secret = "".join(f"{quote(value, safe='')}@" for value in asked.get("secret", [])[:1])
    read = NotifyDingTalk.parse_url(f"dingtalk://{secret}{quote(asked.get('access_token', [''])[0], safe='')}")
    try:
        return _DingTalk(**read, asset=_ASSET) if read else None
    except TypeError:  # Apprise's word for a token that is none
        return None
