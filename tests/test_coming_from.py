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
