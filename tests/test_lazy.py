import importlib
import sys
from types import ModuleType

import pytest

from xpbench.lazy import loads


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "some_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "part.py").write_text("def there():\n    return 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("some_package")
    yield module
    for name in ("some_package", "some_package.part"):
        sys.modules.pop(name, None)


def test_a_name_loads_its_module_when_it_is_asked_for_and_stays(package: ModuleType) -> None:
    get, names = loads("some_package", {"there": "part", "renamed": "part:there"})
    assert names() == ["renamed", "there"]
    assert "some_package.part" not in sys.modules
    assert get("there")() == 7
    assert package.__dict__["there"] is get("renamed")


def test_any_other_name_is_an_attribute_error_that_names_the_package(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'some_package' has no attribute 'elsewhere'"):
        loads("some_package", {"there": "part"})[0]("elsewhere")


@pytest.mark.parametrize(
    ("package", "old", "new"),
    [
        ("xpbench.health", "Cause", "FaultCause"),
        ("xpbench.health", "Status", "CheckStatus"),
        ("xpbench.data", "Stage", "ReadingStage"),
        ("xpbench.watch", "Day", "WatchDay"),
        ("xpbench.expose", "Flags", "TrackedFlags"),
    ],
)
def test_an_earlier_name_works_with_a_warning_and_is_not_listed(package: str, old: str, new: str) -> None:
    module = importlib.import_module(package)
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(module, old) is getattr(module, new)
    assert old not in dir(module)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("xpbench.stats.proportion", "Counts", "EventCounts"),
        ("xpbench.stats.functionals", "Ratio", "RatioOfMeans"),
        ("xpbench.stats.designs", "GroupSequential", "GroupSequentialTest"),
        ("xpbench.stats.inference", "Practical", "PracticalLift"),
        ("xpbench.health.check", "Status", "CheckStatus"),
    ],
)
def test_an_earlier_name_of_a_module_works_with_a_warning(module: str, old: str, new: str) -> None:
    found = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(found, old) is getattr(found, new)
    with pytest.raises(AttributeError):
        found.never_there  # noqa: B018 - asking is the point
