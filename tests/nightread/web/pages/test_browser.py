"""What a reader sees and does, in a real browser over a small night of phantoms."""

import gzip
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from db.history import history
from mammo import phantoms, voi
from mammo.decode import decode
from mammo.geometry import Geometry
from mammo.preview import preview
from nightread.previews.parts import OVERVIEW, opened, parts
from nightread.web.principal import Role
from tests.nightread.web.pages.conftest import Screened, Visit
from tests.nightread.web.pages.night import LESIONS, uid_of

pytestmark = pytest.mark.timeout(170, func_only=True)  # the stack has its own bounds
Visiting = Callable[..., Visit]
READY = ".hanging[data-state=ready]"
NOTICE = "Research use only, not a medical device"

GREY = """
async (abouts) => {
  const { levels, windowOf } = await import("/static/grey.js");
  return abouts.map((about) => Array.from(levels(about, windowOf(about), windowOf(about))));
}
"""
HUNG = """
async ([about, box]) => {
  const { View } = await import("/static/view.js");
  return View.prototype.hung.call({ about }, box);
}
"""
SAMPLES = """
async (address) => {
  const { overview } = await import("/static/samples.js");
  const { about, plane } = await overview(address);
  let sum = 0;
  for (const sample of plane.samples) sum += sample;
  return [about.factor, plane.rows, plane.columns, sum];
}
"""


def study_page(screened: Screened, study: str, query: str = "") -> str:
    return f"{screened.address}/studies/{uid_of(study)}{query}"


def test_a_reader_looks_asks_what_was_found_and_decides(
    screened: Screened, visit: Visiting
) -> None:
    page, complaints = visit("anna", Role.READER)
    page.goto(study_page(screened, "prior"))
    page.wait_for_selector(READY)
    panes = page.locator(".view")
    assert panes.evaluate_all("all => all.map((one) => one.innerText.trim())") == [
        "R CC", "L CC", "R MLO", "L MLO",
    ]  # fmt: skip
    left_of = [panes.nth(n).bounding_box() for n in range(4)]
    assert left_of[0]["x"] < left_of[1]["x"]
    assert left_of[0]["y"] < left_of[2]["y"]
    assert page.locator("#findings .scores").count() == 0  # nobody is told before having looked
    assert page.locator("[name=score_seen]").input_value() == "false"
    page.keyboard.press("f")
    page.wait_for_selector("#findings .scores")
    assert page.locator("[name=score_seen]").input_value() == "true"
    page.check("[name=right][value=routine]")
    page.check("[name=left][value=recall]")
    page.fill("#comment", "as discussed")
    page.click("button[value=stay]")
    page.wait_for_selector(READY)
    assert "This case is read" in page.locator(".side").inner_text()
    with Session(screened.owner) as session:
        told = history(session, uid_of("prior"))
    assert told is not None
    assert [(d.reader, d.left, d.right, d.score_seen, d.comment) for d in told.decided] == [
        ("anna", "recall", "routine", True, "as discussed")
    ]
    assert complaints == []


def test_the_keyboard_does_what_the_mouse_does(screened: Screened, visit: Visiting) -> None:
    page, complaints = visit("berta", Role.READER)
    page.goto(study_page(screened, "urgent", "?show=findings"))
    page.wait_for_selector(READY)
    boxes = page.locator(".box rect")
    found = len(LESIONS)
    expect(boxes).to_have_count(found)
    page.keyboard.press("f")
    expect(boxes).to_have_count(0)
    page.keyboard.press("n")
    page.wait_for_selector(".box.chosen rect")
    assert page.locator(".found [aria-current=true]").count() == 1
    pane = page.locator(".view", has=page.locator(".box.chosen")).bounding_box()
    chosen = page.locator(".box.chosen rect").bounding_box()
    assert abs(chosen["x"] + chosen["width"] / 2 - pane["x"] - pane["width"] / 2) < 3
    assert boxes.count() == found
    width = page.locator("#window-width")
    before = float(width.input_value())
    page.keyboard.press("w")
    assert float(width.input_value()) == pytest.approx(0.9 * before, abs=1)
    page.keyboard.press("i")
    assert page.locator("#invert").get_attribute("aria-pressed") == "true"
    page.keyboard.press("1")
    assert page.locator(".view:visible").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(".view:visible").count() == 4
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.uncheck("[name=single-keys]")
    page.keyboard.press("Escape")
    page.keyboard.press("i")  # single keys are off
    assert page.locator("#invert").get_attribute("aria-pressed") == "true"
    page.keyboard.press("F1")  # but for the way to switch them on
    page.check("[name=single-keys]")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    assert float(width.input_value()) == before
    assert complaints == []


def test_a_window_turns_values_into_the_grey_that_dicom_says(
    screened: Screened, visit: Visiting
) -> None:
    """Expected: `mammo.voi`, which is held against pydicom; a machine for each kind of rendering."""
    page, _ = visit("carla", Role.READER)
    page.goto(screened.address)
    cases, kinds = {}, set()
    for plan in phantoms.plan(12, 40_714):
        image = next(iter(phantoms.render(plan, phantoms.Resolution.WORKING)))
        decoded = decode(phantoms.encode(image))
        made = preview(decoded, image.laterality)
        about, _ = opened(next(part.body for part in parts(made) if part.name == OVERVIEW))
        rendering = voi.render(decoded.header, decoded.pixels)
        cases[str(decoded.header.ManufacturerModelName)] = (about.model_dump(), rendering)
        kinds.add(about.window.function if about.window else "LUT")
        if len(kinds) == 3:
            break
    assert kinds == {"LINEAR", "SIGMOID", "LUT"}
    greys = page.evaluate(GREY, [about for about, _ in cases.values()])
    for grey, (_, rendering) in zip(greys, cases.values(), strict=True):
        table = voi.in_gray(rendering).table
        is_image = ~rendering.padded & (rendering.stored - rendering.stored[0] < 65_534)
        stored = rendering.stored[is_image]
        mine = np.array(grey)[stored - rendering.stored[0] + 1]
        assert np.abs(mine - table[stored & 0xFFFF].astype(int)).max() <= 1
        assert grey[0] == 0


def test_a_box_lies_where_it_was_found_however_the_image_hangs(
    screened: Screened, visit: Visiting
) -> None:
    page, _ = visit("dora", Role.READER)
    page.goto(screened.address)
    box = [100.0, 40.0, 180.0, 90.0]
    for turn in range(4):
        for mirror in (False, True):
            rows, columns = 1600, 1200
            width = columns if turn % 2 == 0 else rows
            about = {"native_shape": [rows, columns], "quarter_turns": turn, "mirrored": mirror}
            hangs = Geometry(0, 0, width, 1.0, mirror, turn, (rows, columns))
            assert (
                page.evaluate(HUNG, [about, box]) == hangs.to_prepared(np.array([box]))[0].tolist()
            )


def test_what_comes_to_the_browser_is_what_was_kept(screened: Screened, visit: Visiting) -> None:
    page, _ = visit("emma", Role.READER)
    page.goto(study_page(screened, "urgent"))
    page.wait_for_selector(READY)
    address = page.locator(".view").first.get_attribute("data-address")
    answer = page.context.request.get(f"{screened.address}{address}/overview")
    assert answer.headers["cache-control"] == "no-store"
    about, samples = opened(gzip.compress(answer.body()))
    assert page.evaluate(SAMPLES, f"{address}/overview") == [
        about.factor, *samples.shape, int(samples.sum(dtype=np.int64)),
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_page_has_a_fault_that_axe_knows(
    screened: Screened, visit: Visiting, axe: str, scheme: str
) -> None:
    page, complaints = visit(
        "frida", Role.SUPERVISOR, Role.IDENTITY, color_scheme=scheme, bypass_csp=True
    )
    faults = {}
    for name, address in (
        ("list", f"{screened.address}/?status=all"),
        ("study", study_page(screened, "urgent", "?show=findings")),
        ("unseen", study_page(screened, "mixed")),
        ("overview", f"{screened.address}/overview"),
        ("missing", f"{screened.address}/nowhere"),
    ):
        page.goto(address)
        if "/studies/" in address:
            page.wait_for_selector(READY)
        assert NOTICE in page.inner_text("footer")
        page.evaluate(axe)
        found = page.evaluate("axe.run()")["violations"]
        faults[name] = [(f["id"], [node["html"][:120] for node in f["nodes"]]) for f in found]
        if page.locator("[data-help]").count():
            page.locator("[data-help]").first.click()
            found = page.evaluate("axe.run('dialog[open]')")["violations"]
            faults[f"{name}'s help"] = [f["id"] for f in found]
    assert {name: found for name, found in faults.items() if found} == {}
    assert [one for one in complaints if "404" not in one] == []


def test_a_missing_view_is_said_and_the_others_keep_their_places(
    screened: Screened, visit: Visiting
) -> None:
    page, _ = visit("gerda", Role.READER)
    page.goto(study_page(screened, "incomplete"))
    page.wait_for_selector(READY)
    assert "There is no L MLO" in page.locator(".view.none").inner_text()
    assert page.locator(".view").count() == 4


@pytest.mark.slow
def test_a_study_page_can_be_used_within_half_a_second(screened: Screened, visit: Visiting) -> None:
    """From the address to four views with their greys: the best of five, previews kept."""
    page, _ = visit("hanna", Role.READER)
    times = []
    for _ in range(6):
        page.goto(study_page(screened, "urgent"))
        page.wait_for_selector(READY)
        times.append(page.evaluate("performance.getEntriesByName('views-shown')[0].startTime"))
    assert min(times[1:]) < 500
