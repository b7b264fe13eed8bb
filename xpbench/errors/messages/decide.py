"""Messages about readouts, decisions, amendments and planning (R)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-R20": Message("{name} is {value}", "{rule}", "{remedy}"),
    "XPB-R01": Message(
        "Results of {key} are sealed: {reason}",
        "Effects are shown when the plan says they are due",
        "Wait, or record an early look with peek(reason=...) or xpbench peek KEY --reason",
    ),
    "XPB-R02": Message("The reason for {action} is empty", "It goes on record and into the memo", "Say why in a sentence"),
    "XPB-R03": Message("The decision is {value}", "A decision is ship, ship none, iterate or defer", "{hint}"),
    "XPB-R04": Message("Ship names the variant {value}", "One treatment variant of the plan is shipped", "{hint}"),
    "XPB-R05": Message(
        "The readout belongs to {found}, not to {expected}",
        "A decision rests on a readout of the same experiment and plan",
        "Make a new readout from this experiment",
    ),
    "XPB-R06": Message(
        "{key} has no decision yet", "A memo freezes a decision", "Decide first, with decide(...) or xpbench decide"
    ),
    "XPB-R07": Message(
        "The amendment changes {pointer}",
        "What decides which unit gets which variant stays as registered",
        "To change it, start a linked run: xpbench restart KEY --reason (xp.restart). To drop a treatment: xpbench "
        "amend KEY --drop VARIANT --reason (experiment.drop)",
    ),
    "XPB-R08": Message(
        "{key} has no readout on record", "A decision rests on a readout", "Make one with readout(...) or xpbench readout"
    ),
    "XPB-R09": Message(
        "The decision names nobody", "Someone answers for a decision", "Give by=..., or --by on the command line"
    ),
    "XPB-R11": Message(
        "Power can't be computed: {reason}",
        "Planning needs to know where the interval is narrowest",
        "Set model.n_opt",
    ),
    "XPB-R12": Message("The summary has no segment {segment}", "A summary holds the segments it was read with", "{hint}"),
    "XPB-R13": Message(
        "The table fits the experiment {key}, which is registered and sealed: {state}",
        "Effects of a registered experiment are shown when they are due, or for a reason on record",
        "Use readout(...) or peek(reason=...); for another experiment's table pass root=None",
    ),
    "XPB-R14": Message(
        "{what}", "One value of that column is the control, and one to nineteen others are treatments", "{hint}"
    ),
    "XPB-R15": Message(
        "The files have the columns {columns}, and none was named as the unit's id",
        "Only in a table in memory can every row be one unit",
        "Name the column with unit=… (--unit on the command line)",
    ),
    "XPB-R16": Message(
        "The readout is not what the look of entry {seq} showed: {part} differs",
        "A decision uses what a look showed, unedited",
        "Make a new readout with readout(...) or xpbench readout KEY, and decide on that",
    ),
    "XPB-R17": Message(
        "There is a decision already: {told}",
        "A second decision says which one it supersedes, and both stay on record",
        "Give supersedes={seq} if it should be replaced, or --supersedes {seq} on the command line",
    ),
    "XPB-R18": Message(
        "The new plan undoes the amendment of entry {seq} (by {by}) to {pointer}",
        "An amendment is never undone in silence",
        "Take that change into the file, or undo it on purpose with --undo",
    ),
    "XPB-R30": Message(
        "The plan's model is {value}, which has no last look",
        "Only a group-sequential plan that ends short declares its last look",
        "Leave out last (--last); before the horizon use peek(reason=...) or xpbench peek KEY --reason",
    ),
    "XPB-R31": Message(
        "The moments of {key} are sealed: {reason}",
        "They hold the mean of every variant",
        "Read counts and health with readout(...), or look early with peek(reason=...) or xpbench peek KEY --reason",
    ),
    "XPB-R32": Message(
        "Look {seq} can't be read again by itself: {reason}",
        "A look is read again from the files on record",
        "Name the data: reproduce(source) in Python, --events FILES or --units FILE on the command line",
    ),
    "XPB-R33": Message(
        "The data are not those of look {seq}, the newest on record",
        "Without data of its own a decision uses what that look read",
        "Look at the new data first, or name the data (--events FILES, --units FILE)",
    ),
    "XPB-R34": Message(
        "{value} can't be dropped: the run is over, {reason}",
        "After the end, dropping a treatment is a choice among results",
        "Decide on all treatments, or start a linked new run: xp.restart(key, reason=...) or xpbench restart KEY --reason",
    ),
    "XPB-R35": Message(
        "These moments were made by another plan than the one in force for {key}",
        "Metrics, exposure, variants and data policy decide which numbers they are",
        "Hand over the data: readout(source), or moments of experiment.summarize(source)",
    ),
    "XPB-R40": Message(
        "{agent} may not look: the plan of {key} allows programs {allowed} at effects, and {taken} was taken",
        "looks.agents limits looks by programs on behalf of people",
        "Ask a person to run xpbench readout, or to amend the plan",
    ),
    "XPB-R50": Message(
        "The ramp of {key} can't go on: {state}", "A ramp is in the plan, and goes on stage by stage", "{remedy}"
    ),
    "XPB-R10": Message("The amendment changes nothing", "An amendment records a difference", "Change the plan first"),
}
