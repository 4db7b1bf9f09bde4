"""Whom a provider's claims name, and with which roles."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightread.settings import Settings
from nightread.web.principal import Role
from nightread.web.security.oidc import NotSignedIn, person_of, roles_in

PLAIN = Settings()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


def test_roles_are_those_that_the_claim_lists_behind_the_prefix() -> None:
    claims = {"roles": ["nightread-reader", "reader", "nightread-identity", "nightread-boss", 7]}
    assert roles_in(claims, PLAIN) == {Role.READER, Role.IDENTITY}


def test_a_claim_within_objects_is_found_by_its_path() -> None:
    keycloak = Settings(oidc_roles_claim="realm_access.roles", oidc_role_prefix="")
    assert roles_in({"realm_access": {"roles": ["auditor"]}}, keycloak) == {Role.AUDITOR}
    assert roles_in({"realm_access": ["auditor"]}, keycloak) == set()


def test_one_role_may_stand_without_a_list() -> None:
    assert roles_in({"roles": "nightread-service"}, PLAIN) == {Role.SERVICE}


def test_a_part_of_a_word_is_no_role() -> None:
    assert roles_in({"roles": "nightread-reader nightread-supervisor"}, PLAIN) == set()


def test_somebody_is_called_by_their_subject_and_shown_by_their_name() -> None:
    person = person_of({"sub": "f00", "name": "Anna Berg", "email": "a@b"}, PLAIN)
    assert (person.who, person.name) == ("f00", "Anna Berg")
    assert person_of({"sub": "f00", "name": ""}, PLAIN).name == "f00"


@pytest.mark.parametrize("who", [None, "", 7, ["x"], "x" * 201, "a\nb", "a\0b", "service:ris"])
def test_a_subject_that_would_mislead_the_audit_signs_nobody_in(who: Any) -> None:
    with pytest.raises(NotSignedIn):
        person_of({"sub": who}, PLAIN)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["sub", "name", "roles", "preferred_username"]), JSON))
def test_no_claims_are_too_odd(claims: dict[str, Any]) -> None:
    try:
        person = person_of(claims, PLAIN)
    except NotSignedIn:
        return
    assert person.who == claims["sub"]
    assert person.roles <= set(Role)
