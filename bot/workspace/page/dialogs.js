/** Small questions and short notes above the page. */
import { announce, freshId, h } from "./dom.js";
import { icon } from "./icons.js";
import { plain, textObject } from "./mrkdwn.js";
import { closePopover } from "./popover.js";

/**
 * Slack's confirmation dialog. @param {any} confirm the confirm object of an element @returns {Promise<boolean>}
 */
export function confirmDialog(confirm) {
  closePopover(false);
  return new Promise((resolve) => {
    const titleId = freshId("confirm-title");
    const textId = freshId("confirm-text");
    const finish = (/** @type {boolean} */ answer) => {
      dialog.close();
      dialog.remove();
      resolve(answer);
      before?.focus?.();
    };
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    const yes = h(
      "button",
      { type: "button", class: `button filled ${confirm.style === "danger" ? "danger" : "primary"}`, on: { click: () => finish(true) } },
      plain(confirm.confirm ?? "Yes"),
    );
    const no = h("button", { type: "button", class: "button", on: { click: () => finish(false) } }, plain(confirm.deny ?? "No"));
    const dialog = h(
      "dialog",
      { class: "dialog small", role: "alertdialog", "aria-labelledby": titleId, "aria-describedby": textId },
      h("h2", { class: "dialog-title", id: titleId }, plain(confirm.title ?? "Are you sure?")),
      h("div", { class: "dialog-text words", id: textId }, textObject(confirm.text)),
      h("div", { class: "dialog-buttons" }, no, yes),
    );
    dialog.addEventListener("cancel", (/** @type {Event} */ event) => {
      event.preventDefault();
      finish(false);
    });
    document.body.append(dialog);
    dialog.showModal();
    (confirm.style === "danger" ? no : yes).focus();
  });
}

/** A note that goes away by itself; screen readers hear it too. @param {string} text @param {"info" | "warning"} [kind] */
export function toast(text, kind = "info") {
  const place = document.getElementById("toasts");
  if (!place) return;
  const note = h(
    "div",
    { class: `toast ${kind}` },
    icon(kind),
    h("span", null, text),
    h("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", on: { click: () => note.remove() } }, icon("close")),
  );
  place.append(note);
  announce(text);
  setTimeout(() => note.remove(), 8000);
}
