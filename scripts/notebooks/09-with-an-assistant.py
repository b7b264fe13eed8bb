# %% [markdown]
# # With an assistant
#
# An assistant that reads your data can look at results early, and nobody notices. Here it works next to you and the seal holds: before results are due it gets counts and health; a look at effects needs a reason, and is on record under its name before it shows.

# %%
import json
import tempfile
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

import xpbench as xp
from xpbench.demo.run import StoryClock
from xpbench.demo.story import FIRST_LOOK, START, first_run, story_plan, up_to

folder = Path(tempfile.mkdtemp())
root = folder / "experiments"
clock = StoryClock(START - timedelta(days=4))
experiment = xp.register(story_plan(), root, by="growth-analytics", clock=clock)
clock.to(START)
experiment.launch(by="growth-analytics")
so_far = up_to(first_run(), FIRST_LOOK)
pq.write_table(so_far, folder / "so-far.parquet")
experiment.key

# %% [markdown]
# ## Your own short way: `%xp`
#
# One line is one function call. `%xp readout KEY SOURCE` opens the panel; `%xp plan` opens the form; `%xp status` lists the registry.

# %%
# %load_ext xpbench

# %%
source = xp.events(so_far, until=FIRST_LOOK, clock=clock)
# %xp readout beta-homepage source root=$root

# %% [markdown]
# ## The assistant's way: ten tools
#
# `xpbench mcp` is a Model Context Protocol server over standard input and output: no socket, no network, one folder that it can't leave. Assistants start it themselves. jupyter-ai, and every other client, takes this entry in its MCP settings:

# %%
entry = {"command": "xpbench", "args": ["mcp", "--root", ".", "--for", "growth-analytics"]}
print(json.dumps({"mcpServers": {"xpbench": entry}}, indent=2))

# %% [markdown]
# This notebook takes the place of the assistant, with the protocol's own client, so that you see what a model sees.

# %%
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

server = StdioServerParameters(command="xpbench", args=["mcp", "--root", str(folder), "--for", "growth-analytics"])
quiet = open("/dev/null", "w")  # what the server logs


async def ask(tool, **arguments):
    """One question of an assistant, and the answer as it gets it."""
    async with stdio_client(server, errlog=quiet) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        answer = await session.call_tool(tool, arguments)
        return json.loads(answer.content[0].text)


async with stdio_client(server, errlog=quiet) as (read, write), ClientSession(read, write) as session:
    await session.initialize()
    tools = [tool.name for tool in (await session.list_tools()).tools]
tools

# %% [markdown]
# "How is the homepage test doing?" The answer is sealed: counts and what may be said, and no effect anywhere.

# %%
sealed = await ask("readout", key="beta-homepage", data="so-far.parquet")
print(sealed["sealed"], "effects" in sealed)
print(sealed["may_not_say"])

# %% [markdown]
# "Then just peek." Without a reason it is refused. With a reason it is a look, and the ledger says who made it, for whom and why, before anything shows.

# %%
refused = await ask("peek", key="beta-homepage", data="so-far.parquet", reason="")
print(refused["error"]["what"])

# %%
peeked = await ask("peek", key="beta-homepage", data="so-far.parquet", reason="an incident in the call centre")
print(peeked["kind"], peeked["looks"]["by_agents"])
look = xp.open_experiment("beta-homepage", root).ledger.entries()[-1]
print(look.kind, "·", look.by, "·", look.body["reason"])

# %% [markdown]
# Deciding is not one of its tools. And a plan can forbid looks by programs, or give them a budget: `looks={"agents": 0}`.
#
# ## Code next to the seal
#
# An assistant that writes code can read the table itself. `xpbench guard` names such places in scripts and notebooks, as a pre-commit hook or before a cell runs (`%load_ext xpbench.agents.guard`). It reads names, so it finds carelessness and not malice.

# %%
(folder / "quick_check.py").write_text(
    'import pandas as pd\n\nframe = pd.read_parquet("so-far.parquet")\nprint(frame[frame["event"] == "Retirement Quote Started"])\n'
)
from xpbench.agents.guard import guard

found = guard([folder / "quick_check.py"], root=root)
print(str(found).replace(f"{folder}/", ""))
