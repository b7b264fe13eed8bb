"""The running example, shipped by its rule."""

import pytest

from tests.memo.making import decided
from xpbench.experiment import Experiment


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """The running example, shipped by its rule."""
    return decided(tmp_path_factory.mktemp("experiments"))
