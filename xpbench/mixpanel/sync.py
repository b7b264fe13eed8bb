"""Mixpanel in step with plan and ledger: read what is there, show the difference, write what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from xpbench.errors import MixpanelError, number_of, plain, shown
from xpbench.ledger.clock import Clock, system_clock
from xpbench.mixpanel.difference import RemoteDifference, compare, merged_experiment, merged_flag, recorded_digest
from xpbench.mixpanel.wanted import STAGES, TAG, Wanted
from xpbench.shows import Shows, plain_html

if TYPE_CHECKING:
    from xpbench.mixpanel.client import Client

FIRST_WRITE = (
    "Mixpanel has experiments and flags in its Enterprise plan. Other plans take three experiments and no more: one that is "
    "made counts for good. A launch can't be undone."
)


@dataclass(frozen=True, slots=True)
class Remote:
    """What Mixpanel holds of an experiment.

    Attributes:
        experiment: The experiment, or None.
        flag: The flag of its key, or None.
    """

    experiment: dict[str, Any] | None
    flag: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Sync(Shows):
    """What a sync has found and done.

    Attributes:
        name: The experiment in Mixpanel.
        differences: What differed before anything was written.
        left: What differs now; the same where nothing was written.
        did: What was done, in order.
        notes: What to know before the first write, and what could not be done.
        experiment_id: Id in Mixpanel, "" where there is none.
        flag_id: Id of the flag, None where there is none.
        status: Of the experiment there, "" where there is none.
        dry: Nothing was written on purpose.
    """

    rows_of_frame: ClassVar[str] = "differences"

    name: str
    differences: tuple[RemoteDifference, ...]
    left: tuple[RemoteDifference, ...]
    did: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    experiment_id: str = ""
    flag_id: str | None = None
    status: str = ""
    dry: bool = False

    @property
    def in_step(self) -> bool:
        """Whether Mixpanel holds what it should."""
        return not self.left

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "name": self.name,
            "in_step": self.in_step,
            "differences": [d.to_dict() for d in self.differences],
            "left": [d.to_dict() for d in self.left],
            "did": list(self.did),
            "notes": list(self.notes),
            "experiment_id": self.experiment_id,
            "flag_id": self.flag_id,
            "status": self.status,
            "dry_run": self.dry,
        }

    def __str__(self) -> str:
        lines = [str(d) for d in self.differences] or ["Mixpanel holds what plan and ledger say."]
        if self.did:
            lines.append("Done: " + ", ".join(self.did) + ".")
        elif self.dry and self.differences:
            lines.append("Nothing was written (dry run).")
        if self.did and self.left:
            lines += [f"Still differs: {d}" for d in self.left]
        return "\n".join([*lines, *self.notes])

    def __repr__(self) -> str:
        return f"Sync({shown(self.name)}, {number_of(len(self.differences), 'difference')}, {len(self.left)} left)"

    def _repr_html_(self) -> str:
        return plain_html(repr(self), [d.to_dict() for d in self.differences])


def read(wanted: Wanted, client: Client) -> Remote:
    """The experiment and the flag of a name; those whose id the ledger has recorded come first.

    Raises:
        MixpanelError: those of `Client.call`.
    """
    experiments = [e for e in client.experiments() if not e.get("deleted")]
    experiment = next((e for e in experiments if str(e["id"]) in wanted.ids), None)
    experiment = experiment or next((e for e in experiments if e["name"] == wanted.name), None)
    flag = None
    if wanted.flag is not None:
        flags = client.flags(include_archived=True)
        flag = next((f for f in flags if str(f["id"]) in wanted.ids), None)
        flag = flag or next((f for f in flags if f["key"] == wanted.flag["key"]), None)
    return Remote(experiment, flag)


def refuse_foreign(wanted: Wanted, remote: Remote) -> None:
    """Return only if what is there was made from this ledger.

    Raises:
        MixpanelError: `XPB-M14`, the experiment or flag names another plan, or none.
    """
    for thing, there in (("experiment", remote.experiment), ("flag", remote.flag)):
        if there is None:
            continue
        digest = recorded_digest(there)
        known = str(there["id"]) in wanted.ids
        if digest in wanted.digests or (known and digest is None):
            continue
        if thing == "flag" and digest is None and not there.get("experiment_id") and not _deciding(wanted, remote):
            continue  # made by hand and the very same, and no experiment has it
        reason = "names no plan" if digest is None else f"was made from plan {digest[:12]}, which is not in this ledger"
        apart = _apart(wanted, remote, thing)
        raise MixpanelError(
            "XPB-M14",
            thing=plain(thing),
            name=str(there.get("name") if thing == "experiment" else there.get("key")),
            reason=plain(reason),
            differences=plain(f". It differs in: {apart}" if apart else ""),
        )


def _deciding(wanted: Wanted, remote: Remote) -> list[RemoteDifference]:
    """Differences of the flag that decide who gets what."""
    texts = ("description", "linked experiment", "tags", "name", "status", "experiment is active", "serving method")
    found = compare(wanted, remote.experiment, remote.flag)
    return [d for d in found if d.thing == "flag" and d.field not in texts and not d.field.startswith("name of rollout group")]


def is_ramp(wanted: Wanted, remote: Remote) -> bool:
    """Whether what is there is this experiment at a smaller share: it runs, its words are the same, and only shares grow."""
    there = remote.experiment
    if there is None or there.get("status") not in ("draft", "active"):
        return False
    texts = [d for d in compare(wanted, there, remote.flag) if d.thing == "experiment" and d.field != "status"]
    if any(d.field != "description" for d in texts):
        return False
    head, held = (str(t).split("plan SHA-256")[0] for t in (wanted.experiment["description"], there.get("description")))
    grows = [
        d.field.startswith("share of rollout group")
        and isinstance(d.plan, (int, float))
        and isinstance(d.mixpanel, (int, float))
        and d.plan > d.mixpanel
        for d in (_deciding(wanted, remote) if remote.flag is not None else ())
    ]
    return head == held and all(grows)


def _apart(wanted: Wanted, remote: Remote, thing: str) -> str:
    found = [d for d in compare(wanted, remote.experiment, remote.flag) if d.thing == thing]
    skipped = ("description", "linked experiment", "tags", "name")
    told = [d for d in found if d.field not in skipped]
    words = [shown(str(d).split(", ", 1)[1], 160)[1:-1].replace("{", "(").replace("}", ")") for d in told[:6]]
    return "; ".join(words) + (" …" if len(told) > 6 else "")


def sync(
    wanted: Wanted,
    client: Client,
    *,
    dry_run: bool = False,
    adopt: bool = False,
    annotate: bool = True,
    before_writing: Any = None,
    clock: Clock = system_clock,
) -> Sync:
    """Bring Mixpanel in step with what it should hold.

    What is there is read first. Fields that xpbench does not write stay as they are; settings and flags, which Mixpanel
    replaces whole, are merged and written whole. The flag comes before the launch, so that an experiment never runs next to
    a flag that is another; going back to control comes before everything else.

    Args:
        wanted: What Mixpanel should hold.
        client: Of the project.
        dry_run: Write nothing.
        adopt: Take over an experiment or flag that was not made from this ledger.
        annotate: Mark launch and decision in the charts.
        before_writing: Called with the difference (a `Sync`) before the first write.
        clock: The time of annotations.

    Raises:
        MixpanelError: those of `Client.call`; `XPB-M14` what is there is not of this ledger; `XPB-M15` Mixpanel salted the
            flag otherwise.
    """
    remote = read(wanted, client)
    if not adopt:
        refuse_foreign(wanted, remote)
    wanted = _as_it_runs(wanted, remote)
    found = tuple(compare(wanted, remote.experiment, remote.flag))
    notes = (FIRST_WRITE,) if _irrevocable(found) else ()
    report = _report(wanted, remote, found, found, (), notes, dry=dry_run)
    if dry_run or not found:
        return report
    if before_writing is not None:
        before_writing(report)
    did: list[str] = []
    more: list[str] = []
    remote = _write(wanted, client, remote, found, did, more, annotate=annotate, clock=clock)
    left = tuple(compare(wanted, remote.experiment, remote.flag))
    return _report(wanted, remote, found, left, tuple(did), (*notes, *more), dry=False)


def _as_it_runs(wanted: Wanted, remote: Remote) -> Wanted:
    """Where the stage is left as it is, so is the flag's: on, off, and whether its experiment is active."""
    if wanted.stage is not None or wanted.flag is None or remote.flag is None:
        return wanted
    kept = {k: remote.flag.get(k) for k in ("status", "is_experiment_active")}
    return replace(wanted, flag={**wanted.flag, **kept})


def _irrevocable(found: tuple[RemoteDifference, ...]) -> bool:
    return any(d.field == "existence" or (d.field == "status" and d.mixpanel == "draft") for d in found)


def _report(
    wanted: Wanted,
    remote: Remote,
    found: tuple[RemoteDifference, ...],
    left: tuple[RemoteDifference, ...],
    did: tuple[str, ...],
    notes: tuple[str, ...],
    *,
    dry: bool,
) -> Sync:
    experiment, flag = remote.experiment or {}, remote.flag or {}
    return Sync(
        wanted.name,
        found,
        left,
        did,
        notes,
        str(experiment.get("id", "")),
        str(flag["id"]) if flag else None,
        str(experiment.get("status", "")),
        dry,
    )


def _write(
    wanted: Wanted,
    client: Client,
    remote: Remote,
    found: tuple[RemoteDifference, ...],
    did: list[str],
    notes: list[str],
    *,
    annotate: bool,
    clock: Clock,
) -> Remote:
    experiment, flag = remote.experiment, remote.flag
    if wanted.serving == "control" and flag is not None:
        flag = _flag(wanted, client, experiment, flag, did)  # back to control first, whatever comes after
    if experiment is None:
        experiment = client.create_experiment(wanted.name, **wanted.experiment)
        did.append("created")
    else:
        changes = merged_experiment(wanted, experiment)
        if experiment.get("name") != wanted.name:
            changes["name"] = wanted.name
        if changes:
            experiment = client.update_experiment(experiment["id"], **changes)
            did.append("updated")
        if experiment.get("archived"):
            client.archive_experiment(experiment["id"], archived=False)
            experiment = client.experiment(experiment["id"])
            did.append("unarchived")
    # an experiment that is still a draft enables its flag when it is launched
    early = wanted if experiment["status"] != "draft" else replace(wanted, flag=_idle(wanted.flag))
    flag = _flag(early, client, experiment, flag, did)
    experiment = _stage(wanted, client, experiment, did, notes)
    if wanted.flag is not None and flag is not None:
        flag = _flag(wanted, client, experiment, client.flag(flag["id"]), did)
    if annotate:
        for words in _marks(wanted, found, did):
            note(client, f"{wanted.name}: {words}", clock, did)
    return Remote(client.experiment(experiment["id"]), flag)


def _marks(wanted: Wanted, found: tuple[RemoteDifference, ...], did: list[str]) -> Iterator[str]:
    """What deserves a mark in Mixpanel's charts: launch, ramp, decision, and the way back."""
    plan = f"plan {wanted.digest[:12]}"
    if "launched" in did:
        yield f"launched, {plan}"
    ramped = [d for d in found if d.thing == "flag" and d.field.startswith("share of rollout group") and d.mixpanel != "absent"]
    if "flag updated" in did and wanted.serving == "plan":
        yield from (f"rollout {d.plan:.4g}" for d in ramped[:1] if isinstance(d.plan, float))
    if "decided" in did and wanted.decision is not None:
        yield f"{str(wanted.decision['message']).split(':', 1)[0]}, {plan}"
    if "flag updated" in did and wanted.serving == "control" and "decided" not in did:
        yield f"rolled back to control, {plan}"


def _idle(flag: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return None if flag is None else {**flag, "status": "disabled", "is_experiment_active": False}


def _flag(
    wanted: Wanted, client: Client, experiment: Mapping[str, Any] | None, there: dict[str, Any] | None, did: list[str]
) -> dict[str, Any] | None:
    if wanted.flag is None:
        return there
    body = {**wanted.flag, **({"experiment_id": experiment["id"]} if experiment is not None else {})}
    if there is None:
        if experiment is None:
            return None
        made = client.flag(client.create_flag(body)["id"])
        did.append("flag created")
        _check_salt(wanted, made)
        return made
    if not [d for d in compare(wanted, experiment, there) if d.thing == "flag"]:
        return there
    _check_salt(wanted, client.update_flag(there["id"], **merged_flag(body, there)))
    did.append("flag updated")
    return client.flag(there["id"])


def _check_salt(wanted: Wanted, made: Mapping[str, Any]) -> None:
    """The salt is read back: with another one, half of the units get another variant than the plan says."""
    planned = (wanted.flag or {}).get("hash_salt")
    if "hash_salt" in made and made["hash_salt"] != planned:
        raise MixpanelError("XPB-M15", name=str(made.get("key")), value=str(made["hash_salt"]), planned=str(planned))


def _stage(wanted: Wanted, client: Client, experiment: dict[str, Any], did: list[str], notes: list[str]) -> dict[str, Any]:
    if wanted.stage is None or experiment["status"] == wanted.stage:
        return experiment
    here, there = STAGES.index(wanted.stage), STAGES.index(experiment["status"])
    if here < there or (wanted.stage == "fail" and experiment["status"] == "success"):
        notes.append(
            f"Mixpanel has the experiment as {experiment['status']}, the ledger as {wanted.stage}: the API has no way back. "
            "Undo the decision on its page."
        )
        return experiment
    if experiment["status"] == "draft":
        experiment = client.launch_experiment(experiment["id"])
        did.append("launched")
    if experiment["status"] == "active" and here > STAGES.index("active"):
        experiment = client.conclude_experiment(experiment["id"])
        did.append("concluded")
    if wanted.decision is not None and experiment["status"] == "concluded":
        body = wanted.decision
        experiment = client.decide_experiment(
            experiment["id"], success=body["success"], variant=body["variant"], message=body["message"]
        )
        did.append("decided")
    return experiment


def note(client: Client, description: str, clock: Clock, did: list[str]) -> bool:
    """Mark something in Mixpanel's charts, once in two days; False when the mark is there."""
    now: datetime = clock()
    today = now.strftime("%Y-%m-%d")
    before = (now - timedelta(days=1)).strftime("%Y-%m-%d")
    if any(a["description"] == description for a in client.annotations(before, today)):
        return False
    client.annotate(now.strftime("%Y-%m-%d %H:%M:%S"), description, tags=[client.tag(TAG)])
    did.append("annotated")
    return True


def live(client: Client) -> Iterator[dict[str, Any]]:
    """Experiments that are not deleted."""
    return (e for e in client.experiments() if not e.get("deleted"))
