"""The Model Context Protocol over standard input and output: no socket is opened, and one call runs at a time."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING, Any

from xpbench._version import __version__
from xpbench.agents import documents
from xpbench.agents.marked import text_of
from xpbench.errors import InputError, plain

if TYPE_CHECKING:
    from xpbench.agents.tools import Desk


def serve(desk: Desk) -> None:
    """Answer calls until standard input ends.

    Raises:
        InputError: `XPB-I05`, the package `mcp` is missing.
    """
    gc.disable()  # hundreds of message classes are built on import, none of them garbage
    try:
        import anyio
        from mcp.server.lowlevel import Server
        from mcp.server.stdio import stdio_server
    except ImportError:
        raise InputError("XPB-I05", feature=plain("xpbench mcp"), package="mcp", install=plain("xpbench[mcp]")) from None
    finally:
        gc.enable()
    gc.freeze()

    async def run() -> None:
        server = build(Server, desk)
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        anyio.run(run)


def build(make: Any, desk: Desk) -> Any:
    """The server of a desk, with its tools and pages."""
    import anyio
    import mcp_types as types

    one = anyio.CapacityLimiter(1)

    async def list_tools(context: Any, params: Any) -> Any:
        tools = [
            types.Tool(
                name=t.name,
                description=t.description,
                input_schema=t.schema,
                annotations=types.ToolAnnotations(
                    read_only_hint=t.reads, destructive_hint=False, idempotent_hint=t.reads, open_world_hint=False
                ),
            )
            for t in desk.tools.values()
        ]
        return types.ListToolsResult(tools=tools)

    async def call_tool(context: Any, params: Any) -> Any:
        info = getattr(context.session.client_params, "client_info", None)
        client = (str(getattr(info, "name", "") or ""), str(getattr(info, "version", "") or ""))
        is_error, answer = await anyio.to_thread.run_sync(
            desk.call, params.name, dict(params.arguments or {}), client, limiter=one
        )
        return types.CallToolResult(content=[types.TextContent(type="text", text=text_of(answer))], is_error=is_error)

    async def list_resources(context: Any, params: Any) -> Any:
        listed = [("index", documents.INDEX), ("fields of effects", "xpbench://docs/field/effects")]
        return types.ListResourcesResult(
            resources=[types.Resource(name=name, uri=uri, mime_type="text/plain") for name, uri in listed]
        )

    async def list_templates(context: Any, params: Any) -> Any:
        listed = [("health check", "xpbench://docs/check/{name}"), ("message", "xpbench://docs/message/{code}")]
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(name=name, uri_template=uri, mime_type="text/plain") for name, uri in listed
            ]
        )

    async def read_resource(context: Any, params: Any) -> Any:
        uri = str(params.uri)
        text = documents.page(uri) or f"There is no such page. Start with {documents.INDEX}."
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type="text/plain", text=text)])

    return make(
        "xpbench",
        version=__version__,
        instructions=documents.START,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )
