/** The card a stranger sees first. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { mrkdwn } from "./mrkdwn.js";
import { store } from "./state.js";

const KEY = "workspace.welcomed";

/** @returns {HTMLElement | null} */
export function welcomeCard() {
  if (!store.demo || localStorage.getItem(KEY) === "yes") return null;
  const card = h("section", { class: "welcome", "aria-label": "Welcome" },
    h("div", { class: "welcome-words" }, h("h2", null, store.demo.title ?? "This is a local workspace with a demo fleet"), h("div", { class: "words" }, mrkdwn(store.demo.note ?? "Nothing leaves this machine."))),
    h("button", { type: "button", class: "icon-button", "aria-label": "Dismiss the welcome", on: { click: () => { localStorage.setItem(KEY, "yes"); card.remove(); } } }, icon("close")));
  return card;
}
