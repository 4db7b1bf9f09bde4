"""Guarantee 7: what stands outside identity cannot be turned back without the key."""

import pytest

from mammo.pseudonym import Pseudonyms

KEYED = Pseudonyms(b"0123456789abcdef")


def test_the_same_patient_has_the_same_pseudonym_however_the_number_is_written() -> None:
    assert KEYED.patient(" ab12 ", "hospital", "1.2") == KEYED.patient("AB12", "HOSPITAL", "9.9")


def test_another_key_gives_another_pseudonym() -> None:
    other = Pseudonyms(b"another key of 32 bytes, in fact")
    assert KEYED.study("1.2.3") != other.study("1.2.3")


def test_the_same_number_at_two_issuers_is_two_patients() -> None:
    assert KEYED.patient("17", "A", "1.2") != KEYED.patient("17", "B", "1.2")


@pytest.mark.parametrize("shared", ["", "0000000000", "unknown", " ANON "])
def test_a_shared_number_never_joins_two_studies(shared: str) -> None:
    assert KEYED.patient(shared, "A", "1.2") != KEYED.patient(shared, "A", "1.3")


def test_a_pseudonym_does_not_contain_what_it_stands_for() -> None:
    assert "DOE" not in KEYED.patient("DOE^JANE", "A", "1.2").upper()


def test_a_trait_says_whether_two_images_of_a_study_agree_and_nothing_more() -> None:
    assert KEYED.trait("1.2", "sex", " f ") == KEYED.trait("1.2", "sex", "F")
    assert KEYED.trait("1.2", "sex", "F") != KEYED.trait("1.2", "sex", "M")
    assert KEYED.trait("1.2", "sex", "F") != KEYED.trait("1.3", "sex", "F")
    assert KEYED.trait("1.2", "sex", " ") is None


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Pseudonyms(b"short")
