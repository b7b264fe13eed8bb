"""One request to Mixpanel through the official SDK, and what its answer means for each row.

The SDK's consumers report any failure as one exception and drop the list of refused rows, so the answer itself is read from
the response, which a hook keeps.
"""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import mixpanel

from xpbench.errors import ExposeError, plain
from xpbench.expose.deadline import BoundedAdapter, within
from xpbench.expose.limits import TRACK_DAYS, seconds_of
from xpbench.expose.masks import SecretMask
from xpbench.expose.regions import configured, ingestion_host, other_region

_TOO_OLD = TRACK_DAYS * 86_400 - 3_600
_NOT_RETRIED = (400, 413, 422)
_abandoned: list[Any] = []


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What one request came to.

    Attributes:
        accepted: Positions of the rows that Mixpanel has.
        refused: (position, field, reason) of the rows that it will never take.
        retry: The rest of the rows is to be sent again.
        split: The request as a whole was refused: send it again in halves.
        wait: Seconds that the server asked to wait, 0 if it did not say.
        reason: Why something is left, without secrets.
        credentials: The credentials were refused: trying again soon is pointless.
        unanswered: There was no answer at all; a smaller request may get one.
        uncounted: Mixpanel counts fewer rows than it was sent, and does not say which are missing.
        server_time: Seconds since the epoch at the server, if it said.
    """

    accepted: tuple[int, ...] = ()
    refused: tuple[tuple[int, str, str], ...] = ()
    retry: bool = False
    split: bool = False
    wait: float = 0.0
    reason: str = ""
    credentials: bool = False
    unanswered: bool = False
    uncounted: bool = False
    server_time: float | None = None


class _Consumer(mixpanel.Consumer):  # type: ignore[misc]
    """The SDK's consumer, which keeps the last response of each thread, goes nowhere else, and keeps to the time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.last = threading.local()
        # a redirected POST becomes a GET whose friendly answer would settle rows that nobody has; and the token would travel
        self._session.max_redirects = 0
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, BoundedAdapter())
        self._session.hooks["response"].append(self._keep)

    def _keep(self, response: Any, *args: Any, **kwargs: Any) -> None:
        self.last.response = response


@dataclass(slots=True)
class _Collector:
    """A consumer that keeps the messages that the SDK has made."""

    messages: list[str] = field(default_factory=list)

    def send(self, endpoint: str, json_message: str, api_key: Any = None, api_secret: Any = None) -> None:
        self.messages.append(json_message)


class Delivery:
    """Sends rows of the outbox through a Mixpanel SDK object.

    Hosts, certificate check and credentials are those of the object's consumer. Retries and timeouts are ours: the SDK's
    defaults wait without bound and retry blindly.

    Args:
        sdk: `mixpanel.Mixpanel`, whose hosts are used; or a project token for the hosts of `MIXPANEL_REGION` (us where it is
            not set) or for `MIXPANEL_HOST`.
        via: `import` sends to `/import` in strict mode: every refused row is named and rows of any age are taken. `track`
            sends to `/track`, and to `/import` what is older than five days.
        timeout: Seconds that a request may take in all, from the connection to the last byte of the answer.

    Raises:
        ExposeError: `XPB-E05`, neither a Mixpanel object nor a token; `XPB-E17`, an unknown region.
    """

    def __init__(
        self, sdk: mixpanel.Mixpanel | str, *, via: Literal["import", "track"] = "import", timeout: float = 10.0
    ) -> None:
        if isinstance(sdk, str) and sdk.strip():
            sdk = mixpanel.Mixpanel(sdk.strip(), consumer=mixpanel.Consumer(api_host=_host()))
        if not isinstance(sdk, mixpanel.Mixpanel) or not isinstance(sdk._token, str) or not sdk._token:
            raise ExposeError("XPB-E05", value=plain(type(sdk).__name__))
        self.token: str = sdk._token
        self._timeout = timeout
        self.via = via
        self._foreign: Any = None
        consumer = sdk._consumer
        if isinstance(consumer, mixpanel.BufferedConsumer):
            consumer = consumer._consumer
        account = sdk._credentials
        self._consumer: _Consumer | None = None
        self.url = ""
        self.note = ""
        if isinstance(consumer, mixpanel.Consumer):
            account = consumer._credentials or account
            self._import_url = target = consumer._endpoints["imports"]
            self.url = target if via == "import" else consumer._endpoints["events"]
            self.note = other_region(self.url)
            self._options = {
                "events_url": consumer._endpoints["events"],
                "import_url": f"{target}{'&' if '?' in target else '?'}strict=1",
                "request_timeout": timeout,
                "retry_limit": 0,
                "verify_cert": consumer._verify_cert,
                "credentials": account,
            }
            self._consumer = _Consumer(**self._options)
        else:
            self._foreign = consumer
        self._account = account
        secrets = [account.secret] if account else []
        pairs = [(account.username, account.secret)] if account else []
        self.mask = SecretMask([self.token, *secrets], pairs=[*pairs, (self.token, "")])

    def renew(self) -> None:
        """In a forked child: connections of its own. The inherited ones are the parent's, TLS state included."""
        if self._consumer is not None:
            _abandoned.append(self._consumer)  # closing it would end the parent's connection
            self._consumer = _Consumer(**self._options)

    def settings(self) -> dict[str, Any]:
        """What another process needs to build the same delivery, secrets included: for a pipe, never for a file.

        Raises:
            ExposeError: `XPB-E14`, the consumer is not the SDK's own.
        """
        if self._consumer is None:
            raise ExposeError("XPB-E14", value=plain(type(self._foreign).__name__))
        account = self._account
        return {
            "token": self.token,
            "via": self.via,
            "timeout": self._consumer._request_timeout,
            "events_url": self._consumer._endpoints["events"],
            "import_url": self._import_url,
            "verify_cert": self._consumer._verify_cert,
            "account": [account.username, account.secret, account.project_id] if account else None,
        }

    def __repr__(self) -> str:
        return f"Delivery(via={self.via!r})"

    def send(self, events: Sequence[dict[str, Any]], *, now: float) -> DeliveryOutcome:
        """Send events in one request (rows that need the other endpoint in a second one); never raises for the network."""
        if self._foreign is not None:
            return self._send_foreign(events)
        if self.via == "import":
            return self._send_import(events)
        # keep the order: the leading run of one kind goes first, the rest follows in a later request
        old = [self._is_old(e, now) for e in events]
        run = next((i for i, o in enumerate(old) if o != old[0]), len(events))
        outcome = self._send_import(events[:run]) if old[0] else self._send_track(events[:run])
        if run == len(events) or outcome.retry or outcome.split:
            return outcome
        return DeliveryOutcome(outcome.accepted, outcome.refused, server_time=outcome.server_time)

    @staticmethod
    def _is_old(event: dict[str, Any], now: float) -> bool:
        return now - (seconds_of(event["properties"].get("time")) or now) > _TOO_OLD

    def _messages(self, events: Sequence[dict[str, Any]], *, imported: bool) -> list[str]:
        collector = _Collector()
        sdk = mixpanel.Mixpanel(self.token, consumer=collector)
        for event in events:
            p = event["properties"]
            if imported:
                sdk.import_data(None, p["distinct_id"], event["event"], p["time"], p)
            else:
                sdk.track(p["distinct_id"], event["event"], p)
        return collector.messages

    def _post(self, endpoint: str, messages: list[str]) -> tuple[Any, str]:
        consumer = self._consumer
        assert consumer is not None  # noqa: S101 - the callers have checked
        consumer.last.response = None
        reason = ""
        watch = None
        try:
            # without a service account /import takes the token as Basic user, which the SDK sends as its "api_secret"
            with within(self._timeout) as watch:
                consumer.send(endpoint, f"[{','.join(messages)}]", None, None if self._account else self.token)
        except mixpanel.MixpanelException as error:
            reason = self.mask(error.__cause__ or error)
        except (KeyError, TypeError, AttributeError):
            pass  # the SDK can't read the strict answer of /import; the response has it
        if watch is not None and watch.is_over and not _answer(consumer.last.response):
            return None, f"no whole answer within {self._timeout:g} s"
        return consumer.last.response, reason

    def _send_import(self, events: Sequence[dict[str, Any]]) -> DeliveryOutcome:
        response, reason = self._post("imports", self._messages(events, imported=True))
        everything = tuple(range(len(events)))
        answer = _answer(response)
        early = self._unanswered(response, answer, reason)
        if early is not None:
            return early
        server = _date(response)
        count = answer.get("num_records_imported")
        if response.status_code == 200:
            if answer.get("status") in ("OK", 1, "ok"):
                return _counted(everything, (), count, server)
            return self._whole(events, answer, server)
        failed = answer.get("failed_records")
        if response.status_code == 400 and isinstance(failed, list) and failed:
            refused = tuple(
                (r["index"], str(r.get("field", "")), self.mask(r.get("message", "")))
                for r in failed
                if isinstance(r, dict) and isinstance(r.get("index"), int) and 0 <= r["index"] < len(events)
            )
            bad = {i for i, _, _ in refused}
            if len(bad) == len(failed):
                return _counted(tuple(i for i in everything if i not in bad), refused, count, server)
        return self._whole(events, answer, server)

    def _send_track(self, events: Sequence[dict[str, Any]]) -> DeliveryOutcome:
        response, reason = self._post("events", self._messages(events, imported=False))
        answer = _answer(response)
        early = self._unanswered(response, answer, reason)
        if early is not None:
            return early
        server = _date(response)
        if answer.get("status") == 1:
            return DeliveryOutcome(accepted=tuple(range(len(events))), server_time=server)
        return self._whole(events, answer, server)

    def _unanswered(self, response: Any, answer: dict[str, Any], reason: str) -> DeliveryOutcome | None:
        """What to do when there is no judgement on the rows: no response, an unreadable one, 401, 403, 429, 5xx."""
        if response is None:
            return DeliveryOutcome(retry=True, reason=reason or "no answer", unanswered=True)
        status = response.status_code
        if 300 <= status < 400:
            host = urllib.parse.urlsplit(response.headers.get("Location", "")).hostname or "another address"
            return DeliveryOutcome(retry=True, reason=self.mask(f"HTTP {status}: redirected to {host}, which is not followed"))
        if status in (401, 403) and answer:
            text = self.mask(answer.get("error", ""))
            return DeliveryOutcome(retry=True, credentials=True, reason=f"HTTP {status} {text}".strip())
        if status == 429 or status >= 500 or (status != 200 and status not in (*_NOT_RETRIED, 401, 403)):
            return DeliveryOutcome(retry=True, wait=_wait(response), reason=f"HTTP {status}")
        if status == 200 and not answer:
            return DeliveryOutcome(retry=True, reason=reason or "unreadable answer")
        if status != 413 and not _is_verdict(answer):
            return DeliveryOutcome(
                retry=True, reason=f"HTTP {status} with an answer that is not Mixpanel's, as of a proxy or gateway"
            )
        return None

    def _whole(self, events: Sequence[dict[str, Any]], answer: dict[str, Any], server: float | None) -> DeliveryOutcome:
        """The request was refused without naming rows: halve it, down to the row that is to blame."""
        reason = self.mask(answer.get("error") or "refused without a reason")
        if len(events) == 1:
            return DeliveryOutcome(refused=((0, "", reason),), server_time=server)
        return DeliveryOutcome(split=True, reason=reason, server_time=server)

    def _send_foreign(self, events: Sequence[dict[str, Any]]) -> DeliveryOutcome:
        accepted = []
        try:
            for position, message in enumerate(self._messages(events, imported=False)):
                self._foreign.send("events", message)
                accepted.append(position)
            if hasattr(self._foreign, "flush"):
                self._foreign.flush()
        except Exception as error:  # noqa: BLE001 - a consumer of the caller's may raise anything, and no row may be lost
            buffered = hasattr(self._foreign, "flush")
            return DeliveryOutcome(accepted=() if buffered else tuple(accepted), retry=True, reason=self.mask(error))
        return DeliveryOutcome(accepted=tuple(accepted))


def _host() -> str:
    try:
        return ingestion_host()
    except KeyError:
        raise ExposeError("XPB-E17", value=configured()) from None


def _counted(
    accepted: tuple[int, ...], refused: tuple[tuple[int, str, str], ...], count: Any, server: float | None
) -> DeliveryOutcome:
    """Rows are taken where Mixpanel's own count says so; where it counts fewer, none of them is settled."""
    if count is None or (isinstance(count, int) and not isinstance(count, bool) and count >= len(accepted)):
        return DeliveryOutcome(accepted, refused, server_time=server)
    reason = f"Mixpanel counts {count} of {len(accepted)} events as imported, without naming the others"
    return DeliveryOutcome((), refused, retry=True, uncounted=True, reason=reason, server_time=server)


def _is_verdict(answer: dict[str, Any]) -> bool:
    """Whether an answer judges events as Mixpanel does; proxies and gateways answer in HTML, or in JSON of their own."""
    if answer.get("status") in ("OK", "ok", 1) or isinstance(answer.get("failed_records"), list):
        return True
    return isinstance(answer.get("error"), str) and (answer.get("status", 0) == 0 or isinstance(answer["status"], str))


def _answer(response: Any) -> dict[str, Any]:
    if response is None:
        return {}
    try:
        value = json.loads(response.content)
    except (ValueError, RuntimeError, OSError):
        return {}
    return value if isinstance(value, dict) else {}


def _wait(response: Any) -> float:
    text = response.headers.get("Retry-After", "")
    try:
        return min(300.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _date(response: Any) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None
