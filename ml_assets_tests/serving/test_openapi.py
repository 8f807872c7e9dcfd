"""The server does what its OpenAPI document says, whatever is thrown at it."""

import contextlib

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from ml_assets.storage.api_keys import KeyStore
from ml_assets_tests.serving.entrance import Entrance

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    negative_data_rejection,
)
CASES = 150
PATHS = ("/predict", "/feedback", "/release", "/livez", "/readyz", "/metrics")


@pytest.fixture(scope="module")
def entrance(tmp_path_factory, release):
    made = Entrance(tmp_path_factory.mktemp("entrance"), release)
    yield made
    made.close()


@pytest.fixture(scope="module")
def secret(entrance):
    return KeyStore(entrance.keys.parent).create("all", ["predict", "feedback", "admin"])


@pytest.fixture(scope="module")
def document(entrance, secret):
    return entrance.ask("GET", "/openapi.json", key=secret).json()


def test_the_document_covers_every_route_its_statuses_and_the_keys(document):
    assert set(document["paths"]) == set(PATHS)
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    statuses = {
        path: set(operation["responses"])
        for path, methods in document["paths"].items()
        for operation in methods.values()
    }
    sent = {"400", "401", "403", "413", "415", "422", "429", "500", "503"}
    assert statuses["/predict"] == {*sent, "200", "409"}
    assert statuses["/feedback"] == {*sent, "202"}
    assert statuses["/readyz"] == {"200", "503"}
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                assert "x-request-id" in answer["headers"]


def test_the_examples_are_answered(entrance, secret, document):
    for path, status in (("/predict", 200), ("/feedback", 202)):
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        answer = entrance.ask("POST", path, json=content["example"], key=secret)
        assert answer.status_code == status


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_nothing_that_is_thrown_at_it_breaks_the_document(entrance, secret, path):
    key = {"x-api-key": secret}
    schema = schemathesis.openapi.from_asgi("/openapi.json", app=entrance.app, headers=key)
    (operation,) = schema[path].values()
    seen = []
    for mode in schemathesis.GenerationMode:

        @hypothesis.settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def throw(case):
            answer = case.call(headers=key)
            seen.append(answer.status_code)
            case.validate_response(answer, checks=list(CHECKS))

        # Where a request has no part, nothing can be wrong in it.
        with contextlib.suppress(hypothesis.errors.Unsatisfiable):
            throw()
    assert seen
    assert max(seen) < 500
