import pytest

from util.hospital.claims import GROUPS, KEYS
from util.hospital.estimates import gain, mean_auc, pooled_auc, threshold_of
from util.hospital.sheet import sheet_text


def test_numbers_are_honest_where_the_claim_is_true_and_wrong_where_it_is_false(plans):
    for plan in plans:
        claimed, false, found = plan.claims.set_index("key")["claimed"], plan.roles.false, plan.roles.findings
        split = "test" if "threshold" in false else "valid"
        assert claimed["threshold"] == threshold_of(plan, found["threshold"], 0.9, split)
        assert claimed["average"] == round(pooled_auc(plan) if "average" in false else mean_auc(plan), 3)
        assert claimed["better"] == round(gain(plan, found["better"]).value, 3)
        gray, train = plan.people["Gray"], plan.people["Split"] == "train"
        assert claimed["statistics"] == pytest.approx(
            (gray if "statistics" in false else gray[train]).mean(), abs=0.051
        )
        assert abs(claimed["statistics"] - gray[train].mean()) > 2 or "statistics" not in false
        assert abs(claimed["average"] - mean_auc(plan)) > 0.01 or "average" not in false
        assert claimed["maps"] == 0.9
        assert (claimed[["patients", "copies", "mark", "labels", "subgroup", "calibration"]] == 0).all()


def test_the_spread_of_gray_levels_is_of_the_training_films_in_every_hospital(plans):
    """That of all films is larger where test films are brighter, and would say that they were counted in."""
    for plan in plans:
        said = plan.claims.set_index("key").claim["statistics"]
        gray = plan.people.loc[plan.people["Split"] == "train", "Gray"]
        assert f"a standard deviation of {gray.std(ddof=0):.1f} between films" in said
    assert len({"statistics" in plan.roles.false for plan in plans}) == 2


def test_every_sentence_names_its_finding_its_groups_and_its_number(plans):
    for plan in plans:
        assert plan.claims["key"].tolist() == list(KEYS)
        for row in plan.claims.itertuples():
            assert row.finding.replace("_", " ").lower() in row.claim
            assert not row.attribute or " and ".join(GROUPS[row.attribute]) in row.claim
        claims = plan.claims.set_index("key")
        assert f"{claims.claimed['threshold']:.4f}" in claims.claim["threshold"]
        assert f"{claims.claimed['average']:.3f}" in claims.claim["average"]
        assert "90 %" in claims.claim["maps"]


def test_sentences_have_one_form_whether_true_or_false(plans):
    """Without numbers, findings and groups, a sentence is the same in all hospitals, so its words give nothing away."""
    for key in KEYS:
        forms = set()
        for plan in plans:
            row = plan.claims.set_index("key").loc[key]
            words = row["claim"]
            for name in (row["finding"].replace("_", " ").lower(), " and ".join(GROUPS.get(row["attribute"], ["?"]))):
                words = words.replace(name or "?", "*")
            forms.add("".join(letter for letter in words if not letter.isdigit()))
        assert len(forms) == 1


def test_the_sheet_can_be_read_and_says_what_it_is(plans):
    text = sheet_text("anna", plans[0].claims)
    assert "hospital of anna" in text
    assert "Not for clinical use." in text
    assert all(f"{number}. **{key}**: " in text for number, key in enumerate(KEYS, 1))
