"""A short run of the fuzz in `benchmarks.trust`: typed errors only, bounded time and memory."""

from benchmarks.trust import fuzz, fuzz_files, limits


def test_readers_meet_damaged_text_with_typed_errors():
    assert fuzz(8_000, 11)["missed"] == []


def test_files_of_anyone_are_answered():
    assert fuzz_files(300, 12)["missed"] == []


def test_hostile_files_cost_little():
    for name, cost in limits().items():
        assert cost["memory_mb"] < 200, name
        assert cost["result"] not in ("verified", "read"), name
        assert cost["seconds"] < 5, name
