"""Check a memo with nothing but the memo, by a second implementation that shares no code with the engine.

Standard library only. The parts are read here one by one; `single.single_file()` joins them to the one file that is published,
`docs/verify.py`, and that `xpbench verify --save-verifier` writes: ``python verify.py memo.html`` works without this package.
In the order of the work:

    file        bytes, parts and seal of the file        text        JSON, RFC 8785, SHA-256
    chain       the ledger, and the story that it tells
    pairs       moments → two estimates                  quantiles   normal, Student's t, chi-squared
    score       shares with few events                   estimates   one metric, one treatment
    designs     multipliers, Fieller, corrections        boundaries  group-sequential, by integration
    futility    the chance that is left, and what giving up costs
    posterior   Bayesian rows, by quadrature             documented  Mixpanel's numbers, for comparison
    rows        every row of the readout                 rule        rows and health → outcome
    numbers     rows and decision against the readout's
    derived     sentences beside the numbers          first       whether the plan came first
    health      what health checks may say            health_words   their titles and wordings
    growth      what changed since the look before
    counted     what health checks say of counts
    signed      signatures by Ed25519 keys               ratio       the sample ratio from the units
    page        the page as a reader sees it             template    fixed wording around its cells
    said        numbers of a text, traced to cells
    letter      pages of blocks                       watching    the letter of a watch
    programme   the overview of all experiments
    check       all of it                                report      what it has shown
"""

from xpbench.verifier.chain import START, chain
from xpbench.verifier.check import main, trace_memo, traced_text, verify
from xpbench.verifier.file import END, MAX_BYTES, PAYLOAD, SEAL, parts_of, read, sealed
from xpbench.verifier.page import parsed_page, row_texts
from xpbench.verifier.report import VERDICTS, Difference, Notes, Report
from xpbench.verifier.said import Traced, trace
from xpbench.verifier.text import canonical, loads, sha256

__all__ = [
    "END",
    "MAX_BYTES",
    "PAYLOAD",
    "SEAL",
    "START",
    "VERDICTS",
    "Difference",
    "Notes",
    "Report",
    "Traced",
    "canonical",
    "chain",
    "loads",
    "main",
    "parsed_page",
    "parts_of",
    "read",
    "row_texts",
    "sealed",
    "sha256",
    "trace",
    "trace_memo",
    "traced_text",
    "verify",
]
