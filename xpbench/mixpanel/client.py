"""Mixpanel's REST APIs: one request with retries and named errors, and the resources over it.

What the API documents is typed here; the inner shape of `settings`, `metrics`, `variants` and the caches is not published
and passes through untouched.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import httpx

from xpbench.errors import MixpanelError, number_of, plain, shown
from xpbench.expose.sender import Backoff
from xpbench.mixpanel.account import Account, Api
from xpbench.mixpanel.deadline import bounded
from xpbench.mixpanel.outgoing import batches
from xpbench.mixpanel.pace import Pace
from xpbench.mixpanel.retrying import retry_after
from xpbench.shows import Shows, plain_html

TOLD_FROM = 5.0
"""Seconds of waiting from which on it is worth a word."""
_RETRIED = frozenset({429, 500, 502, 503, 504})
_REFUSALS = {401: "XPB-M03", 403: "XPB-M04"}
_FLAG_FIELDS = (
    "name", "key", "tags", "context", "serving_method", "ruleset", "description", "experiment_id", "is_experiment_active",
    "status", "data_group_id", "workspace_id", "hash_salt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImportReport(Shows):
    """What became of imported events.

    Attributes:
        imported: Events that Mixpanel has taken.
        failed: For each refused event: its position, `$insert_id`, field and message.
    """

    rows_of_frame: ClassVar[str] = "failed"

    imported: int
    failed: tuple[dict[str, Any], ...]

    def _repr_html_(self) -> str:
        return plain_html(f"{number_of(self.imported, 'event')} imported, {len(self.failed):,} refused.", self.failed)

    def to_dict(self) -> dict[str, Any]:
        """The counts and the refused rows."""
        return {"imported": self.imported, "failed": list(self.failed)}

    def raise_for_failed(self) -> None:
        """Raise if any event was refused.

        Raises:
            MixpanelError: `XPB-M13`.
        """
        if self.failed:
            total = self.imported + len(self.failed)
            first = self.failed[0]
            reason = f"event {first['position']}, {first['field']}: {first['message']}"
            raise MixpanelError(
                "XPB-M13", count=plain(str(len(self.failed))), total=total, reason=plain(shown(reason, 300)[1:-1])
            )


class Client:
    """A session with Mixpanel's APIs; a context manager.

    Args:
        account: Who asks.
        timeout: Seconds to connect and between two parts of an answer.
        deadline: Seconds that a request may take in all; the body of an export may take longer while it keeps coming.
        attempts: How often a request is made before it fails.
        max_wait: Seconds in all that one request may wait for rate limits.
        backoff: Makes the waits between attempts.
        sleep: How to wait.
        on_wait: Called before each wait for a rate limit, with the seconds of this wait and those waited so far.
    """

    def __init__(
        self,
        account: Account,
        *,
        timeout: float = 60.0,
        deadline: float = 600.0,
        attempts: int = 6,
        max_wait: float = 3_700.0,
        backoff: Callable[[], Backoff] = Backoff,
        sleep: Callable[[float], None] = time.sleep,
        on_wait: Callable[[float, float], None] | None = None,
    ) -> None:
        self.account = account
        self._attempts = attempts
        self._max_wait = max_wait
        self._backoff = backoff
        self._sleep = sleep
        self._on_wait = on_wait
        self._mask = account.mask
        self._http = httpx.Client(auth=(account.username, account.secret), timeout=timeout, follow_redirects=False)
        self._seconds = deadline
        self._deadline = bounded(self._http)
        self.export_pace = Pace([(3, 1.2), (60, 3_650.0)])  # a little wider than the limits: requests travel

    @classmethod
    def from_environment(cls, **options: Any) -> Client:
        """A client for the account that the environment names."""
        return cls(Account.from_environment(), **options)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.account!r})"

    # -- one request --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        api: Api,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        pace: Pace | None = None,
        large: bool = False,
        **body: Any,
    ) -> Iterator[httpx.Response]:
        """An answer with status 200, 201 or 400 whose body is yet to be read; anything else is retried or raised.

        Args:
            method: Of HTTP.
            api: Which of the hosts.
            path: On it.
            params: Of the query.
            pace: Limits of this API.
            large: The body may be of any size: it is bounded by how fast it comes, and not by the deadline.
            **body: As httpx takes it.

        Raises:
            MixpanelError: `XPB-M03` 401, `XPB-M04` 403, `XPB-M05` other refusals, `XPB-M06` rate limit, `XPB-M07` no answer.
        """
        backoff = self._backoff()
        waited = 0.0
        url = self.account.url(api) + path
        attempt = limited = 0
        while True:
            attempt += 1
            if pace is not None:
                waited += self._wait(pace.wait(), waited)
                pace.count()
            request = self._http.build_request(method, url, params=params, **body)
            self._deadline.start(self._seconds)
            try:
                response = self._http.send(request, stream=True)
            except httpx.HTTPError as error:
                if attempt >= self._attempts:
                    raise self._no_answer(error, attempt) from None
                self._sleep(backoff.failed())
                continue
            try:
                if response.status_code in _RETRIED:
                    pause = backoff.failed(wait=retry_after(response))
                    if response.status_code == 429:
                        # the quota is the project's: others may use it up, so that only time counts, not attempts
                        limited += 1
                        if limited > max(self._attempts, self._max_wait / 30):
                            raise MixpanelError("XPB-M06", seconds=round(waited))
                        waited += self._wait(pause, waited)
                        attempt -= 1
                        continue
                    if attempt >= self._attempts:
                        raise self._refused(response)
                    self._sleep(pause)
                    continue
                if response.status_code not in (200, 201, 400):
                    raise self._refused(response)
                if large:
                    self._deadline.flow(self._seconds)
                yield response
                return
            finally:
                self._deadline.stop()
                response.close()

    def _wait(self, seconds: float, waited: float) -> float:
        if seconds <= 0:
            return 0.0
        if waited + seconds > self._max_wait:
            raise MixpanelError("XPB-M06", seconds=round(waited))
        if self._on_wait is not None and seconds >= TOLD_FROM:
            self._on_wait(seconds, waited)
        self._sleep(seconds)
        return seconds

    def call(self, method: str, api: Api, path: str, *, params: Mapping[str, Any] | None = None, json_body: Any = None) -> Any:
        """`results` of an app API's answer.

        Raises:
            MixpanelError: as `stream`, and `XPB-M08` for an answer of another shape.
        """
        body = {} if json_body is None else {"json": json_body}
        with self.stream(method, api, path, params=params, **body) as response:
            try:
                value = json.loads(response.read())
            except (ValueError, httpx.HTTPError) as error:
                raise MixpanelError("XPB-M08", path=path, reason=plain(self._mask(shown(str(error))[1:-1]))) from None
            if response.status_code == 400 or not isinstance(value, dict) or value.get("status") == "error":
                raise self._refused(response, value)
            return value.get("results", value)

    def _refused(self, response: httpx.Response, value: Any = None) -> MixpanelError:
        if value is None:
            try:
                value = json.loads(response.read())
            except (ValueError, httpx.HTTPError):
                value = {}
        reason = value.get("error", "") if isinstance(value, dict) else ""
        text = plain(shown(self._mask(reason), 300)[1:-1] or "no reason given")
        status = response.status_code
        answer, rule, remedy = "refuses the request", "The request must fit the documented limits", "Correct what is named"
        if status >= 500:
            answer, rule = (
                "fails",
                "An error of the server is not one of the request, which was repeated as often as is sensible",
            )
            remedy = "Do it again later; what was taken in is not lost"
        elif response.is_redirect:
            answer, rule = "points to another address", "Credentials are sent to the host of the region alone"
            remedy = "Check MIXPANEL_REGION and MIXPANEL_HOST"
        if status in _REFUSALS:
            return MixpanelError(_REFUSALS[status], reason=text, region=plain(self.account.region), status=status)
        words = {"answer": plain(answer), "rule": plain(rule), "remedy": plain(remedy)}
        return MixpanelError("XPB-M05", reason=text, status=status, **words)

    def _no_answer(self, error: Exception, attempts: int) -> MixpanelError:
        host = self.account.host or self.account.region
        return MixpanelError("XPB-M07", host=host, reason=plain(self._mask(error) or type(error).__name__), attempts=attempts)

    # -- import -------------------------------------------------------------------------------------------------------

    def import_events(self, events: Iterable[Mapping[str, Any]]) -> ImportReport:
        """Import events of any age in strict mode; a refused event never costs its neighbours.

        Times go out as whole milliseconds and other dates as text in UTC; NaN and infinity, which JSON does not have, as null.
        Without an `ip` of their own events get `ip: 0`: otherwise Mixpanel would give them the place of whoever imports.

        Args:
            events: `{"event": name, "properties": {"time", "distinct_id", …}}`. A missing `$insert_id` is derived from the
                content, so that importing twice adds nothing.

        Returns:
            How many were taken, and which were refused and why.
        """
        imported = 0
        failed: list[dict[str, Any]] = []
        unwritten: list[dict[str, Any]] = []
        for batch, places in batches(events, unwritten):
            taken, refused = self._import(batch)
            imported += taken
            failed.extend({**r, "position": places[r["position"]]} for r in refused)
        failed = sorted([*failed, *unwritten], key=lambda r: r["position"])
        return ImportReport(imported, tuple(failed))

    def _import(self, lines: list[bytes]) -> tuple[int, list[dict[str, Any]]]:
        params = {"strict": 1, "project_id": self.account.project_id}
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        content = gzip.compress(b"\n".join(lines), 1)
        try:
            with self.stream("POST", "ingestion", "/import", params=params, content=content, headers=headers) as response:
                value = json.loads(response.read())
        except MixpanelError as error:
            if error.code != "XPB-M05" or error.values.get("status") != 413 or len(lines) == 1:
                raise
            return self._import_halves(lines)
        except httpx.HTTPError as error:
            raise self._no_answer(error, 1) from None
        except ValueError as error:
            raise MixpanelError("XPB-M08", path="/import", reason=plain(self._mask(error))) from None
        rows = value.get("failed_records", []) if isinstance(value, dict) else []
        if response.status_code == 400 and not rows:
            raise self._refused(response, value)
        refused = [
            {
                "position": r["index"],
                "$insert_id": r.get("$insert_id", r.get("insert_id", "")),
                "field": r.get("field", ""),
                "message": r.get("message", ""),
            }
            for r in rows
        ]
        count = value.get("num_records_imported", len(lines) - len(refused)) if isinstance(value, dict) else 0
        if isinstance(count, int) and count >= len(lines) - len(refused):
            return len(lines) - len(refused), refused
        return self._import_halves(lines)

    def _import_halves(self, lines: list[bytes]) -> tuple[int, list[dict[str, Any]]]:
        """Halves of a request that is too large, or of which Mixpanel counts fewer events; sending one twice adds nothing."""
        if len(lines) == 1:
            id_ = json.loads(lines[0])["properties"].get("$insert_id", "")
            message = "Mixpanel does not count it as imported, and does not say why"
            return 0, [{"position": 0, "$insert_id": id_, "field": "", "message": message}]
        half = len(lines) // 2
        first, second = self._import(lines[:half]), self._import(lines[half:])
        return first[0] + second[0], first[1] + [{**r, "position": r["position"] + half} for r in second[1]]

    # -- experiments --------------------------------------------------------------------------------------------------

    def _experiments(self, tail: str = "") -> str:
        return f"/api/app/workspaces/{self._workspace()}/experiments{tail}"

    def _workspace(self) -> str:
        if not self.account.workspace_id:
            raise MixpanelError("XPB-M01", names=plain("MIXPANEL_WORKSPACE_ID"))
        return self.account.workspace_id

    def experiments(self) -> list[dict[str, Any]]:
        """All experiments of the workspace."""
        return list(self.call("GET", "app", self._experiments()))

    def experiment(self, id_: str) -> dict[str, Any]:
        """One experiment."""
        return dict(self.call("GET", "app", self._experiments(f"/{id_}")))

    def create_experiment(self, name: str, **fields: Any) -> dict[str, Any]:
        """A new experiment, a draft.

        Args:
            name: 1 to 255 characters.
            **fields: `description` (up to 400 characters), `hypothesis`, and what is passed through.
        """
        return dict(self.call("POST", "app", self._experiments(), json_body={"name": name, **fields}))

    def update_experiment(self, id_: str, **fields: Any) -> dict[str, Any]:
        """Change the fields given and no others."""
        return dict(self.call("PATCH", "app", self._experiments(f"/{id_}"), json_body=fields))

    def launch_experiment(self, id_: str) -> dict[str, Any]:
        """From draft to active."""
        return dict(self.call("PUT", "app", self._experiments(f"/{id_}/launch")))

    def conclude_experiment(self, id_: str, *, end_date: str | None = None) -> dict[str, Any]:
        """From active to concluded, now or at `end_date`."""
        body = {} if end_date is None else {"end_date": end_date}
        return dict(self.call("PUT", "app", self._experiments(f"/{id_}/force_conclude"), json_body=body))

    def decide_experiment(self, id_: str, *, success: bool, variant: str | None, message: str) -> dict[str, Any]:
        """From concluded to success or fail."""
        body = {"success": success, "variant": variant, "message": message}
        kept = {k: v for k, v in body.items() if v is not None}
        return dict(self.call("PATCH", "app", self._experiments(f"/{id_}/decide"), json_body=kept))

    def archive_experiment(self, id_: str, *, archived: bool = True) -> dict[str, Any]:
        """Put away, or take back."""
        return dict(self.call("POST" if archived else "DELETE", "app", self._experiments(f"/{id_}/archive")))

    # -- flags --------------------------------------------------------------------------------------------------------

    def _flags(self, tail: str = "") -> str:
        return f"/api/app/projects/{self.account.project_id}/workspaces/{self._workspace()}/feature-flags{tail}"

    def definitions(self) -> dict[str, Any]:
        """Flag definitions as the SDK fetches them, for `xp.load_flags`."""
        return dict(self.call("GET", "ingestion", "/flags/definitions", params={"project_id": self.account.project_id}))

    def flags(self, *, include_archived: bool = False) -> list[dict[str, Any]]:
        """Flags as the management API has them."""
        return list(self.call("GET", "app", self._flags(), params={"include_archived": str(include_archived).lower()}))

    def flag(self, id_: str) -> dict[str, Any]:
        """One flag."""
        return dict(self.call("GET", "app", self._flags(f"/{id_}")))

    def create_flag(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A new flag."""
        return dict(self.call("POST", "app", self._flags(), json_body=dict(body)))

    def update_flag(self, id_: str, **changes: Any) -> dict[str, Any]:
        """Change the fields given: the API replaces a flag whole, so the rest is read first and sent back as it was."""
        now = self.flag(id_)
        body = {k: now[k] for k in _FLAG_FIELDS if now.get(k) is not None}
        return dict(self.call("PUT", "app", self._flags(f"/{id_}"), json_body={**body, **changes}))

    def delete_flag(self, id_: str) -> None:
        """Remove a flag."""
        self.call("DELETE", "app", self._flags(f"/{id_}"))

    # -- annotations --------------------------------------------------------------------------------------------------

    def _notes(self, tail: str = "") -> str:
        return f"/api/app/projects/{self.account.project_id}/annotations{tail}"

    def annotations(self, first: str, last: str) -> list[dict[str, Any]]:
        """Annotations between two days (yyyy-mm-dd), both included."""
        return list(self.call("GET", "app", self._notes(), params={"fromDate": first, "toDate": last}))

    def annotate(self, date: str, description: str, *, tags: Iterable[int] = ()) -> dict[str, Any]:
        """A new annotation at `YYYY-MM-DD HH:mm:ss`."""
        body = {"date": date, "description": description, "tags": list(tags)}
        return dict(self.call("POST", "app", self._notes(), json_body=body))

    def update_annotation(self, id_: int, **changes: Any) -> dict[str, Any]:
        """Change description or tags."""
        return dict(self.call("PATCH", "app", self._notes(f"/{id_}"), json_body=changes))

    def delete_annotation(self, id_: int) -> None:
        """Remove an annotation."""
        self.call("DELETE", "app", self._notes(f"/{id_}"))

    def tag(self, name: str) -> int:
        """Id of an annotation tag, made if it is new."""
        for tag in self.call("GET", "app", self._notes("/tags")):
            if tag["name"] == name:
                return int(tag["id"])
        return int(self.call("POST", "app", self._notes("/tags"), json_body={"name": name})["id"])
