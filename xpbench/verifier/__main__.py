"""`python -m xpbench.verifier MEMO`."""

import sys

from xpbench.verifier.check import main

sys.exit(main())
