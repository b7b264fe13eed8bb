import importlib
import subprocess
import sys
from types import ModuleType

import pytest

from xpbench.lazy import later, loads


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
    get = loads("some_package", {"there": "part", "renamed": "part:there"})
    assert "some_package.part" not in sys.modules
    assert get("there")() == 7
    assert package.__dict__["there"] is get("renamed")


def test_any_other_name_is_an_attribute_error_that_names_the_package(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'some_package' has no attribute 'elsewhere'"):
        loads("some_package", {"there": "part"})("elsewhere")


def test_a_module_runs_when_something_of_it_is_asked_for(package: ModuleType) -> None:
    file = package.__path__[0] + "/part.py"
    with open(file, "a") as more:
        more.write("import some_package\nsome_package.ran = True\n")
    later("some_package.part", "some_package.missing")
    part = package.part
    assert "ran" not in vars(package)
    assert part.there() == 7
    assert package.ran is True
    assert importlib.import_module("some_package.part") is part
    later("some_package.part")
    assert sys.modules["some_package.part"] is part
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("some_package.missing")


def test_special_functions_come_without_the_compiler_and_the_tests_of_numpy_which_are_whole_for_who_asks() -> None:
    code = """
import sys
import xpbench.decide.interaction, xpbench.stats.inference
inside = {"numpy.f2py.crackfortran", "numpy.testing._private.utils"}
assert not inside & set(sys.modules), inside & set(sys.modules)
import numpy.f2py as f2py
import numpy as np
from numpy.testing import assert_array_equal
assert np.f2py is f2py and callable(f2py.run_main)
assert_array_equal([1, 2], [1, 2])
assert inside <= set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
