"""The report in a real browser: it filters, sorts, fits a phone and asks for nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.browser import (
    DESKTOP,
    PHONE,
    broken_images,
    complaints,
    least_contrast,
    open_page,
    overflow,
    resize,
    set_dark,
)
from tests.evaluation_cases import CASES
from tests.report_cases import written

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    names = {0: "<script>", 1: "a" * 90}
    return written(folder, names, compare=True, unreadable=1, seed=2, images=40, classes=5)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    return written(folder, warnings=["Some photos were trained on."], **CASES["80 classes"])


@contextmanager
def opened(path, **size) -> Iterator:
    """The page, with nothing to complain about when the test is through with it."""
    from selenium.webdriver.support.wait import WebDriverWait

    ready = "return document.readyState === 'complete' && !document.querySelector('#theme').hidden"
    with open_page(path, **size) as driver:
        WebDriverWait(driver, 30).until(lambda page: page.execute_script(ready))
        yield driver
        assert not complaints(driver)


@pytest.mark.parametrize("name", ["report", "large"])
def test_loads_whole_and_fits(request, name):
    with opened(request.getfixturevalue(name), **PHONE) as driver:
        assert not broken_images(driver)
        for size in ((320, 640), (390, 844), (820, 1180), (1440, 900)):
            resize(driver, *size)
            assert overflow(driver) == 0, size


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["report", "large"])
def test_text_has_contrast_in_both_themes(request, name, dark):
    with opened(request.getfixturevalue(name), **DESKTOP) as driver:
        set_dark(driver, dark)
        # The strongest tint that the confusion matrix can have, which no class here reaches.
        driver.execute_script(
            """document.querySelectorAll('.confusion td.right, .confusion td.wrong')
                .forEach(cell => cell.style.setProperty('--share', 1))"""
        )
        texts, contrast, words = least_contrast(driver)
        assert texts > 300
        assert contrast >= 4.5, words


def test_filters(report):
    with opened(report, **DESKTOP) as driver:
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
        # A kind in the table of errors leads to its pictures.
        kinds = driver.execute_script(
            """document.querySelector('#errors [data-show-kind="background"]').click();
            return [...document.querySelectorAll('.card:not([hidden])')]
                .map(c => c.dataset.kinds)"""
        )
        assert kinds
        assert all("background" in kind.split() for kind in kinds)


def test_tables_sort_by_keyboard(report):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    with opened(report, **DESKTOP) as driver:
        heading = driver.find_elements(By.CSS_SELECTOR, "#class-table thead th")[1]
        button = heading.find_element(By.TAG_NAME, "button")
        driver.execute_script("arguments[0].focus()", button)
        for key, order in ((Keys.ENTER, "descending"), (Keys.SPACE, "ascending")):
            driver.switch_to.active_element.send_keys(key)
            values = driver.execute_script(
                """return [...document.querySelectorAll('#class-table tbody tr')]
                    .map(r => Number(r.children[1].dataset.value))"""
            )
            assert heading.get_attribute("aria-sort") == order
            assert len(set(values)) > 2
            assert values == sorted(values, reverse=order == "descending")
        # What has no value comes last, whichever way.
        for _ in range(2):
            last = driver.execute_script(
                """const place = arguments[0];
                document.querySelectorAll('#class-table thead th')[place]
                    .querySelector('button').click();
                return document.querySelector('#class-table tbody tr:last-child')
                    .children[place].dataset.value""",
                2,
            )
            assert last == "NaN"


def test_theme_button_overrules_the_system(report):
    from selenium.webdriver.common.by import By

    background = "return getComputedStyle(document.documentElement).backgroundColor"
    with opened(report, **PHONE) as driver:
        button = driver.find_element(By.ID, "theme")
        light = driver.execute_script(background)
        assert button.text == "Dark"
        button.click()
        dark = driver.execute_script(background)
        assert dark != light
        assert button.text == "Light"
        set_dark(driver, True)
        assert driver.execute_script(background) == dark
        button.click()
        assert driver.execute_script(background) == light


def test_pictures_enlarge_and_boxes_go(report):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    with opened(report, **PHONE) as driver:
        cards = driver.find_elements(By.CSS_SELECTOR, ".card:not([hidden])")
        captions = [
            card.find_element(By.CSS_SELECTOR, ".what").get_attribute("textContent")
            for card in cards
        ]
        dialog = driver.find_element(By.TAG_NAME, "dialog")
        assert not dialog.is_displayed()
        driver.execute_script("arguments[0].focus()", cards[1].find_element(By.CLASS_NAME, "crop"))
        driver.switch_to.active_element.send_keys(Keys.ENTER)
        shown = lambda: dialog.find_element(By.CSS_SELECTOR, ".what").text  # noqa: E731
        assert dialog.is_displayed()
        assert shown() == captions[1]
        assert overflow(driver) == 0
        dialog.find_element(By.ID, "next").click()
        assert shown() == captions[2]
        driver.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
        assert shown() == captions[1]
        driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        assert not dialog.is_displayed()

        boxes = driver.find_element(By.CSS_SELECTOR, ".card .boxes")
        button = driver.find_element(By.ID, "gallery-boxes")
        for pressed in ("false", "true"):
            driver.execute_script("arguments[0].click()", button)
            assert button.get_attribute("aria-pressed") == pressed
            seen = driver.execute_script("return getComputedStyle(arguments[0]).visibility", boxes)
            assert (seen == "visible") == (pressed == "true")


def test_show_more_until_all_are_shown(large):
    count = "return document.querySelectorAll('.card:not([hidden])').length"
    click = "document.querySelector('.more').click();" + count
    with opened(large, **DESKTOP) as driver:
        every = driver.execute_script("return document.querySelectorAll('.card').length")
        seen = driver.execute_script(count)
        assert 0 < seen < every
        while seen < every:
            now = driver.execute_script(click)
            assert now > seen
            seen = now
        assert not driver.execute_script("return document.querySelector('.more').checkVisibility()")


def test_the_comparison_names_the_better_detector(report, large):
    with opened(report, **DESKTOP) as driver:
        answer, rows = driver.execute_script(
            """return [document.querySelector('#answer').innerText,
                [...document.querySelectorAll('#comparison tbody tr')].map(r => r.innerText)]"""
        )
        assert "Against worse.json, AP50 differs by +" in answer
        assert len(rows) == 2 + 5
        assert rows[0].startswith("AP50")
        assert "significantly better" in rows[0]
    assert 'id="comparison"' not in large.read_text()
