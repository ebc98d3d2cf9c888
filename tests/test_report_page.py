"""The report in a real browser: it filters, sorts, fits a phone and asks for nothing."""

import pytest
from browser import DESKTOP, PHONE, broken_images, complaints, open_page, overflow
from report_cases import written

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return written(folder, {0: "<script>", 1: "a" * 90}, seed=2, images=20, classes=5)


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_loads_whole_and_fits(report, size):
    with open_page(report, **size) as driver:
        assert not broken_images(driver)
        assert not complaints(driver)
        assert overflow(driver) == 0


def test_filters_and_sorting(report):
    with open_page(report, **DESKTOP) as driver:
        kinds = driver.execute_script(
            """document.querySelector('.chips [data-kind="missed"]').click();
            return [...document.querySelectorAll('.card:not([hidden])')]
                .map(c => c.dataset.kinds)"""
        )
        assert kinds
        assert all("missed" in kind.split() for kind in kinds)
        classes = driver.execute_script(
            """document.querySelector('.chips [data-kind=""]').click();
            const select = document.querySelector('#gallery-class'); select.value = '3';
            select.dispatchEvent(new Event('change'));
            return [...document.querySelectorAll('.card:not([hidden])')]
                .map(c => c.dataset.classes)"""
        )
        assert classes
        assert all("3" in ids.split() for ids in classes)
        for order in ("descending", "ascending"):
            state, values = driver.execute_script(
                """const th = document.querySelectorAll('#class-table thead th')[1];
                th.querySelector('button').click();
                return [th.getAttribute('aria-sort'), [...document.querySelectorAll(
                    '#class-table tbody tr')].map(r => Number(r.children[1].dataset.value))]"""
            )
            assert state == order
            assert values == sorted(values, reverse=order == "descending")
        assert not complaints(driver)
