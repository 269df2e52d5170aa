import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from samewhy_edge import cli as edge_cli
from samewhy_edge.errors import InputError
from samewhy_edge.files import write_json
from samewhy_host import cli
from samewhy_host.gate import KINDS, NOTHING, Judged, as_junit, judge
from tests.host.audited import EXPLAINERS, RUNGS, Table, audit_table, write_run

Values = list[tuple[str, Any, bool]]


def limits(folder: Path, *tables: str) -> Path:
    path = folder / "gate.toml"
    path.write_text("".join(f"[[limit]]\n{table}\n" for table in tables))
    return path


def judged(folder: Path, *tables: str, audit: Table | None = None) -> list[Judged]:
    return judge(write_run(folder, audit), limits(folder, *tables))


def found(folder: Path, table: str, audit: Table | None = None) -> Values:
    """(where, value, kept) of a single limit."""
    (one,) = judged(folder, table, audit=audit)
    return [(row.where, row.value, row.kept) for row in one.found]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('what = "accuracy"\nmin = 0.89', [("int8", 0.8985, True)]),
        ('what = "accuracy"\nrung = "float"\nmin = 0.91', [("float", 0.9005, False)]),
        (
            'what = "accuracy"\nrung = "every"\nmin = 0.9',
            [("float", 0.9005, True), ("pruned", 0.9105, True), ("int8", 0.8985, False)],
        ),
        ('what = "accuracy-drop"\nmax = 0.002', [("int8 against float", 0.002, True)]),
        ('what = "accuracy-drop"\nmax = 0.001999', [("int8 against float", 0.002, False)]),
        ('what = "accuracy-drop"\nreference = "above"\nmax = 0.01', [("int8 against pruned", 0.012, False)]),
        (
            'what = "accuracy-drop"\nrung = "pruned"\nreference = "above"\nmax = 0',
            [("pruned against float", -0.01, True)],
        ),
        ('what = "accuracy-drop"\nrung = "pruned"\nmin = 0', [("pruned against float", -0.01, False)]),
        ('what = "flips"\nmax = 60', [("int8", 60, True)]),
        ('what = "flips"\nrung = "every"\nmax = 59', [("pruned", 30, True), ("int8", 60, False)]),
        ('what = "flip-share"\nmax = 0.03', [("int8", 0.03, True)]),
        ('what = "bytes"\nmin = 2000\nmax = 2000', [("int8", 2000, True)]),
        ('what = "bytes"\nmin = 2001\nmax = 9000', [("int8", 2000, False)]),
        ('what = "bytes"\nmin = 0\nmax = 1999', [("int8", 2000, False)]),
        ('what = "milliseconds"\nmax = 0.5', [("int8", 0.5, True)]),
        ('what = "calibration-error"\nmax = 0.01', [("int8", 0.02, False)]),
        ('what = "brier"\nmax = 0.1', [("int8", 0.1, True)]),
        ('what = "brier"\nbound = "high"\nmax = 0.1', [("int8", 0.13, False)]),
        ('what = "brier"\nbound = "low"\nmax = 0.1', [("int8", 0.08, True)]),
        ('what = "dead"\nexplainer = "rise"\nmax = 0.25', [("int8, rise", 0.25, True)]),
        (
            'what = "unresolvable"\nrung = "pruned"\nmax = 1',
            [("pruned, occlusion", 1, True), ("pruned, rise", 1, True)],
        ),
        ('what = "reliability"\nexplainer = "rise"\nmin = 0.9', [("rise", 0.9, True)]),
        ('what = "relative-error"\nmax = 0.02', [("occlusion", 0.0, True), ("rise", 0.04, False)]),
    ],
)
def test_a_limit_finds_its_value_and_judges_it(table: str, expected: Values, tmp_path: Path) -> None:
    assert found(tmp_path, table) == expected


@pytest.mark.parametrize(
    ("more", "where", "value"),
    [
        ("", "int8 against float, occlusion, spearman", 0.8),
        ('measure = "pearson"', "int8 against float, occlusion, pearson", 0.79),
        ('reference = "first"\nbound = "value"', "int8 against float, occlusion, spearman", 0.8),
        ('reference = "above"', "int8 against pruned, occlusion, spearman", 0.95),
        ('rung = "pruned"', "pruned against float, occlusion, spearman", 0.9),
        ('rung = "pruned"\nreference = "above"', "pruned against float, occlusion, spearman", 0.9),
        ('bound = "low"', "int8 against float, occlusion, spearman", 0.75),
        ('bound = "high"', "int8 against float, occlusion, spearman", 0.84),
    ],
)
def test_an_agreement_is_that_of_its_pair_measure_and_bound(
    more: str, where: str, value: float, tmp_path: Path
) -> None:
    table = f'what = "agreement"\nexplainer = "occlusion"\n{more}\n'
    assert found(tmp_path, f"{table}min = {value}") == [(where, value, True)]
    assert found(tmp_path, f"{table}min = {value + 0.001}") == [(where, value, False)]


def test_without_an_explainer_every_one_is_judged(tmp_path: Path) -> None:
    values = found(tmp_path, 'what = "agreement"\nrung = "every"\nmin = 0.75')
    assert values == [
        ("pruned against float, occlusion, spearman", 0.9, True),
        ("pruned against float, rise, spearman", 0.8, True),
        ("int8 against float, occlusion, spearman", 0.8, True),
        ("int8 against float, rise, spearman", 0.7, False),
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('is = "same"', [("pruned against float, rise", "same", True), ("int8 against float, rise", "changed", False)]),
        (
            'is = ["same", "undecided"]\nreference = "above"',
            [("pruned against float, rise", "same", True), ("int8 against pruned, rise", "undecided", True)],
        ),
    ],
)
def test_a_verdict_must_be_one_of_those_allowed(more: str, words: Values, tmp_path: Path) -> None:
    assert found(tmp_path, f'what = "verdict"\nrung = "every"\nexplainer = "rise"\n{more}') == words


def test_a_loss_and_its_bounds_stand_beside_the_verdict(tmp_path: Path) -> None:
    table = 'what = "loss"\nexplainer = "rise"\nmax = 0.05'
    assert found(tmp_path, table) == [("int8 against float, rise", 0.03, True)]
    assert found(tmp_path, f'{table}\nbound = "high"') == [("int8 against float, rise", 0.06, False)]


@pytest.mark.parametrize("undefined", [None, float("nan")])
@pytest.mark.parametrize("bounds", ["min = -9e9", "max = 9e9"])
def test_what_is_undefined_is_broken_however_wide_the_limit(
    undefined: float | None, bounds: str, tmp_path: Path
) -> None:
    audit = audit_table()
    for row in audit["agreements"]:
        row["value"] = undefined
    write_run(tmp_path)
    (tmp_path / "audit.json").write_text(json.dumps(audit))
    (one,) = judge(tmp_path, limits(tmp_path, f'what = "agreement"\nexplainer = "rise"\n{bounds}'))
    assert [(row.value, row.kept, row.shown) for row in one.found] == [(None, False, NOTHING)]


@pytest.mark.parametrize("what", ["calibration", "resolution", "verdicts"])
def test_a_table_that_the_run_does_not_have_breaks_its_limits(what: str, tmp_path: Path) -> None:
    audit = audit_table()
    del audit[what]
    ends = {
        "verdicts": ("verdict", 'is = "same"'),
        "calibration": ("brier", "max = 1"),
        "resolution": ("dead", "max = 1"),
    }
    name, end = ends[what]
    assert {row[1:] for row in found(tmp_path, f'what = "{name}"\n{end}', audit)} == {(None, False)}


def test_a_row_that_the_table_does_not_have_breaks_its_limit(tmp_path: Path) -> None:
    audit = audit_table()
    audit["agreements"] = [row for row in audit["agreements"] if row["rung"] != "int8"]
    assert found(tmp_path, 'what = "agreement"\nexplainer = "rise"\nmin = -1', audit)[0][1:] == (None, False)


def test_a_run_without_times_breaks_a_limit_on_them(tmp_path: Path) -> None:
    (write_run(tmp_path) / "timings.json").unlink()
    (one,) = judge(tmp_path, limits(tmp_path, 'what = "milliseconds"\nmax = 1e9'))
    assert [(row.value, row.kept) for row in one.found] == [(None, False)]


@pytest.mark.parametrize("rung", ["last", "every"])
@pytest.mark.parametrize(
    "table", ['what = "agreement"\nmin = -1', 'what = "flips"\nmax = 1', 'what = "verdict"\nis = "same"']
)
def test_a_ladder_of_one_rung_breaks_what_compares(rung: str, table: str, tmp_path: Path) -> None:
    audit = audit_table(RUNGS[:1])
    assert found(tmp_path, f'{table}\nrung = "{rung}"', audit) == [("no rung below the reference", None, False)]


def test_a_ladder_of_one_rung_is_judged_by_itself(tmp_path: Path) -> None:
    assert found(tmp_path, 'what = "bytes"\nmax = 4000', audit_table(RUNGS[:1])) == [("float", 4000, True)]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('what = "agreementt"\nmin = 0', "unknown what 'agreementt'; did you mean 'agreement'"),
        ('wha = "bytes"', "unknown key 'wha'; did you mean 'what'"),
        ('what = "verdict"\nsi = "same"', "unknown key 'si'; known: bound, explainer, is"),
        ('what = "verdict"\nallowed = "same"', "unknown key 'allowed'"),
        ("min = 0", "has no 'what'; expected a value"),
        ('what = "agreement"\nmin = "0.9"', "min is '0.9', text; expected a number"),
        ('what = "agreement"\nmin = true', "min is True, true or false; expected a number"),
        ('what = "agreement"\nmin = 0\nrung = "int"', "unknown rung 'int'; did you mean 'int8'"),
        ('what = "agreement"\nmin = 0\nrung = "lats"', "unknown rung 'lats'; did you mean 'last'"),
        (
            'what = "agreement"\nmin = 0\nexplainer = "occlusoin"',
            "unknown explainer 'occlusoin'; did you mean 'occlusion'",
        ),
        ('what = "agreement"\nmin = 0\nmeasure = "spaerman"', "unknown measure 'spaerman'; did you mean 'spearman'"),
        ('what = "agreement"\nmin = 0\nreference = "abve"', "unknown value 'abve'; did you mean 'above'"),
        ('what = "agreement"\nmin = 0\nbound = "lo"', "unknown value 'lo'; did you mean 'low'"),
        (
            'what = "agreement"\nmin = 0\nrung = "float"',
            "rung 'float' is the reference; expected one below it: pruned, int8",
        ),
        ('what = "agreement"', "min None and max None; expected one or both"),
        ('what = "agreement"\nmin = nan', "min nan and max None"),
        ('what = "agreement"\nmax = inf', "min None and max inf"),
        ('what = "agreement"\nmin = 0.9\nmax = 0.8', "min 0.9 and max 0.8; .*the smaller first"),
        (
            'what = "bytes"\nmax = 1\nexplainer = "rise"',
            "bytes takes no explainer; expected some of: what, name, rung, min",
        ),
        ('what = "accuracy-drop"\nmax = 1\nbound = "high"', "accuracy-drop takes no bound"),
        ('what = "flips"\nmax = 1\nreference = "above"', "flips takes no reference"),
        ('what = "reliability"\nmin = 1\nrung = "int8"', "reliability takes no rung"),
        ('what = "agreement"\nmin = 1\nis = "same"', "agreement takes no is"),
        ('what = "verdict"\nis = "same"\nmin = 1', "verdict takes no min"),
        ('what = "verdict"\nis = "same"\nmeasure = "ssim"', "verdict takes no measure"),
        ('what = "verdict"', "no `is`; expected the verdicts that are allowed"),
        ('what = "verdict"\nis = []', "no `is`; expected the verdicts that are allowed"),
        ('what = "verdict"\nis = "samee"', "unknown verdict 'samee'; did you mean 'same'"),
        ('what = "verdict"\nis = 1', r"limit\[0\]\.is\[0\] is 1, a whole number; expected text"),
        ('what = "bytes"\nmax = 1\nname = " "', "name is ' '; expected text that can be printed"),
        ('what = "bytes"\nmax = 1\nname = "\\u0001"', r"name is '\\x01'; expected text that can be printed"),
    ],
)
def test_a_limit_that_can_judge_nothing_is_refused_with_its_place(table: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        judged(tmp_path, table)
    assert "gate.toml.limit[0]" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no \\[\\[limit\\]\\] table in it"),
        ("limit = []", "no \\[\\[limit\\]\\] table in it"),
        ("limit = 3", "no \\[\\[limit\\]\\] table in it"),
        ("limit = [3]", r"limit\[0\]\] is 3; expected a table"),
        ("[[limits]]\nwhat = 'bytes'", "unknown key 'limits'; did you mean 'limit'"),
        ("[[limit]", "not readable as TOML"),
    ],
)
def test_a_file_without_limits_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    path = limits(write_run(tmp_path))
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        judge(tmp_path, path)


def test_a_missing_file_of_limits_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: no such file; expected limits"):
        judge(write_run(tmp_path), tmp_path / "none.toml")


def test_damaged_times_are_named(tmp_path: Path) -> None:
    (write_run(tmp_path) / "timings.json").write_text("{")
    with pytest.raises(InputError, match=r"timings\.json: not readable as JSON"):
        judge(tmp_path, limits(tmp_path, 'what = "milliseconds"\nmax = 1'))


def test_a_run_that_was_not_audited_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"audit\.json: no such file"):
        judge(tmp_path, limits(tmp_path, 'what = "bytes"\nmax = 1'))


def test_two_limits_of_one_name_are_refused(tmp_path: Path) -> None:
    table = 'what = "bytes"\nmax = 1'
    with pytest.raises(InputError, match=r"limit\[1\]\] and \[gate\.toml\.limit\[0\]\] are both 'bytes: at most 1'"):
        judged(tmp_path, table, table)
    assert len(judged(tmp_path, table, f'{table}\nname = "size"')) == 2


@pytest.mark.parametrize(
    ("table", "label"),
    [
        ('what = "bytes"\nmin = 1\nmax = 2000', "bytes: at least 1 and at most 2000"),
        (
            'what = "agreement"\nrung = "int8"\nexplainer = "rise"\nbound = "low"\nmin = 0.5',
            "agreement, int8, rise, low: at least 0.5",
        ),
        ('what = "verdict"\nis = ["same", "undecided"]', "verdict: same or undecided"),
        ('what = "bytes"\nmax = 1\nname = "fits the board"', "fits the board"),
        ('what = "bytes"\nmax = 1_234_567', "bytes: at most 1234567"),
    ],
)
def test_a_limit_is_called_by_its_name_or_by_what_it_says(table: str, label: str, tmp_path: Path) -> None:
    assert judged(tmp_path, table)[0].limit.label == label


@pytest.mark.parametrize("what", sorted(KINDS))
def test_every_kind_of_limit_finds_something_in_a_whole_run(what: str, tmp_path: Path) -> None:
    end = 'is = ["same", "changed", "undecided"]' if KINDS[what].words else "min = -1"
    audit = audit_table()
    audit["study"]["explainers"][0]["reliability"] = 1.0
    assert all(kept and value is not None for _, value, kept in found(tmp_path, f'what = "{what}"\n{end}', audit))


THREE = ('what = "bytes"\nmax = 9000', 'what = "agreement"\nmin = 0.8', 'what = "verdict"\nis = "same"\nname = "<&>"')


@pytest.mark.parametrize(
    ("table", "where", "value"),
    [
        ('what = "localisation"\nexplainer = "rise"\nmin = 0', "int8, rise, one", 0.6),
        ('what = "faithfulness"\nexplainer = "rise"\nmeasure = "two"\nmin = 0', "int8, rise, two", 0.61),
        (
            'what = "faithfulness"\nrung = "float"\nexplainer = "occlusion"\nbound = "high"\nmin = 0',
            "float, occlusion, one",
            0.6,
        ),
        ('what = "lent-cost"\nexplainer = "rise"\nbound = "high"\nmax = 1', "int8, rise, one", 0.12),
    ],
)
def test_what_maps_were_put_to_has_measures_of_its_own(table: str, where: str, value: float, tmp_path: Path) -> None:
    ((found,),) = (one.found for one in judge(write_run(tmp_path), limits(tmp_path, table)))
    assert found.where == where
    assert found.value == pytest.approx(value)


def test_a_measure_of_another_kind_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown measure 'spearman'"):
        judge(write_run(tmp_path), limits(tmp_path, 'what = "faithfulness"\nmin = 0\nmeasure = "spearman"'))


def test_a_run_that_judged_nothing_breaks_every_limit_on_it(tmp_path: Path) -> None:
    audit = audit_table()
    for name in ("localisation", "faithfulness", "cross"):
        del audit[name]
    del audit["study"]["faithfulness_measures"]
    (one,) = judged(tmp_path, 'what = "faithfulness"\nmin = 0', audit=audit)
    assert [(found.value, found.kept) for found in one.found] == [(None, False)] * len(EXPLAINERS)


def test_junit_has_a_case_for_each_limit_and_a_failure_for_each_broken_one(tmp_path: Path) -> None:
    run = tmp_path / "fashion"
    root = ElementTree.fromstring(as_junit(judged(run, *THREE), run))
    (suite,) = root
    for element in (root, suite):
        assert (element.tag, element.get("tests"), element.get("failures")) == (element.tag, "3", "2")
        assert (element.get("errors"), element.get("skipped")) == ("0", "0")
    assert (root.tag, suite.tag, suite.get("name")) == ("testsuites", "testsuite", "fashion")
    assert [case.get("name") for case in suite] == ["bytes: at most 9000", "agreement: at least 0.8", "<&>"]
    assert {case.get("classname") for case in suite} == {"samewhy.fashion"}
    failures = [case.find("failure") for case in suite]
    assert failures[0] is None
    assert failures[1] is not None
    assert failures[1].get("message") == "1 of 2 not at least 0.8; int8 against float, rise, spearman: 0.7"
    assert (failures[1].text or "").splitlines()[1:] == ["int8 against float, rise, spearman: 0.7"]
    assert failures[2] is not None
    assert len((failures[2].text or "").splitlines()) == 3
    assert suite[1].findtext("system-out") == (
        "int8 against float, occlusion, spearman: 0.8\nint8 against float, rise, spearman: 0.7"
    )


def test_junit_of_equal_findings_is_equal(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert as_junit(judged(run, *THREE), run) == as_junit(judged(run, *THREE), run)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    edge_cli.app.command("gate")(cli.gate)
    monkeypatch.setattr(cli, "NEEDED", ("a_package_that_is_not_there",))  # a run's files need no torch

    def invoke(*tables: str) -> Result:
        run = write_run(tmp_path / "run")
        words = ["gate", str(run), str(limits(tmp_path, *tables)), "--junit", str(tmp_path / "new" / "gate.xml")]
        return CliRunner().invoke(edge_cli.app, words)

    return invoke


def test_the_verb_ends_with_0_where_all_is_kept(gate: Callable[..., Result], tmp_path: Path) -> None:
    done = gate(THREE[0])
    assert (done.exit_code, done.exception) == (0, None)
    assert ElementTree.parse(tmp_path / "new" / "gate.xml").getroot().get("failures") == "0"


def test_the_verb_ends_with_1_and_says_what_is_broken(
    gate: Callable[..., Result], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = gate(*THREE)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert ElementTree.parse(tmp_path / "new" / "gate.xml").getroot().get("failures") == "2"


def test_bad_limits_leave_no_junit_behind(gate: Callable[..., Result], tmp_path: Path) -> None:
    done = gate('what = "bites"\nmax = 1')
    assert isinstance(done.exception, InputError)
    assert not (tmp_path / "new").exists()


def test_bad_limits_end_the_program_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edge_cli.app.command("gate")(cli.gate)
    run, path = write_run(tmp_path / "run"), limits(tmp_path, 'what = "bites"\nmax = 1')
    monkeypatch.setattr("sys.argv", ["samewhy", "gate", str(run), str(path)])
    with pytest.raises(SystemExit) as end:
        edge_cli.main()
    assert end.value.code == 2
    assert "did you mean 'bytes'" in capsys.readouterr().err


def test_the_table_says_kept_and_broken_beside_what_was_found(
    gate: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    console = Console(width=200, record=True)
    monkeypatch.setattr(cli, "stdout", console)
    gate(*THREE)
    rows = [line.split() for line in console.export_text().splitlines()]
    assert rows[1] == ["bytes:", "at", "most", "9000", "int8", "2,000", "kept"]
    assert rows[2][-2:] == ["0.8", "kept"]
    assert rows[3] == ["int8", "against", "float,", "rise,", "spearman", "0.7", "BROKEN"]
    assert rows[4][-2:] == ["changed", "BROKEN"]


def test_an_old_audit_is_refused(tmp_path: Path) -> None:
    write_json(write_run(tmp_path) / "audit.json", audit_table() | {"schema": 0})
    with pytest.raises(InputError, match="audit schema 0"):
        judge(tmp_path, limits(tmp_path, 'what = "bytes"\nmax = 1'))
