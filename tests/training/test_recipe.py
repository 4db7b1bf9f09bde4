"""A recipe says everything, and nothing that no code reads."""

import pytest
from pydantic import ValidationError

from training import recipe
from training.datasets import cbis_ddsm, cdd_cesm


@pytest.mark.parametrize("name", ["default", "quick", "ensemble"])
def test_the_recipes_that_are_shipped_load(name: str) -> None:
    assert recipe.load(name).boxes > 0


def test_shares_name_the_stores_that_readers_make() -> None:
    named = recipe.load("default").shares.by_store()
    assert set(named) == {"phantoms-train", cbis_ddsm.NAME, cdd_cesm.NAME}
    assert sum(named.values()) == pytest.approx(1)


def test_a_key_that_no_code_reads_is_refused_by_name() -> None:
    given = recipe.load("quick").model_dump()
    given["detectors"]["middles"]["learning_rat"] = 0.1
    with pytest.raises(ValidationError, match="learning_rat"):
        recipe.Recipe.model_validate(given)


def test_a_network_cannot_have_the_name_of_a_joint() -> None:
    given = recipe.load("quick").model_dump()
    given["detectors"]["fusion"] = given["detectors"].pop("middles")
    with pytest.raises(ValidationError, match="joint of the ensemble"):
        recipe.Recipe.model_validate(given)


def test_the_default_population_is_large_enough_for_deciles() -> None:
    assert recipe.load("default").phantoms.reference_studies / 10 >= 15
