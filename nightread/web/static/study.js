// The study page: four views that share a window, findings, keyboard.

import { help, listen } from "./keys.js";
import { View } from "./view.js";

const STEP = 40; // CSS pixels that an arrow key moves
const hanging = document.querySelector(".hanging");
const views = [...hanging.querySelectorAll(".view[data-address]")].map((pane) => new View(pane));
const four = [...hanging.querySelectorAll(".view:not(.extra)")].map((pane) =>
  views.find((view) => view.pane === pane),
);
const level = document.querySelector("#window-center");
const width = document.querySelector("#window-width");
const aside = document.querySelector("#findings");
let active = views[0];
let findings = [];
let boxesShown = true;
let chosen = -1;

// Findings and their boxes.

function readFindings() {
  findings = [...aside.querySelectorAll("[data-box]")].map((row, index) => ({
    row,
    sop: row.dataset.sop,
    box: row.dataset.box.split(" ").map(Number),
    kind: row.dataset.kind,
    label: row.dataset.label,
    index,
  }));
  for (const finding of findings) {
    finding.row.addEventListener("click", () => choose(finding.index));
  }
  const toggle = document.querySelector("#boxes");
  toggle.disabled = findings.length === 0;
  placeBoxes();
}

function placeBoxes() {
  for (const view of views) {
    view.boxes = findings
      .filter((finding) => boxesShown && finding.sop === view.pane.dataset.sop)
      .map((finding) => ({ ...finding, chosen: finding.index === chosen }));
    view.draw();
  }
  document.querySelector("#boxes").setAttribute("aria-pressed", String(boxesShown && findings.length > 0));
}

function toggleBoxes() {
  if (!findings.length && aside.querySelector("#reveal")) return void reveal();
  boxesShown = !boxesShown;
  placeBoxes();
}

function choose(index) {
  if (!findings.length) return;
  chosen = (index + findings.length) % findings.length;
  const finding = findings[chosen];
  boxesShown = true;
  for (const one of findings) one.row.setAttribute("aria-current", String(one.index === chosen));
  const view = views.find((one) => one.pane.dataset.sop === finding.sop);
  placeBoxes();
  if (view?.ready) {
    activate(view);
    view.goTo(finding.box);
  }
}

/** What the release said, asked for by the reader: from here on the decision is biased by it. */
async function reveal() {
  const link = aside.querySelector("#reveal");
  const answer = await fetch(link.dataset.fragment, { credentials: "same-origin" });
  if (!answer.ok) return void location.assign(link.href);
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  aside.replaceChildren(...made.body.children);
  for (const field of document.querySelectorAll("[name=score_seen]")) field.value = "true";
  aside.focus();
  readFindings();
}

// One view, or four.

function activate(view) {
  active = view;
  for (const one of views) one.pane.classList.toggle("active", one === view);
  showWindow();
}

async function enlarge(view) {
  if (view && !view.about) await view.load(); // one that is not among the four
  const alone = hanging.classList.toggle("alone", view !== null);
  for (const one of views) one.pane.classList.toggle("large", one === view);
  if (alone) activate(view);
  refit();
}

function toggleLarge(view) {
  enlarge(view.pane.classList.contains("large") ? null : view);
}

/** Both sides of a projection at one scale: they are compared with one another. */
function refit() {
  const ready = views.filter((view) => view.ready && view.size().width);
  for (const view of ready) {
    const beside = ready.filter((one) => one.projection === view.projection);
    view.fit(Math.min(...beside.map((one) => one.fitting())));
    view.draw();
  }
}

// Window and level: of all views with the same way to be shown, together.

function setWindow(change) {
  if (!active.ready) return;
  const { own } = active;
  for (const view of views) {
    if (!view.ready || view.own.center !== own.center || view.own.width !== own.width) continue;
    view.window = { ...view.window, ...change };
    view.window.width = Math.max(1, view.window.width);
    view.recolour();
  }
  showWindow();
}

function showWindow() {
  if (!active?.ready) return;
  level.value = Math.round(active.window.center);
  width.value = Math.round(active.window.width);
  document.querySelector("#invert").setAttribute("aria-pressed", String(active.window.inverted));
}

const brighter = (share) => {
  const by = share * active.own.width;
  setWindow({ center: active.window.center + (active.about?.inverted ? by : -by) });
};
const wider = (factor) => setWindow({ width: active.window.width * factor });
const invert = () => setWindow({ inverted: !active.window.inverted });
const reset = () => {
  for (const view of views) {
    if (!view.ready) continue;
    view.window = { ...view.own };
    view.recolour();
  }
  showWindow();
  refit();
};
const trueSize = () => active.ready && active.zoom(1 / ((window.devicePixelRatio || 1) * active.scale));

// Mouse.

for (const view of views) {
  const { pane } = view;
  pane.addEventListener("focusin", () => activate(view));
  pane.addEventListener("dblclick", () => toggleLarge(view));
  pane.addEventListener("contextmenu", (event) => event.preventDefault());
  pane.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { left, top } = pane.getBoundingClientRect();
      if (view.ready) view.zoom(Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top);
    },
    { passive: false },
  );
  pane.addEventListener("pointerdown", (event) => {
    if (!view.ready || event.button === 1) return;
    activate(view);
    pane.setPointerCapture(event.pointerId);
    const windowing = event.button === 2 || event.shiftKey;
    pane.dataset.drag = windowing ? "window" : "move";
  });
  pane.addEventListener("pointermove", (event) => {
    if (!pane.dataset.drag) return;
    if (pane.dataset.drag === "move") return view.move(event.movementX, event.movementY);
    const step = view.own.width / 500;
    const down = view.about.inverted ? -1 : 1;
    setWindow({
      center: view.window.center + down * event.movementY * step,
      width: view.window.width + event.movementX * step * 2,
    });
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pane.addEventListener(end, () => delete pane.dataset.drag);
  }
}

// Tools and keys.

const on = (selector, act) => document.querySelector(selector)?.addEventListener("click", act);
on("#boxes", toggleBoxes);
on("#invert", invert);
on("#reset", reset);
on("#true-size", trueSize);
for (const button of document.querySelectorAll("[data-enlarge]")) {
  button.addEventListener("click", () => {
    toggleLarge(views.find((view) => view.pane.dataset.sop === button.dataset.enlarge));
  });
}
level.addEventListener("change", () => setWindow({ center: level.valueAsNumber || 0 }));
width.addEventListener("change", () => setWindow({ width: width.valueAsNumber || 1 }));
aside.addEventListener("click", (event) => {
  if (event.target.closest("#reveal")) {
    event.preventDefault();
    reveal();
  }
});

const form = document.querySelector("#decision");
form?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
const openHelp = help();
listen({
  "?": openHelp,
  F1: openHelp,
  f: toggleBoxes,
  n: () => choose(chosen + 1),
  N: () => choose(chosen - 1),
  i: invert,
  r: reset,
  0: () => enlarge(null),
  Escape: () => enlarge(null),
  1: () => four[0] && toggleLarge(four[0]),
  2: () => four[1] && toggleLarge(four[1]),
  3: () => four[2] && toggleLarge(four[2]),
  4: () => four[3] && toggleLarge(four[3]),
  "+": () => active.ready && active.zoom(1.25),
  "=": () => active.ready && active.zoom(1.25),
  "-": () => active.ready && active.zoom(0.8),
  t: trueSize,
  b: () => brighter(0.05),
  B: () => brighter(-0.05),
  w: () => wider(0.9),
  W: () => wider(1.1),
  ArrowLeft: () => active.ready && active.move(STEP, 0),
  ArrowRight: () => active.ready && active.move(-STEP, 0),
  ArrowUp: () => active.ready && active.move(0, STEP),
  ArrowDown: () => active.ready && active.move(0, -STEP),
  d: () => form?.querySelector("input[type=radio]")?.focus(),
  l: () => location.assign(document.querySelector("[data-to-list]").href),
});

readFindings();
let resizing = 0;
new ResizeObserver(() => {
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(() => {
    refit();
  });
}).observe(hanging);

await Promise.all(views.filter((view) => !view.extra).map((view) => view.load()));
refit();
if (active) activate(active);
requestAnimationFrame(() => {
  hanging.dataset.state = "ready";
  performance.mark("views-shown");
});
