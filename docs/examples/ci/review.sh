#!/usr/bin/env bash
# Any other CI: compares the checked-out branch with BASE (origin/main), writes review.md, exits 1 where something is refused.
set -euo pipefail
exec xpbench review --base "${BASE:-origin/main}" --comment "${OUT:-review.md}"
