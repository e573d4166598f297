"""The header row, and which column means which field."""

from pathlib import Path

from crm.spreadsheets.headings import find_header, normalised, propose_mapping
from crm.spreadsheets.reading import read_table

ALIASES = {
    "reference": ["risk id", "id", "ref", "no", "编号", "风险编号"],
    "title": ["risk", "risk description", "title", "风险", "风险描述", "风险名称"],
    "category": ["category", "risk category", "类别", "风险类别"],
    "consequence": ["impact description", "consequence", "影响描述"],
    "impact": ["impact", "impact level", "severity", "影响", "影响程度"],
    "likelihood": ["likelihood", "probability", "probability level", "可能性", "概率"],
    "response": ["mitigation", "mitigation notes", "response", "应对措施"],
    "status": ["status", "状态"],
    "owner": ["owner", "risk owner", "负责人"],
    "identified": ["date identified", "identified on", "识别日期"],
    "reviewed": ["last reviewed", "last review", "复核日期"],
    "notes": ["notes", "comments", "备注"],
}
IMPACT_HEADING = "Impact \nLevel\nRate \n1 (LOW) to \n5 (HIGH)"
PRIORITY_HEADING = "Priority \nLevel\nImpact x Probability\nAddress the highest first. "
REGISTER = Path(__file__).parents[2] / "data" / "uwa_tikasathi_register.csv"


def fields(header, rows=()):
    return list(propose_mapping(header, rows, ALIASES).values())


def test_normalised_heading():
    assert normalised("  Impact \nLevel (1–5) ") == "impact level"
    assert normalised("ＲＩＳＫ　ＩＤ") == "risk id"
    assert normalised("风险 编号（必填）") == "风险编号"
    assert normalised("risk_owner") == normalised("RiskOwner") == normalised("Risk Owners:") == "risk owner"
    assert normalised("Status") == "status"
    assert normalised("(notes)") == "note"


def test_real_register():
    rows = read_table(REGISTER.read_bytes(), REGISTER.name).rows
    header = find_header(rows, ALIASES)
    assert header == 18
    assert rows[header][1] == "Risk ID"
    assert propose_mapping(rows[header], rows[header + 1 :], ALIASES) == {
        0: None,
        1: "reference",
        2: "category",
        3: "title",
        4: "consequence",
        5: "impact",
        6: "likelihood",
        7: None,
        8: "response",
        9: "status",
        10: "owner",
        11: "identified",
        12: "reviewed",
        13: "notes",
    }


def test_a_product_is_none_of_its_factors():
    for heading in (
        PRIORITY_HEADING,
        "Impact x Probability",
        "Likelihood × Impact",
        "风险值=可能性×影响",
        "可能性*影响",
    ):
        assert fields([heading]) == [None], heading


def test_rating_instructions_do_not_hide_the_heading():
    assert fields([IMPACT_HEADING, PRIORITY_HEADING]) == ["impact", None]


def test_the_level_column_is_the_impact_even_when_a_description_comes_first():
    aliases = {"impact": ["impact"]}
    assert propose_mapping(["Impact Description", IMPACT_HEADING], [], aliases) == {0: None, 1: "impact"}


def test_exact_match_beats_prefix_and_each_field_is_used_once():
    assert fields(["Owner name", "Owner", "Status"]) == [None, "owner", "status"]


def test_duplicated_column_is_given_to_the_first():
    assert fields(["Owner", "Status", "Owner"], [["Ann", "open", "Bob"]]) == ["owner", "status", None]


def test_empty_and_unnamed_columns_have_no_field():
    assert propose_mapping([None, "Owner"], [[None, "Ann", "x"]], ALIASES) == {0: None, 1: "owner", 2: None}


def test_no_columns():
    assert propose_mapping([], [], ALIASES) == {}


def test_chinese_headings():
    header = ["编号", "风险描述", "影响程度(1-5)", "可能性（%）", "应对措施", "风险负责人", "状态"]
    assert fields(header) == ["reference", "title", "impact", "likelihood", "response", "owner", "status"]


def test_unrelated_headings():
    assert fields(["Colour", "Weight kg", "Notebook", 5, 2.5]) == [None] * 5


def test_header_below_title_that_is_itself_a_known_heading():
    rows = [["Risk", None, None], [None, None, None], ["Risk", "Foo", "Bar"], ["late", "1", "2"], ["lost", "1", "2"]]
    assert find_header(rows, ALIASES) == 2


def test_header_below_group_headings():
    rows = [[None, "Impact", None], ["Risk", "Likelihood", "Owner"], ["a", 3, "Ann"]]
    assert find_header(rows, ALIASES) == 1


def test_first_of_two_equal_headers():
    rows = [["Risk", "Owner"], ["a", "Ann"], ["b", "Bob"], ["Risk", "Owner"], ["c", "Cy"], ["d", "Di"]]
    assert find_header(rows, ALIASES) == 0


def test_header_without_data():
    assert find_header([["My list"], ["Risk", "Owner"]], ALIASES) == 1


def test_unknown_headings_fall_back_to_the_first_wide_row_of_texts():
    rows = [["Liste"], [], ["Gefahr", "Wert", "Wer"], ["x", 1, "A"]]
    assert find_header(rows, ALIASES) == 2


def test_no_rows():
    assert find_header([], ALIASES) == 0


def test_risk_score_is_no_risk():
    assert fields(["Risk score", "Risk", "风险值"]) == [None, "title", None]
