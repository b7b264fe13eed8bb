"""`python -m xpbench.memo.verify MEMO`."""

import sys

from xpbench.memo.verify.check import main

sys.exit(main())
