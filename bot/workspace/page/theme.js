/** Light or dark: as the system says, until the person says otherwise. */
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

const KEY = "workspace.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** @returns {"light" | "dark"} */
const present = () => /** @type {any} */ (localStorage.getItem(KEY)) ?? (dark.matches ? "dark" : "light");

export function applyTheme() {
  document.documentElement.dataset.theme = present();
}

/** The button that turns one into the other. */
export function themeButton() {
  const button = h("button", {
    type: "button",
    class: "icon-button top-tool",
    on: {
      click: () => {
        const next = present() === "dark" ? "light" : "dark";
        if (next === (dark.matches ? "dark" : "light")) localStorage.removeItem(KEY);
        else localStorage.setItem(KEY, next);
        paint();
      },
    },
  });
  const paint = () => {
    applyTheme();
    const words = present() === "dark" ? "Switch to light theme" : "Switch to dark theme";
    button.setAttribute("aria-label", words);
    button.title = words;
    fill(button, icon(present() === "dark" ? "sun" : "moon"));
  };
  dark.addEventListener("change", paint);
  paint();
  return button;
}
