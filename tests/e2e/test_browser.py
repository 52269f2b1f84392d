"""The main job in a real browser: log in, upload, watch, look at the result, change the account."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from models.phantom import draw_phantom
from models.phantom_volume import draw_volume, to_nifti

pytestmark = [pytest.mark.e2e, pytest.mark.system]

PATIENCE_S = 60
# Phantoms with lesions large enough for any network worth shipping.
SEEDS = (2, 10, 16)
OWN_PASSWORD = "quite another password"
# Colours that only the overlay has: orange within the tumor, blue at the liver's edge.
COUNT_COLOURED = """
const canvas = document.querySelector("[data-pane=" + arguments[0] + "] canvas");
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
let coloured = 0;
for (let i = 0; i < data.length; i += 4) if (Math.abs(data[i] - data[i + 2]) > 40) coloured += 1;
return coloured;
"""


@pytest.fixture
def scans(tmp_path: Path) -> list[Path]:
    """Three phantoms as PNG files."""
    paths = [tmp_path / f"phantom-{seed}.png" for seed in SEEDS]
    for seed, path in zip(SEEDS, paths, strict=True):
        cv2.imwrite(str(path), draw_phantom(seed).pixels)
    return paths


def until(browser: Chrome, condition: Callable[[Chrome], Any]) -> Any:
    """Wait until something is so, and return it."""
    return WebDriverWait(browser, PATIENCE_S, poll_frequency=0.1).until(condition)


def one(browser: Chrome, selector: str) -> Any:
    """Wait for an element and return it."""
    return until(browser, lambda b: next(iter(b.find_elements(By.CSS_SELECTOR, selector)), None))


def text_of(browser: Chrome, selector: str) -> str:
    """Return an element's text; empty if it is being replaced at this moment."""
    text = browser.execute_script("return document.querySelector(arguments[0])?.textContent.trim() ?? '';", selector)
    return str(text)


def log_in(browser: Chrome, url: str, name: str, password: str) -> None:
    """Log in and wait for the page after."""
    browser.get(f"{url}/login")
    one(browser, "#name").send_keys(name)
    one(browser, "#password").send_keys(password, Keys.ENTER)
    until(browser, lambda b: not b.current_url.endswith("/login"))


def complaints(browser: Chrome) -> list[str]:
    """Return what the browser's console complains of: faults in scripts, and what the security policy blocked."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_from_the_login_to_the_result(browser: Chrome, running_system: Any, scans: list[Path]) -> None:
    url = running_system.url
    browser.get(f"{url}/jobs")
    assert "/login?next=/jobs" in browser.current_url
    log_in(browser, url, running_system.admin_name, running_system.admin_password)

    browser.get(f"{url}/upload")
    one(browser, "#label").send_keys("case 7")
    one(browser, "#scan").send_keys("\n".join(str(path) for path in scans))
    until(browser, lambda b: text_of(b, "#said") == "3 in the queue")
    links = [a.get_attribute("href") for a in browser.find_elements(By.CSS_SELECTOR, "#files a")]
    assert len(links) == 3

    browser.find_element(By.LINK_TEXT, "See all jobs").click()
    until(browser, lambda b: len(b.find_elements(By.CSS_SELECTOR, "#jobs tr[data-status=succeeded]")) >= 3)
    assert "3 done" in text_of(browser, "#counts")
    assert "case 7" in text_of(browser, "#jobs")

    browser.get(links[0])
    assert until(browser, lambda b: text_of(b, "#finding-head")) == "Tumor found"
    one(browser, "#viewer[data-ready]")
    assert browser.execute_script(COUNT_COLOURED, "original") == 0
    assert browser.execute_script(COUNT_COLOURED, "overlay") > 100
    check_viewer(browser)
    assert complaints(browser) == []


def check_viewer(browser: Chrome) -> None:
    """Use the viewer's controls and look at what they do."""
    everything = browser.execute_script(COUNT_COLOURED, "overlay")
    for name in ("boxes", "liver", "tumor"):
        one(browser, f"[name={name}]").click()
    assert browser.execute_script(COUNT_COLOURED, "overlay") == 0
    one(browser, "[name=heat]").click()
    until(browser, lambda b: b.execute_script(COUNT_COLOURED, "overlay") > 0)
    assert "Probability of tumor" in text_of(browser, "[data-scale]")
    browser.find_element(By.CSS_SELECTOR, "[name=doubt]").send_keys(Keys.SPACE)
    until(browser, lambda b: b.execute_script(COUNT_COLOURED, "overlay") > 0)
    assert text_of(browser, "[data-scale]").startswith("suretornDoubt between background, liver and tumor")
    assert not browser.find_element(By.CSS_SELECTOR, "[name=heat]").is_selected()
    for name in ("doubt", "boxes", "liver", "tumor"):
        one(browser, f"[name={name}]").click()
    assert not browser.find_element(By.CSS_SELECTOR, "[data-scale]").is_displayed()
    assert browser.execute_script(COUNT_COLOURED, "overlay") == everything
    row = one(browser, "tr[data-lesion='1']")
    browser.execute_script("arguments[0].focus()", row)
    assert "lit" in row.get_attribute("class")
    one(browser, "[data-zoom=in]").click()
    assert browser.execute_script(COUNT_COLOURED, "overlay") > everything
    one(browser, "[data-zoom=fit]").click()


def test_an_open_job_page_turns_into_its_result(browser: Chrome, running_system: Any, scans: list[Path]) -> None:
    url = running_system.url
    log_in(browser, url, running_system.admin_name, running_system.admin_password)
    browser.get(f"{url}/upload")
    browser.execute_script("document.querySelector('#label').value = 'live'")
    one(browser, "#scan").send_keys(str(scans[1]))

    one(browser, "#files a").click()

    assert until(browser, lambda b: text_of(b, "#finding-head")) == "Tumor found"
    one(browser, "#viewer[data-ready]")
    assert text_of(browser, "h1").startswith("live")
    assert complaints(browser) == []


def test_a_volume_is_scrolled_by_slider_key_row_and_strip(browser: Chrome, running_system: Any, tmp_path: Path) -> None:
    path = tmp_path / "phantom.nii.gz"
    path.write_bytes(to_nifti(draw_volume(1, side=192, slice_count=24, radii_mm=(20.0, 12.0))))
    log_in(browser, running_system.url, running_system.admin_name, running_system.admin_password)
    browser.get(f"{running_system.url}/upload")
    one(browser, "#scan").send_keys(str(path))
    one(browser, "#files a").click()
    assert until(browser, lambda b: text_of(b, "#finding-head")) == "Tumor found"
    viewer = one(browser, "#viewer[data-ready]")
    shown = int(viewer.get_attribute("data-slice"))
    assert text_of(browser, "#slices output") == f"Slice {shown} of 24"
    assert browser.execute_script(COUNT_COLOURED, "overlay") > 100

    def see(number: int) -> None:
        until(browser, lambda _: viewer.get_attribute("data-slice") == str(number))
        assert text_of(browser, "#slices output") == f"Slice {number} of 24"

    canvas = one(browser, "[data-pane=overlay] canvas")
    canvas.send_keys(Keys.PAGE_UP)
    see(shown + 1)
    canvas.send_keys(Keys.HOME)
    see(1)
    assert browser.execute_script(COUNT_COLOURED, "overlay") == 0
    one(browser, "[name=slice]").send_keys(Keys.ARROW_RIGHT)
    see(2)
    row = one(browser, "tr[data-lesion='2']")
    row.send_keys(Keys.ENTER)
    see(int(row.find_element(By.CSS_SELECTOR, "[data-name=Slice]").get_attribute("data-value")))
    assert browser.execute_script(COUNT_COLOURED, "overlay") > 100
    strip = one(browser, "#slices svg")
    ActionChains(browser).move_to_element_with_offset(strip, round(-0.27 * strip.size["width"]), 0).click().perform()
    see(6)
    assert complaints(browser) == []


def test_what_is_no_scan_is_refused_beside_its_name(browser: Chrome, running_system: Any, tmp_path: Path) -> None:
    log_in(browser, running_system.url, running_system.admin_name, running_system.admin_password)
    no_scan = tmp_path / "<img src=x onerror=alert(1)>.png"
    no_scan.write_text("this is no picture")
    browser.get(f"{running_system.url}/upload")

    one(browser, "#scan").send_keys(str(no_scan))

    until(browser, lambda b: text_of(b, "#said") == "0 in the queue, 1 not taken")
    assert text_of(browser, "#files .name") == no_scan.name
    assert "The content counts" in text_of(browser, "#files .said")


def test_the_samples_are_followed_to_their_end(browser: Chrome, running_system: Any) -> None:
    log_in(browser, running_system.url, running_system.admin_name, running_system.admin_password)
    browser.get(f"{running_system.url}/upload")

    browser.find_element(By.XPATH, "//button[contains(., 'sample scans')]").click()

    until(browser, lambda b: len(b.find_elements(By.CSS_SELECTOR, "#jobs tr[data-status=succeeded]")) >= 6)
    assert complaints(browser) == []


def test_a_new_user_chooses_a_password_and_a_name(browser: Chrome, running_system: Any) -> None:
    url = running_system.url
    log_in(browser, url, running_system.admin_name, running_system.admin_password)
    browser.get(f"{url}/admin")
    one(browser, "#new-name").send_keys("carol", Keys.ENTER)
    password = one(browser, "#issued-password").text
    log_out(browser)

    log_in(browser, url, "carol", password)
    browser.get(f"{url}/jobs")
    assert browser.current_url == f"{url}/account"
    for name, text in (("old", password), ("new", OWN_PASSWORD), ("again", OWN_PASSWORD)):
        one(browser, f"#{name}").send_keys(text)
    browser.find_element(By.XPATH, "//button[text()='Change password']").click()
    until(browser, lambda b: "Your password is changed." in text_of(b, "main"))
    name = one(browser, "#name")
    name.clear()
    name.send_keys("caroline", Keys.ENTER)
    until(browser, lambda b: "Your user name is changed." in text_of(b, "main"))
    log_out(browser)

    log_in(browser, url, "Caroline", OWN_PASSWORD)
    assert text_of(browser, ".me a span") == "caroline"


def log_out(browser: Chrome) -> None:
    """Log out and wait for the page after."""
    browser.find_element(By.CSS_SELECTOR, "form[action='/logout'] button").click()
    until(browser, lambda b: "You are logged out." in text_of(b, "main"))


def test_every_page_fits_a_narrow_screen_and_can_be_used_by_keyboard(browser: Chrome, running_system: Any) -> None:
    log_in(browser, running_system.url, running_system.admin_name, running_system.admin_password)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    )

    for path in ("/", "/model", "/upload", "/jobs", "/account", "/admin"):
        browser.get(running_system.url + path)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360, path
        browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
        assert browser.switch_to.active_element.text == "Skip to the content", path
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        assert browser.switch_to.active_element.get_attribute("id") == "main", path
    assert complaints(browser) == []


# Follows an address that answers once and then never changes, and notes when it was asked and with which ETag.
FOLLOW = """
const done = arguments[arguments.length - 1];
const asked = [];
window.fetch = async (address, { headers }) => {
  asked.push({ at: performance.now(), etag: headers["If-None-Match"] ?? null });
  if (asked.length === 5) done(asked);
  if (asked.length === 4) return new Response("", { status: 503 });
  if (asked.length > 1) return new Response(null, { status: 304 });
  return new Response("{}", { status: 200, headers: { ETag: '"one"' } });
};
import("/static/js/follow.js").then(({ follow }) => follow(() => "/watched", () => true));
"""


def test_watching_slows_down_while_nothing_changes(browser: Chrome, running_system: Any) -> None:
    browser.get(f"{running_system.url}/model")
    browser.set_script_timeout(PATIENCE_S)

    asked = browser.execute_async_script(FOLLOW)

    assert [entry["etag"] for entry in asked] == [None, *['"one"'] * 4]
    pauses_ms = [later["at"] - earlier["at"] for earlier, later in pairwise(asked)]
    # 1 s after a change, then 1.5 times as long each time, twice as long after an error; each 25 % more or less.
    for pause_ms, expected_ms in zip(pauses_ms, (1000, 1500, 2250, 4500), strict=True):
        assert 0.7 * expected_ms <= pause_ms <= 1.25 * expected_ms + 500


def test_the_theme_is_chosen_and_kept(browser: Chrome, running_system: Any) -> None:
    browser.get(f"{running_system.url}/model")
    ground = "return getComputedStyle(document.body).backgroundColor"
    before = browser.execute_script(ground)

    one(browser, "[data-theme-toggle]").click()
    after = browser.execute_script(ground)
    browser.refresh()

    assert before != after == browser.execute_script(ground)
