"""`xpbench relay`."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import ipaddress
import os
import socket
import sys
from typing import Any

from xpbench.commands.output import DONE, add_command, answer

TOKEN = "XPBENCH_RELAY_TOKEN"  # noqa: S105 - the name of a variable


def add_parsers(subparsers: Any) -> None:
    """Add the command."""
    relay = add_command(
        subparsers,
        "relay",
        _relay,
        help="take exposures over HTTP from any language and machine, each unit once",
        description="Serve /expose, /health and /metrics until stopped, and send what comes to Mixpanel. MIXPANEL_TOKEN is the "
        f"project's token, MIXPANEL_REGION its region (us, eu, in). {TOKEN} is what callers must give; several are separated "
        "by commas. Without it the relay answers to this machine only.",
    )
    relay.add_argument("plan", nargs="+", help="plan files, one for each experiment")
    relay.add_argument("--host", default="127.0.0.1", help="address to listen on; others than 127.0.0.1 need a token")
    relay.add_argument("--port", type=int, default=8765, help="port (8765); 0 picks a free one")
    relay.add_argument(
        "--outbox",
        metavar="WHERE",
        help="file on a local disk, or postgresql://… where several relays share one; by default in the user's state folder",
    )
    relay.add_argument("--schema", default="xpbench", help="schema of the tables on Postgres (xpbench)")
    relay.add_argument(
        "--origin", action="append", default=[], metavar="URL", help="pages that may ask, such as https://www.example.com"
    )
    relay.add_argument("--oldest-days", type=float, default=5.0, metavar="N", help="how long ago an exposure may have been (5)")
    relay.add_argument("--max-pending", type=int, default=1_000_000, metavar="N", help="events that may wait (1,000,000)")
    relay.add_argument(
        "--sync",
        choices=["normal", "full"],
        default="normal",
        help="full outlives a power cut at one fsync an exposure; for a file, Postgres decides for itself",
    )


def _relay(args: argparse.Namespace) -> int:
    from xpbench.errors import ExposeError, InputError, plain
    from xpbench.expose.service import RelayService
    from xpbench.expose.tracker import Tracker
    from xpbench.plan import load_plan

    try:
        import uvicorn
    except ModuleNotFoundError:
        raise InputError("XPB-I05", feature="The relay", package="uvicorn", install=plain("xpbench[relay]")) from None
    tokens = [t.strip() for t in os.environ.get(TOKEN, "").split(",") if t.strip()]
    if not tokens and not _is_loopback(args.host):
        raise ExposeError("XPB-E19", value=args.host)
    project = os.environ.get("MIXPANEL_TOKEN", "").strip()
    if not project:
        raise InputError(
            "XPB-I04",
            name="MIXPANEL_TOKEN",
            value="",
            rule=plain("It is the token of the project that events go to"),
            remedy=plain("Set it in the environment"),
        )
    plans = [load_plan(path) for path in args.plan]
    bound = _bound(args.host, args.port)
    try:
        with Tracker(plans, mixpanel=project, outbox=_outbox(args, project)) as tracker:
            service = RelayService(tracker, tokens=tokens, origins=args.origin, oldest_days=args.oldest_days)
            address = f"http://{f'[{args.host}]' if ':' in args.host else args.host}:{bound.getsockname()[1]}"
            experiments = sorted(p.key for p in plans)
            served = {
                "url": address,
                "experiments": experiments,
                "outbox": str(tracker.outbox.path),
                "host": tracker.status().host,
                "token": bool(tokens),
                "origins": sorted(args.origin),
            }
            text = (
                f"{address}/expose takes exposures of {', '.join(experiments)}, until stopped with Ctrl-C.\n"
                f"They wait in {served['outbox']} and go to {served['host']}. "
                + ("Callers give the token." if tokens else "Without a token, callers of this machine only.")
            )
            answer(args, served, text)
            sys.stdout.flush()
            config = uvicorn.Config(
                service,
                log_level="warning",
                access_log=False,  # addresses would carry the token of pages
                proxy_headers=False,
                server_header=False,
                date_header=False,
                ws="none",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=5,
                backlog=2_048,
            )
            with contextlib.suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[bound])
    finally:
        bound.close()
    return DONE


def _outbox(args: argparse.Namespace, project: str) -> Any:
    from xpbench.expose.outbox import Outbox
    from xpbench.expose.place import state_folder

    fingerprint = hashlib.sha256(project.encode()).hexdigest()[:16]
    where = args.outbox or ""
    if where.startswith(("postgresql://", "postgres://")):
        from xpbench.expose.postgres import PostgresOutbox

        return PostgresOutbox(where, schema=args.schema, max_pending=args.max_pending, project=fingerprint)
    path = where or state_folder().folder / f"outbox-{fingerprint}.sqlite"
    return Outbox(path, max_pending=args.max_pending, max_block=0.5, sync=args.sync, project=fingerprint)


def _bound(host: str, port: int) -> socket.socket:
    from xpbench.errors import InputError, plain

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio turns Nagle off only where this says TCP
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(2_048)  # from here on callers wait instead of being refused
    except OSError as error:
        bound.close()
        raise InputError(
            "XPB-I04",
            name="Port",
            value=port,
            rule=plain(f"It must be free on {host} ({error.strerror})"),
            remedy=plain("Give another port, or 0 to pick a free one"),
        ) from None
    return bound


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
