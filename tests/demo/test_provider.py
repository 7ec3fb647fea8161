"""The demo's OpenID provider asks who is there, and otherwise is as strict as a real one."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from lxml import html

from demo.hospital import servers
from demo.people import USERS
from demo.ports import free_port
from demo.provider import Provider

CALLBACK = "http://records.localhost:1/sign-on/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "client_id": "lanyard",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid profile",
    "state": "the state",
    "nonce": "the nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
SECRET = "a secret of the client"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    signed_off = "http://records.localhost:1/signed-off"
    provider = Provider(issuer, "lanyard", SECRET, CALLBACK, signed_off, f"http://127.0.0.1:{free_port()}/none")
    with servers({port: provider.app()}):
        yield issuer


@pytest.fixture
def browser(issuer: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=issuer, trust_env=False) as client:
        yield client


def asking(browser: httpx2.Client, **changes: str | None) -> httpx2.Response:
    asked = {name: value for name, value in (ASKED | changes).items() if value is not None}
    return browser.get("/authorize", params=asked)


def picked(browser: httpx2.Client, login: str = "nurse", **changes: str | None) -> dict[str, str]:
    """Sign on as somebody; what the provider answered to the client."""
    form = html.document_fromstring(asking(browser, **changes).content).forms[0]
    return answered(browser.post("/pick", data={**dict(form.form_values()), "login": login}))


def answered(response: httpx2.Response) -> dict[str, str]:
    assert response.status_code == 303, response.text
    address = response.headers["location"]
    assert address.startswith(f"{CALLBACK}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def tokens(issuer: str, code: str, **changes: str) -> httpx2.Response:
    given = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return httpx2.post(f"{issuer}/token", data=given | changes, auth=("lanyard", SECRET), trust_env=False)


def claims(issuer: str, answer: httpx2.Response) -> dict[str, Any]:
    keys = KeySet.import_key_set(httpx2.get(f"{issuer}/jwks", trust_env=False).json())
    return dict(jwt.decode(answer.json()["id_token"], keys, algorithms=["RS256"]).claims)


def test_the_page_offers_every_member_of_staff(browser: httpx2.Client) -> None:
    """One button for each person, and no password is asked for."""
    page = html.document_fromstring(asking(browser).content)
    assert page.xpath("//button/@value") == [user.login for user in USERS]
    assert page.xpath("//input[@type='password']") == []


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.login)
def test_whoever_is_picked_is_signed_on(issuer: str, browser: httpx2.Client, user: Any) -> None:
    """State and issuer come back, and the ID token names the person, their role and the nonce."""
    answer = picked(browser, user.login)
    assert (answer["state"], answer["iss"]) == ("the state", issuer)
    said = claims(issuer, tokens(issuer, answer["code"]))
    assert (said["sub"], said["groups"], said["nonce"]) == (user.login, [user.group], "the nonce")
    assert (said["iss"], said["aud"]) == (issuer, "lanyard")
    assert said["exp"] > said["iat"] >= said["auth_time"]


@pytest.mark.parametrize("changed", ["client_id", "redirect_uri"])
def test_a_wrong_client_or_address_is_never_redirected_to(browser: httpx2.Client, changed: str) -> None:
    """What is not registered gets an error page, not an answer."""
    response = asking(browser, **{changed: "https://elsewhere.example/"})
    assert response.status_code == 400
    assert "location" not in response.headers


def test_a_person_or_address_that_was_put_into_the_form_is_refused(browser: httpx2.Client) -> None:
    """The form's own fields are judged again when it comes back."""
    fields = dict(html.document_fromstring(asking(browser).content).forms[0].form_values())
    forged = fields["query"].replace("records.localhost", "elsewhere.localhost")
    unproved = fields["query"].replace("code_challenge=", "was=")
    for query in (forged, unproved):
        assert query != fields["query"]
        assert browser.post("/pick", data={**fields, "login": "nurse", "query": query}).status_code == 400
    assert browser.post("/pick", data={**fields, "login": "nobody"}).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"response_type": "token"},
    ],
)
def test_a_sign_on_without_pkce_is_refused(browser: httpx2.Client, changes: dict[str, str | None]) -> None:
    """Only the code flow with S256 is answered; the error carries the state back."""
    answer = answered(asking(browser, **changes))
    assert answer["error"] == "invalid_request"
    assert answer["state"] == "the state"
    assert "code" not in answer


@pytest.mark.parametrize(
    "changes", [{"code_verifier": "w" * 43}, {"code_verifier": ""}, {"redirect_uri": f"{CALLBACK}/other"}]
)
def test_a_code_is_worth_nothing_to_whoever_stole_it(
    issuer: str, browser: httpx2.Client, changes: dict[str, str]
) -> None:
    """Without the verifier, or for another address, no token; and the code is spent."""
    code = picked(browser)["code"]
    assert tokens(issuer, code, **changes).json() == {"error": "invalid_grant"}
    assert tokens(issuer, code).status_code == 400


def test_a_code_is_used_once(issuer: str, browser: httpx2.Client) -> None:
    """The second use is refused."""
    code = picked(browser)["code"]
    assert tokens(issuer, code).status_code == 200
    assert tokens(issuer, code).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize("header", ["", "Basic !", "Bearer x", "Basic bGFueWFyZDp3cm9uZw=="])
def test_the_token_endpoint_knows_its_client(issuer: str, browser: httpx2.Client, header: str) -> None:
    """No secret, or a wrong one: 401 before the code is looked at, so the right client can still use it."""
    code = picked(browser)["code"]
    given = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    refused = httpx2.post(f"{issuer}/token", data=given, headers={"authorization": header}, trust_env=False)
    assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})
    assert tokens(issuer, code).status_code == 200


def test_whoever_is_signed_on_is_not_asked_again(browser: httpx2.Client) -> None:
    """A second sign-on of the same browser is silent; `prompt=login` asks all the same."""
    picked(browser)
    assert "code" in answered(asking(browser))
    assert "code" in answered(asking(browser, prompt="none"))
    assert asking(browser, prompt="login").status_code == 200


def test_a_silent_check_of_a_stranger_shows_no_page(browser: httpx2.Client) -> None:
    """`prompt=none` without a sign-on is answered `login_required`."""
    assert answered(asking(browser, prompt="none"))["error"] == "login_required"


def test_a_stronger_proof_is_asked_for_and_given(issuer: str, browser: httpx2.Client) -> None:
    """`acr_values` above what was proved asks again, and the token says the new level."""
    picked(browser)
    answer = picked(browser, acr_values="aal3")
    assert claims(issuer, tokens(issuer, answer["code"]))["acr"] == "aal3"


def test_a_refresh_token_is_replaced_when_it_is_used(issuer: str, browser: httpx2.Client) -> None:
    """Each is used once; the access token tells who it is, and a made-up one nothing."""
    first = tokens(issuer, picked(browser)["code"]).json()
    again = tokens(issuer, "", grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert again.status_code == 200
    assert "nonce" not in claims(issuer, again)
    spent = tokens(issuer, "", grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert spent.json() == {"error": "invalid_grant"}
    for token, status in ((again.json()["access_token"], 200), ("made up", 401)):
        told = httpx2.get(f"{issuer}/userinfo", headers={"authorization": f"Bearer {token}"}, trust_env=False)
        assert told.status_code == status
        assert told.json().get("sub") == ("nurse" if status == 200 else None)


def test_sign_off_forgets_the_browser_and_leads_only_home(browser: httpx2.Client) -> None:
    """After it the page is shown again, and no other address is led to."""
    picked(browser)
    gone = browser.get("/end-session", params={"post_logout_redirect_uri": "https://elsewhere.example/", "state": "s"})
    assert gone.headers["location"].startswith("http://records.localhost:1/signed-off")
    assert asking(browser).status_code == 200
