"""The served OpenAPI document against the application: what it promises holds, and nothing it allows is a fault."""

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.mark.filterwarnings("ignore")
def test_no_request_that_the_document_allows_is_a_fault(app: Flask, headers: dict[str, str]) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    walked = 0

    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        )  # fmt: skip
        @given(operation.as_strategy())
        def run(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        run()
        walked += 1

    assert walked > 12
