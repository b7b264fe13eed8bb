import pytest

from xpbench.errors import LedgerError, PlanError
from xpbench.ledger import Ledger, check_key, create, experiments, fixed_clock, folder_of
from xpbench.ledger.folder import existing, is_safe_key, suggest_key

DEVICES = ["con", "prn", "aux", "nul", *(f"com{i}" for i in range(1, 10)), *(f"lpt{i}" for i in range(1, 10))]
HOSTILE = sorted(
    {
        *DEVICES,
        *(d.upper() for d in DEVICES),
        *(f"{d}.txt" for d in DEVICES),
        *(f"{d}.tar.gz" for d in DEVICES),
        "",
        " ",
        ".",
        "..",
        "...",
        "../x",
        "..\\x",
        "../../etc/passwd",
        "/etc/passwd",
        "\\\\server\\share",
        "C:",
        "C:\\x",
        "c:x",
        "a/b",
        "a\\b",
        "a/../b",
        "./a",
        "a/",
        "/",
        "//",
        "~",
        "~root",
        "$HOME",
        "%TEMP%",
        "`id`",
        "$(id)",
        "a;b",
        "a|b",
        "a&b",
        "a>b",
        "a<b",
        "a*",
        "a?",
        'a"b',
        "a'b",
        "a:b",
        "a b",
        " a",
        "a ",
        "a.",
        "a..",
        ".a",
        ".git",
        ".gitattributes",
        "-a",
        "--help",
        "_a",
        "A",
        "Beta",
        "BETA-homepage",
        "beta\n",
        "beta\r\n",
        "\nbeta",
        "be\tta",
        "beta\0",
        "\0",
        "beta\0.html",
        "\x1b[31m",
        "\x7f",
        "\u202egnp.exe",
        "beta\u202e",
        "be\u200bta",
        "\ufeffbeta",
        "ｂeta",
        "bėta",
        "é",
        "e\u0301",
        "ß",
        "ﬁ",
        "İ",
        "ı",
        "ǆ",
        "Ⅷ",
        "🙂",
        "日本",
        "عربي",
        "\ud800",
        "a" * 65,
        "a" * 300,
        "a" * 10_000,
        "é" * 64,
        "../" * 100,
        "%2e%2e%2f",
        "%2e%2e",
        "..%2f",
        "..;/",
        "a%00",
        "<script>",
        "</script>",
        "<img src=x>",
        "javascript:alert(1)",
        "{{7*7}}",
        "${7*7}",
        "#{7*7}",
        "a#b",
        "a@b",
        "a!b",
        "a,b",
        "a=b",
        "a+b",
        "(a)",
        "[a]",
        "{a}",
        "a^b",
        "null ",
        "beta~1 ",
        "PROGRA~1",
        "desktop.ini ",
        "thumbs.db:",
        "file::$DATA",
        "a::$INDEX",
        "\\",
        "\\\\.\\c",
        "\\\\?\\c",
        "//?/c",
        "..//",
        "\\..\\",
        "a/./b",
        "a//b",
        "con ",
        "nul.",
        "aux:",
        "prn/",
        "-",
        "_",
        "--",
        "._a",
        "\u2024\u2024",
        "\u2215",
        "a\u2044b",
        "a\uff0fb",
        "a\uff3cb",
        "\uff0e\uff0e",
        "a\u3002b",
        "a\u00a0b",
        "a\u2003",
        "a\u0000b",
        "\u0008",
        "a\u0085b",
    }
)


def test_there_are_200_hostile_names():
    assert len(HOSTILE) >= 200


@pytest.mark.parametrize("key", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_refused_with_one_that_would_do(key, tmp_path):
    with pytest.raises(PlanError, match="XPB-P05") as caught:
        create(tmp_path / "root", key)
    assert list(tmp_path.iterdir()) == []
    assert is_safe_key(caught.value.values["suggestion"])
    str(caught.value).encode()


@pytest.mark.parametrize("key", [None, 3, b"a", ["a"]])
def test_what_is_no_text_is_refused(key):
    with pytest.raises(PlanError, match="XPB-P05"):
        check_key(key)


@pytest.mark.parametrize("key", ["a", "0", "beta-homepage", "a.b_c-d", "2026.11", "console", "com10", "a" * 64])
def test_ordinary_names_are_taken(key):
    assert check_key(key) == key


@pytest.mark.parametrize(
    ("text", "key"), [("Beta Homepage!", "beta-homepage"), ("CON", "con-experiment"), ("日本", "my-experiment")]
)
def test_suggestions_look_like_what_was_typed(text, key):
    assert suggest_key(text) == key


def registered(root, key):
    folder = create(root, key)
    (folder / "plan.json").write_text("{}")
    Ledger(folder / "ledger.jsonl", clock=fixed_clock("2026-11-03T09:00:00")).append("registered", {"key": key})
    return folder


def test_create_makes_the_folder_and_guards_line_ends(tmp_path):
    folder = create(tmp_path / "experiments", "beta")
    assert folder.is_dir()
    assert (tmp_path / "experiments" / ".gitattributes").read_text() == "* -text\n"


def test_a_registered_key_is_taken(tmp_path):
    registered(tmp_path, "beta")
    with pytest.raises(LedgerError, match="XPB-L03"):
        create(tmp_path, "beta")


def test_an_unknown_key_names_the_nearest(tmp_path):
    registered(tmp_path, "beta-homepage")
    assert existing(tmp_path, "beta-homepage").name == "beta-homepage"
    with pytest.raises(LedgerError, match="Did you mean 'beta-homepage'"):
        existing(tmp_path, "beta-homepag")


@pytest.mark.parametrize("name", ["", "plan.json", "ledger.jsonl", "memo.html"])
def test_symbolic_links_are_refused(tmp_path, name):
    root, outside = tmp_path / "root", tmp_path / "outside"
    registered(root, "beta")
    outside.mkdir()
    (outside / "file").write_text("")
    if name:
        (root / "beta" / name).unlink(missing_ok=True)
        (root / "beta" / name).symlink_to(outside / "file")
    else:
        (root / "other").symlink_to(outside, target_is_directory=True)
    with pytest.raises(LedgerError, match="XPB-L08"):
        folder_of(root, "beta" if name else "other")
    assert [e.status for e in experiments(root) if e.key == ("beta" if name else "other")] == ["broken"]


def test_a_root_that_is_a_link_is_the_users_choice(tmp_path):
    registered(tmp_path / "real", "beta")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert [e.status for e in experiments(tmp_path / "link")] == ["ok"]


def test_experiments_are_listed_with_the_broken_ones(tmp_path):
    registered(tmp_path, "beta")
    registered(tmp_path, "gamma")
    (tmp_path / "gamma" / "ledger.jsonl").write_text('{"seq":1}\n')
    (tmp_path / "empty").mkdir()
    (tmp_path / "Bad Name").mkdir()
    registered(tmp_path, "noplan")
    (tmp_path / "noplan" / "plan.json").unlink()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "ledger.jsonl").write_text("")
    listed = {e.key: e for e in experiments(tmp_path)}
    assert {k: e.status for k, e in listed.items()} == {
        "Bad Name": "broken",
        "beta": "ok",
        "empty": "broken",
        "gamma": "broken",
        "noplan": "ok",  # plan.json follows from the ledger, and is made again when the experiment is opened
        "nothing": "broken",
    }
    assert (listed["beta"].last, listed["beta"].knowledge, listed["beta"].head.length) == ("registered", "nothing assigned", 1)
    assert "XPB-L01" in listed["gamma"].reason
    assert listed["beta"].to_dict()["status"] == "ok"
    assert experiments(tmp_path / "absent") == []


def test_a_registration_that_was_killed_does_not_hold_the_key(tmp_path):
    """An empty ledger, or a first line cut short, was never acknowledged: the plan can be registered after all."""
    from tests.memo.making import PLAN
    from xpbench.experiment import register
    from xpbench.plan import Plan

    for rest in (b"", b'{"at":"2026'):
        root = tmp_path / str(len(rest))
        (root / "beta-homepage").mkdir(parents=True)
        (root / "beta-homepage" / "ledger.jsonl").write_bytes(rest)
        experiment = register(Plan(**PLAN), root)
        assert [e.kind for e in experiment.ledger.entries()] == ["registered"]
