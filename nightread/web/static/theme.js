// Before anything is drawn: the reader's choice of light or dark, or else the system's.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;

addEventListener("DOMContentLoaded", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const shown = () => document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
  for (const button of document.querySelectorAll("[data-switch-theme]")) {
    const say = () => button.setAttribute("aria-pressed", String(shown() === "dark"));
    say();
    button.hidden = false;
    button.addEventListener("click", () => {
      const other = shown() === "dark" ? "light" : "dark";
      document.documentElement.dataset.theme = other;
      localStorage.setItem("theme", other);
      say();
    });
  }
});
