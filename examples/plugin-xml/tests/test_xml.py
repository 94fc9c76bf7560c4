"""The plugin's tests, with the fixtures of `handler-dispatch[pytest]`."""

from xml.etree import ElementTree

import pytest


@pytest.fixture(autouse=True)
def plugin(use_plugin):
    use_plugin("acme_dispatch_xml")


def test_promises(check_convention):
    check_convention("xml", event="<a/>", answer=ElementTree.Element("b"), bad=["", "<a", b"\xff"])


@pytest.mark.also_real
def test_an_answer(invoke):
    result = invoke("app.greet", '<who name="Ada"/>', convention="xml", root="function")
    assert result.text == '<who name="Ada">Hello, Ada!</who>'
