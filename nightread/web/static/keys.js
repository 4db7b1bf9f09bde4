// Keyboard control, its help, and its switch (WCAG 2.1.4: single keys can be turned off).

const OFF = "single-keys-off";

/** `actions`: key, as in KeyboardEvent.key, to function. Shift and letters as they are typed. */
export function listen(actions) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.target.matches?.("input[type=radio]") && event.key.startsWith("Arrow")) return;
    if (localStorage.getItem(OFF) && event.key !== "F1") return;
    const act = actions[event.key];
    if (!act) return;
    event.preventDefault();
    act(event);
  });
}

export function help() {
  const dialog = document.querySelector("#help");
  if (!dialog) return () => {};
  const off = dialog.querySelector("[name=single-keys]");
  off.checked = !localStorage.getItem(OFF);
  off.addEventListener("change", () => {
    if (off.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
  const open = () => dialog.showModal();
  for (const button of document.querySelectorAll("[data-help]")) {
    button.hidden = false;
    button.addEventListener("click", open);
  }
  return open;
}

function typing(target) {
  return target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select") !== null;
}
