"""Messages about building, rendering and reading a memo (O)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-O01": Message(
        "No memo can be made: {reason}",
        "A memo freezes a readout that was opened, of a registered experiment",
        "Make a readout when it is due, or reveal it with a reason, then ask for the memo",
    ),
    "XPB-O02": Message("A memo can't be saved with the ending {ending}", "The ending names the format", "{hint}"),
    "XPB-O03": Message(
        "No PDF can be made: {reason}",
        "PDFs are printed by Chromium, which this package does not bring",
        "Install Chromium or Chrome, or open the HTML memo and print it",
    ),
}
