// The list: counts that stay true, and a keyboard to go through it.

import { help, listen } from "./keys.js";

const EVERY_MS = 15_000;
const counts = document.querySelector("#counts");
const rows = [...document.querySelectorAll("#list tbody tr")];
let at = -1;

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(counts.dataset.fragment, { credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok) return;
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const fresh of made.querySelectorAll("[data-count]")) {
    const shown = counts.querySelector(`[data-count="${fresh.dataset.count}"]`);
    if (shown && shown.textContent !== fresh.textContent) shown.textContent = fresh.textContent;
  }
}

function go(to) {
  if (!rows.length) return;
  at = Math.min(rows.length - 1, Math.max(0, to));
  rows[at].querySelector("a").focus();
}

if (counts) setInterval(refresh, EVERY_MS);
const openHelp = help();
listen({
  "?": openHelp,
  F1: openHelp,
  j: () => go(at + 1),
  k: () => go(at - 1),
  ArrowDown: () => go(at + 1),
  ArrowUp: () => go(at - 1),
  c: () => document.querySelector("#claim")?.requestSubmit(),
  "/": () => document.querySelector("#filters select, #filters input")?.focus(),
});
