"""The pages below docs/coming-from: each row of their tables has a test, and each claim of a test has its row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import pytest
from support.coming import FOLDER, OTHERS, claims, defined, pages, rows

#: Rows that a test elsewhere shows already, by page.
ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "aws": {
        "The convention": "test_hints.py::test_hint",
        "Handler strings": "test_contract_strings.py::test_forms",
        "`async def` and generators": "test_differential_differences.py::test_async_and_generators",
        "A handler that ends the process": "test_differential_differences.py::test_exit",
        "Local runs": "test_local_docs.py::test_the_commands_of_the_page",
        "Archives of your functions": "test_package_check.py::test_what_is_wrong",
        "Events and answers": "test_differential.py::test_managed",
        "Error reports": "test_peers.py::test_reports_equal_those_of_ric",
        "Errors at the start": "test_differential_start.py::test_init_error",
        "The log": "test_differential.py::test_log_settings",
        "SnapStart": "test_snapshot.py::test_failing_hook",
        "Libraries": "test_libraries.py::test_powertools",
        "AWS's emulator": "test_rie.py::test_many_events",
    },
    "sam": {
        "Environments": "test_local_environment.py::test_an_environment_is_used_again",
        "Changed code": "test_cli_serve.py::test_a_saved_change_is_served",
        "Logs in answers": "test_local_server.py::test_the_tail_of_the_log",
        "`Event` invocations": "test_local_server.py::test_a_queued_event_is_tried_again",
        "`DryRun`": "test_local_server.py::test_a_dry_run_runs_nothing",
        "Streamed answers": "test_local_server.py::test_a_stream_arrives_chunk_by_chunk",
        "Function URLs": "test_local_url.py::test_a_request_becomes_an_event",
        "`SQS` and `Schedule` events": "test_sources_config.py::test_a_template",
        "Layers": "test_local_templates.py::test_layers",
        "Parameters": "test_local_templates_served.py::test_parameters_on_the_command_line",
        "Sample events": "test_cli_invoke.py::test_each_sample_is_json",
        "Other languages": "test_cli_serve_settings.py::test_functions_of_a_template_that_cannot_be_served",
        "Debugging": "test_cli_serve.py::test_a_debugger_is_waited_for",
        "Build and deployment": "test_cli_publish.py::test_a_new_function",
        "The template": "test_local_templates.py::test_cases",
        "Routes": "test_local_templates.py::test_routes_of_openapi",
        "Timeout and memory": "test_local_environment.py::test_a_timeout_kills_and_says_so",
    },
    "functions-framework": {
        "Naming the function": "test_port_functions_framework.py::test_handler_strings",
        "The server": "test_port_functions_framework.py::test_under_an_asgi_server",
        "Changed code": "test_cli_serve.py::test_a_saved_change_is_served",
        "Several requests at once": "test_engines_life.py::test_one_at_a_time",
        "Queues": "test_port_functions_framework.py::test_sqs_as_pubsub",
        "Storage": "test_port_functions_framework.py::test_s3_as_cloud_storage",
        "`async def` without `aio`": "test_port_functions_framework.py::test_async",
        "Failures of events": "test_port_functions_framework.py::test_failures_of_a_cloudevent_function",
        "A missing package": "test_port_functions_framework.py::test_without_the_package",
        "Deployment": "test_cli_publish.py::test_a_function_for_another_platform",
        "Requests and answers": "test_port_functions_framework.py::test_proof",
        "Variables": "test_port_functions_framework.py::test_variables",
        "Failures of requests": "test_port_functions_framework.py::test_failures",
        "Error handlers": "test_port_functions_framework.py::test_own_error_handler",
        "CloudEvents": "test_port_functions_framework.py::test_events_of_a_cloudevent_function",
        "Background functions": "test_port_functions_framework.py::test_events_of_a_background_function",
        "Execution ids in the log": "test_port_functions_framework.py::test_logs",
    },
    "mangum": {
        '`lifespan="off"`': "test_asgi.py::test_applications_without_a_lifespan",
        "Streamed answers": "test_asgi.py::test_parts_are_sent_at_once",
        "Background tasks": "test_asgi.py::test_background_work",
        "`custom_handlers`": "test_engines_life.py::test_a_plugin_s_convention",
        "`api_gateway_base_path`": "test_http_peers.py::test_row_base_path",
        "`text_mime_types`": "test_http_peers.py::test_row_not_utf_8",
        "WSGI applications": "test_wsgi.py::test_every_kind_of_event",
        "Sources of requests": "test_http_peers.py::test_scope_is_mangum_s",
        "Ordinary answers": "test_http_peers.py::test_answers_are_theirs",
        "mangum itself": "test_libraries.py::test_web_applications",
    },
    "lambda-web-adapter": {
        "Languages": "test_asgi.py::test_what_is_no_application",
        "Readiness": "test_asgi.py::test_a_failed_startup_is_an_init_error",
        "Slow starts": "test_local_environment.py::test_slow_loading_is_tried_again_on_the_events_time",
        "Streaming": "test_asgi.py::test_parts_are_sent_at_once",
        "Path of other events": "test_asgi.py::test_other_events_elsewhere",
        "Failures of other events": "test_asgi.py::test_a_failed_event_is_a_function_error",
        "Event and context": "test_asgi.py::test_scope",
        "Base path": "test_asgi.py::test_scope",
        "Several requests at once": "test_asgi.py::test_requests_share_the_loop",
        "Wrapper": "test_package_proof.py::test_a_layer_on_a_managed_runtime",
        "Layer": "test_package_proof.py::test_layers",
        "Sources of requests": "test_asgi.py::test_every_kind_of_event",
        "Other events": "test_asgi.py::test_other_events_are_posted",
        "Binary responses": "test_http_peers.py::test_row_rest_binary",
        "Outside of Lambda": "test_web_servers.py::test_frameworks",
    },
    "chalice": {
        "Authorizers": "test_local_templates.py::test_routes_of_events",
        "WebSockets": "test_cli_invoke.py::test_each_sample_is_json",
    },
    "serverless-offline": {
        "An exception": "test_local_templates_served.py::test_a_function_that_fails_for_a_route",
        "The Python process": "test_cli_pythons.py::test_the_python_of_the_project",
        "Changed code": "test_cli_serve.py::test_a_saved_change_is_served",
        "Function URLs and streaming": "test_local_url.py::test_a_streamed_response_arrives_as_it_is_made",
        "Queues": "test_sources_sqs.py::test_a_queue_by_name_url_and_arn",
        "WebSockets": "test_cli_invoke.py::test_each_sample_is_json",
        "Layers": "test_local_templates.py::test_layers",
        "Other languages": "test_local_server.py::test_any_runtime_can_be_served",
        "Proxy events": "test_local_templates_served.py::test_routes_of_a_rest_api",
        "Clients": "test_local_server.py::test_the_aws_command_line",
    },
    "localstack": {
        "Containers": "test_local_environment.py::test_an_environment_is_used_again",
        "Changed code": "test_cli_serve.py::test_a_saved_change_is_served",
        "Layers": "test_local_templates.py::test_layers",
        "Event source mappings": "test_lambda_service.py::test_mappings_that_cannot_be_made",
        "Streamed answers": "test_local_url.py::test_a_streamed_response_arrives_as_it_is_made",
        "Debugging": "test_cli_serve.py::test_a_debugger_is_waited_for",
        "Other languages": "test_cli_serve_settings.py::test_functions_of_a_template_that_cannot_be_served",
        "Clients": "test_local_server.py::test_the_aws_command_line",
        "The function": "test_local_environment.py::test_the_reserved_variables_are_set",
        "Asynchronous events": "test_local_queue.py::test_the_waits_are_lambdas",
        "Reading": "test_local_server.py::test_functions_can_be_read",
    },
}


@pytest.mark.parametrize("page", pages())
def test_each_row_has_its_test(page: str) -> None:
    """The rows of the page are what the tests claim, here and elsewhere, without a row that is there twice."""
    claimed = {row for of, row in claims() if of == page} | set(ELSEWHERE.get(page, {}))
    assert (claimed, []) == (set(rows(page)), [row for row, count in Counter(rows(page)).items() if count > 1])


def test_each_claim_has_its_page() -> None:
    """No test claims a row of a page that does not exist."""
    assert set(pages()) >= {page for page, _ in claims()} | set(ELSEWHERE)


@pytest.mark.parametrize("page", sorted(ELSEWHERE))
def test_the_tests_elsewhere_exist(page: str) -> None:
    """A test that was renamed or removed is found missing; none of these rows is claimed twice."""
    assert [] == [test for test in ELSEWHERE[page].values() if not defined(test)]
    assert set() == set(ELSEWHERE[page]) & {row for of, row in claims() if of == page}


def test_the_list_of_pages() -> None:
    """Each page is a row of the list."""
    linked = re.findall(r"^\|.*\]\((\S+)\.md\)", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(linked) == sorted({path.stem for path in FOLDER.glob("*.md")} - {OTHERS[0]})
