"""The made-up values and the pages they make, each made once."""

import pytest

from ml_assets.reports.content import ReportContent
from ml_assets.reports.demo_content import DemoContent
from ml_assets.reports.report import evaluation_report
from ml_assets.reports.timeline import demo_page
from ml_assets_tests.reports.demo_values import demo_content
from ml_assets_tests.reports.report_values import report_content


@pytest.fixture(scope="session")
def content() -> ReportContent:
    return report_content()


@pytest.fixture(scope="session")
def report(content) -> str:
    return evaluation_report(content)


@pytest.fixture(scope="session")
def demo() -> DemoContent:
    return demo_content()


@pytest.fixture(scope="session")
def demo_html(demo) -> str:
    return demo_page(demo)
