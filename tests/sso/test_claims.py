"""From a provider's claims to a principal, preset by preset."""

from __future__ import annotations

import time
from typing import Any

import pytest

from policies.model import Principal
from sso.assurance import acr_level
from sso.claims import ClaimReader
from sso.errors import SignOnRefused
from sso.presets import CIS2_ROLES, PRESETS
from sso.provider import ClaimNames, ProviderSettings
from sso.testing import CLIENT_ID, ToyProvider, rsa_key
from sso.tokens import TokenVerifier, VerifiedClaims, with_userinfo

ISSUER = "https://idp.hospital.test:443/realm"


class _Keys:
    async def candidates(self, kid: str | None, algorithm: str) -> list[Any]:
        return [rsa_key()]


async def _claims(userinfo: dict[str, Any] | None = None, **changes: Any) -> VerifiedClaims:
    """Verified claims come out of a verified token, in tests too."""
    toy = ToyProvider()
    toy.issuer = ISSUER
    token = toy.id_token("n", **changes)
    verifier = TokenVerifier(ISSUER, CLIENT_ID, ("RS256",), _Keys())
    claims = await verifier.id_token(token, now=time.time(), nonce="n", access_token="")
    return with_userinfo(claims, {"sub": claims.subject, **userinfo}) if userinfo else claims


def _reader(preset: Any, **changes: Any) -> ClaimReader:
    return ClaimReader(ProviderSettings(issuer=ISSUER, client_id=CLIENT_ID, preset=preset, **changes))


async def _refused(reader: ClaimReader, claims: VerifiedClaims, **asked: Any) -> SignOnRefused:
    with pytest.raises(SignOnRefused) as refused:
        reader.principal(claims, **asked)
    return refused.value


async def test_generic_takes_roles_by_name() -> None:
    """Roles called as ours need no mapping; others are mapped, unknown ones passed over."""
    reader = _reader("generic", roles={"Stationsarzt": "doctor"})
    found = reader.principal(await _claims(roles=["nurse", "Stationsarzt", "canteen"], organisation="RBA"))
    assert found == Principal(
        ISSUER, "n.okoye", "N Okoye", "Stationsarzt, nurse", frozenset({"nurse", "doctor"}), "RBA", 1
    )


@pytest.mark.parametrize(
    ("preset", "named", "left_out"),
    [
        ("generic", ClaimNames(), "preferred_username"),
        ("generic", ClaimNames(), "name"),
        ("generic", ClaimNames(), "roles"),
        ("generic", ClaimNames(), "organisation"),
        ("generic", ClaimNames(roles="realm.roles"), "realm"),
        ("keycloak", ClaimNames(), "resource_access"),
        ("imprivata", ClaimNames(assurance="strength"), "strength"),
    ],
)
async def test_each_claim_that_is_read_may_be_lacking(preset: str, named: ClaimNames, left_out: str) -> None:
    """UserInfo is asked where an ID token leaves out one of them; a claim that is there stands, whatever UserInfo would say."""
    reader = _reader(preset, claims=named)
    names = ("preferred_username", "name", "organisation", "roles", "groups", "realm", "strength")
    whole: dict[str, Any] = dict.fromkeys(names, "x") | {"realm_access": {}, "resource_access": {}}
    assert not reader.lacks(await _claims(**whole))
    assert reader.lacks(await _claims(**{**whole, left_out: None}))


async def test_cis2_always_lacks_something() -> None:
    """Its ID token says less than its UserInfo, by design."""
    assert _reader("cis2").lacks(await _claims(**dict.fromkeys(("nhsid_useruid", "name", "nhsid_nrbac_roles"), "x")))


async def test_a_mapping_can_take_a_bundled_one_back() -> None:
    """The site's table is laid over the preset's."""
    reader = _reader("generic", roles={"nurse": "receptionist"})
    assert reader.principal(await _claims()).roles == {"receptionist"}
    assert (await _refused(_reader("generic", roles={"nurse": ""}), await _claims())).reason == "role"


async def test_role_names_are_compared_exactly() -> None:
    """`Nurse` is not `nurse`: nothing is folded."""
    error = await _refused(_reader("generic"), await _claims(roles=["Nurse", " nurse"]))
    assert error.reason == "role"
    assert "sso.roles" in str(error)


async def test_an_address_authorises_nobody() -> None:
    """An e-mail address of the hospital, verified or not, gives no role."""
    claims = await _claims(roles=None, email="doctor@hospital.test", email_verified=True)
    assert (await _refused(_reader("generic"), claims)).reason == "role"


@pytest.mark.parametrize("userinfo", [None, {"roles": ["doctor"]}])
async def test_claims_may_be_named_otherwise(userinfo: dict[str, Any] | None) -> None:
    """`[sso.claims]` names other claims, one object deeper for each dot, or a URL as a whole."""
    names = ClaimNames(
        id="uid", name="who.full", roles="https://hospital.test/roles", organisation="org.code", assurance="strength"
    )
    reader = _reader("generic", claims=names)
    claims = await _claims(
        userinfo, uid="no1", who={"full": "Ngozi\nOkoye"}, org={"code": "RBA"}, strength="2",
        **{"https://hospital.test/roles": ["nurse"]},
    )  # fmt: skip
    found = reader.principal(claims)
    assert (found.name, found.organisation, found.assurance, found.roles) == ("Ngozi Okoye", "RBA", 2, {"nurse"})
    assert reader.local_id(claims) == "no1"


async def test_a_claim_path_through_something_else_is_refused() -> None:
    """Where an object is expected and a text stands, the token is not guessed at."""
    assert (await _refused(_reader("keycloak"), await _claims(realm_access="x"))).reason == "claims"


async def test_keycloak_has_realm_and_client_roles() -> None:
    """Both are read, the client's own only."""
    claims = await _claims(
        realm_access={"roles": ["offline_access", "nurse"]},
        resource_access={CLIENT_ID: {"roles": ["privacy-officer"]}, "other": {"roles": ["doctor"]}},
    )
    assert _reader("keycloak").principal(claims).roles == {"nurse", "privacy-officer"}


async def test_keycloak_with_a_client_id_with_dots() -> None:
    """A client id that is a host name is one name, not a path."""
    settings = ProviderSettings(issuer=ISSUER, client_id="gw.hospital.test", preset="keycloak")
    claims = await _claims(resource_access={"gw.hospital.test": {"roles": ["doctor"]}})
    assert ClaimReader(settings).principal(claims).roles == {"doctor"}


async def test_entra_has_app_roles_and_no_userinfo() -> None:
    """App roles are in the token; UserInfo is elsewhere and not asked."""
    reader = _reader("entra", roles={"Records.Doctor": "doctor"})
    assert reader.principal(await _claims(roles=["Records.Doctor"])).roles == {"doctor"}
    assert not reader.asks_userinfo


@pytest.mark.parametrize(
    "overage",
    [
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.test/x"}}},
        {"hasgroups": True},
        {"hasgroups": "true"},
    ],
)
async def test_entra_group_overage_is_refused_with_a_remedy(overage: dict[str, Any]) -> None:
    """When Entra leaves the groups out since there are too many, nothing is decided on what is left."""
    error = await _refused(_reader("entra"), await _claims(**overage))
    assert error.reason == "overage"
    assert "app roles" in error.remedy


async def test_imprivata_has_groups() -> None:
    """Groups are mapped as roles."""
    reader = _reader("imprivata", roles={"CN=Ward Nurses": "nurse"})
    assert reader.principal(await _claims(groups=["CN=Ward Nurses"])).roles == {"nurse"}


# CIS2


def _role(code: str = "S8000:G8000:R8001", roleid: str = "555254242102", **changes: Any) -> dict[str, Any]:
    return {
        "person_orgid": "555254239107", "person_roleid": roleid, "org_code": "RBA", "role_code": code,
        "role_name": '"Clinical":"Clinical Provision":"Nurse Access Role"', **changes,
    }  # fmt: skip


async def _cis2(roles: Any, userinfo: dict[str, Any] | None = None, **changes: Any) -> VerifiedClaims:
    given = {
        "sub": "555254240100", "name": None, "roles": None, "acr": "AAL3_ANY", "amr": ["N3_SMARTCARD"],
        "authentication_assurance_level": "3", "id_assurance_level": "3", "selected_roleid": "555254242102",
    }  # fmt: skip
    more = {
        "name": "OKOYE, Ngozi (Ms)",
        "nhsid_useruid": "555254240100",
        "nhsid_nrbac_roles": roles,
        **(userinfo or {}),
    }
    return await _claims(more, **{**given, **changes})


async def test_cis2_takes_the_selected_role() -> None:
    """The role chosen at sign-on is matched by its R code, kept whole, and says the organisation."""
    claims = await _cis2([_role("S8000:G8000:R8000", "1"), _role(org_code="RX1")])
    found = _reader("cis2").principal(claims)
    assert found == Principal(
        ISSUER, "555254240100", "OKOYE, Ngozi (Ms)", "S8000:G8000:R8001", frozenset({"nurse"}), "RX1", 3
    )
    assert _reader("cis2").local_id(claims) == "555254240100"


@pytest.mark.parametrize(("code", "ours"), [(f"S0010:G0020:{code}", ours) for code, ours in CIS2_ROLES.items()])
async def test_cis2_job_roles_that_are_known(code: str, ours: str) -> None:
    """The bundled job roles map to ours by their last part."""
    assert _reader("cis2").principal(await _cis2([_role(code)])).roles == {ours}


async def test_cis2_sites_map_their_own_codes() -> None:
    """A site maps an R code, or one whole triple only."""
    reader = _reader("cis2", roles={"R8010": "receptionist", "S8001:G8002:R8008": "receptionist"})
    for code in ("S8001:G8002:R8010", "R8010", "S8001:G8002:R8008"):
        assert reader.principal(await _cis2([_role(code)])).roles == {"receptionist"}
    assert (await _refused(reader, await _cis2([_role("S0001:G8002:R8008")]))).reason == "role"


@pytest.mark.parametrize(
    "code", ["S8000:G8000:R8015", "r8001", "S8000:G8000:R80011", "R8001:G8000:R8000", "", "XR8001"]
)
async def test_cis2_other_codes_give_no_role(code: str) -> None:
    """Unknown, misspelt or ambiguous codes are no role."""
    assert (await _refused(_reader("cis2"), await _cis2([_role(code)]))).reason == "role"


async def test_cis2_a_selected_role_must_be_held() -> None:
    """A selected role that is not among the clinician's is refused, also when another one is held."""
    for selected in ("999", 555254242102, None):
        claims = await _cis2([_role(), _role("S8000:G8000:R8000", "1")], selected_roleid=selected)
        assert (await _refused(_reader("cis2"), claims)).reason == "role"
    assert (await _refused(_reader("cis2"), await _cis2([]))).reason == "role"


async def test_cis2_the_only_role_needs_no_choice() -> None:
    """With one role and none selected (the scope was not asked), that one it is."""
    assert _reader("cis2").principal(await _cis2([_role()], selected_roleid=None)).roles == {"nurse"}


@pytest.mark.parametrize(("said", "level"), [("3", 3), (3, 3), ("2", 2), (2, 2), ("1", 1)])
async def test_cis2_says_levels_as_text_or_number(said: object, level: int) -> None:
    """Both spellings of a level are read, for authentication and for identity."""
    claims = await _cis2([_role()], authentication_assurance_level=said, id_assurance_level=3)
    assert _reader("cis2").principal(claims).assurance == level


@pytest.mark.parametrize("said", [True, "three", 3.5, [3], ""])
async def test_cis2_a_level_that_is_none_is_refused(said: object) -> None:
    """`true` is not level one, and a word is no level."""
    claims = await _cis2([_role()], authentication_assurance_level=said)
    assert (await _refused(_reader("cis2"), claims)).reason == "claims"


async def test_cis2_identity_must_be_proved_to_level_3() -> None:
    """Either spelling counts; both must hold where both are there; none is not enough."""
    reader = _reader("cis2")
    in_userinfo = await _cis2([_role()], {"idassurancelevel": "3"}, id_assurance_level=None)
    assert reader.principal(in_userinfo).assurance == 3
    for levels in ({"id_assurance_level": "2"}, {"id_assurance_level": None}, {"id_assurance_level": True}):
        assert (await _refused(reader, await _cis2([_role()], **levels))).reason == "assurance"
    both = await _cis2([_role()], {"idassurancelevel": "2"})
    assert (await _refused(reader, both)).reason == "assurance"


async def test_cis2_what_was_asked_is_measured_by_the_level() -> None:
    """AAL2_OR_AAL3_ANY takes both; AAL3_ANY takes three only, whatever `acr` repeats."""
    weak = await _cis2([_role()], authentication_assurance_level="2", acr="AAL3_ANY")
    assert _reader("cis2").principal(weak, asked=("AAL2_OR_AAL3_ANY",)).assurance == 2
    assert (await _refused(_reader("cis2"), weak, asked=("AAL3_ANY",))).reason == "assurance"
    assert (await _refused(_reader("cis2", minimum_assurance=3), weak)).reason == "assurance"


# Assurance


@pytest.mark.parametrize(
    ("acr", "level"),
    [
        ("0", 1), ("1", 1), ("3", 3), ("AAL3_ANY", 3), ("AAL2_OR_AAL3_ANY", 2), ("AAL1_USERPASS", 1),
        ("http://idmanagement.gov/ns/assurance/aal/2", 2), ("urn:hospital:loa:3", 3), ("urn:x:loa-2", 2),
        ("https://refeds.org/profile/mfa", 2), ("phrh", 3), ("", None), ("urn:acr:mfa", None), ("4", None),
        ("AAL33", None), ("royaal3", None), ("gold", None),
    ],
)  # fmt: skip
def test_levels_that_an_acr_names(acr: str, level: int | None) -> None:
    """A level is read where it is written, and never guessed."""
    assert acr_level(acr) == level


async def test_a_second_factor_is_level_two() -> None:
    """`mfa` in `amr` counts as two where `acr` says nothing."""
    assert _reader("generic", minimum_assurance=2).principal(await _claims(amr=["pwd", "mfa"])).assurance == 2


async def test_a_stronger_sign_on_than_asked_is_taken() -> None:
    """Where both names say their level, more than was asked suffices; less does not."""
    reader = _reader("generic")
    assert reader.principal(await _claims(acr="3"), asked=("2",)).assurance == 3
    assert (await _refused(reader, await _claims(acr="1"), asked=("2",))).reason == "assurance"
    assert (await _refused(reader, await _claims(acr=None), asked=("2",))).reason == "assurance"


def test_every_preset_asks_for_openid() -> None:
    """Without the scope `openid` there is no ID token."""
    assert all("openid" in table.scopes for table in PRESETS.values())
