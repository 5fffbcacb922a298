/** The stack of modal views: opened, updated, pushed and closed by apps; submitted and dismissed by people. */
import { post } from "./api.js";
import { contextFor, forgetView, stateValues, worded } from "./blocks/context.js";
import { complaint, showComplaints } from "./blocks/inputs.js";
import { renderBlocks } from "./blocks/render.js";
import { announce, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { plain } from "./mrkdwn.js";
import { avatar } from "./people.js";
import { closePopover } from "./popover.js";
import { appOf, on, store } from "./state.js";

/** @type {any[]} */
let stack = [];
/** @type {HTMLElement | null} */
let opener = null;

const body = h("div", { class: "modal-body", tabIndex: -1 });
const head = h("div", { class: "modal-head" });
const foot = h("div", { class: "modal-foot" });
const form = h("form", { class: "modal-form", novalidate: true }, head, body, foot);
const dialog = h("dialog", { class: "dialog modal", "aria-labelledby": "modal-title" }, form);

/** @param {string} text */
function trouble(text) {
  foot.querySelector(".modal-trouble")?.remove();
  if (text) foot.prepend(h("p", { class: "modal-trouble", role: "alert" }, icon("warning"), text));
}

/** @param {boolean} fresh */
function paint(fresh) {
  const view = stack[stack.length - 1];
  closePopover(false);
  if (!view) {
    if (dialog.open) dialog.close();
    fill(body);
    opener?.isConnected && opener.focus();
    opener = null;
    return;
  }
  const focused = body.contains(document.activeElement) ? document.activeElement?.closest("[data-key]")?.getAttribute("data-key") : null;
  const caret = focused && document.activeElement instanceof HTMLInputElement ? document.activeElement.selectionStart : null;
  const scroll = body.scrollTop;
  const app = appOf(view.app_id);
  dialog.dataset.view = view.id;
  fill(
    head,
    app ? avatar(app.bot_user_id, { size: "small", bot: true }) : null,
    h("h2", { class: "modal-title", id: "modal-title" }, plain(view.title)),
    h("button", { type: "button", class: "icon-button", "aria-label": "Close", on: { click: () => dismiss() } }, icon("close")),
  );
  fill(body, renderBlocks(view.blocks ?? [], contextFor("modal", { type: "view", view_id: view.id })));
  fill(
    foot,
    h(
      "button",
      { type: "button", class: "button", on: { click: () => dismiss() } },
      view.close ? plain(view.close) : stack.length > 1 ? "Back" : view.submit ? "Cancel" : "Close",
    ),
    view.submit ? h("button", { type: "submit", class: "button filled primary" }, plain(view.submit)) : null,
  );
  if (!dialog.open) {
    opener = /** @type {HTMLElement | null} */ (document.activeElement);
    dialog.showModal();
  }
  if (fresh) {
    body.scrollTop = 0;
    const first = /** @type {HTMLElement | null} */ (
      body.querySelector("[autofocus]") ??
        body.querySelector(".input-block input, .input-block textarea, .input-block button.choice") ??
        body
    );
    first?.focus();
  } else {
    body.scrollTop = scroll;
    const again = focused
      ? /** @type {HTMLElement | null} */ (body.querySelector(`[data-key="${CSS.escape(focused)}"] :is(input, textarea, button, a)`))
      : null;
    again?.focus();
    if (caret !== null && again instanceof HTMLInputElement && again.type === "text") again.setSelectionRange(caret, caret);
  }
}

/** @param {string} id */
function drop(id) {
  const at = stack.findIndex((view) => view.id === id);
  if (at < 0) return;
  for (const view of stack.slice(at)) forgetView(view.id);
  stack = stack.slice(0, at);
  paint(false);
}

/** Close the top view, as the person wishes; the app hears of it if it asked to. */
async function dismiss() {
  const view = stack[stack.length - 1];
  if (!view) return;
  if (view.clear_on_close) drop(stack[0].id);
  else drop(view.id);
  await post("close", { view_id: view.id, ...(view.clear_on_close ? { all: true } : {}) });
}

/** @param {Event} event */
async function submit(event) {
  event.preventDefault();
  const view = stack[stack.length - 1];
  if (!view?.submit || form.classList.contains("sending")) return;
  const ctx = contextFor("modal", { type: "view", view_id: view.id });
  const inputs = (view.blocks ?? []).filter((/** @type {any} */ block) => block.type === "input");
  /** @type {Record<string, string>} */
  const errors = {};
  for (const block of inputs)
    errors[block.block_id ?? ""] = complaint(block, ctx.values.get(`${block.block_id ?? ""}/${block.element?.action_id ?? ""}`));
  trouble("");
  if (showComplaints(body, errors)) {
    announce("Some fields need attention.");
    return;
  }
  form.classList.add("sending");
  const button = /** @type {HTMLElement | null} */ (foot.querySelector("[type=submit]"));
  button?.setAttribute("aria-busy", "true");
  const answer = await post("submit", { view_id: view.id, state: stateValues(ctx, view.blocks) });
  form.classList.remove("sending");
  button?.removeAttribute("aria-busy");
  if (answer.errors && Object.keys(answer.errors).length) {
    showComplaints(body, answer.errors);
    return;
  }
  if (answer.ok === false) {
    trouble(answer.error === "timeout" ? "We had some trouble connecting. Try again?" : worded(answer.error));
    return;
  }
  if (answer.response_action === "clear") drop(stack[0]?.id);
  else if (!answer.response_action) drop(view.id);
}

/** Listen for views. */
export function startModals() {
  document.body.append(dialog);
  form.addEventListener("submit", submit);
  form.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) form.requestSubmit();
    if (
      event.key === "Enter" &&
      !event.defaultPrevented &&
      event.target instanceof HTMLInputElement &&
      !event.isComposing &&
      event.target.type !== "checkbox" &&
      event.target.type !== "radio"
    ) {
      event.preventDefault();
      if (!event.target.closest(".popover")) form.requestSubmit();
    }
  });
  dialog.addEventListener("cancel", (/** @type {Event} */ event) => {
    event.preventDefault();
    dismiss();
  });
  on("view_opened", ({ view }) => {
    stack = [view];
    paint(true);
  });
  on("view_pushed", ({ view }) => {
    stack.push(view);
    paint(true);
  });
  on("view_updated", ({ view }) => {
    const at = stack.findIndex((known) => known.id === view.id);
    if (at < 0) return;
    stack[at] = view;
    if (at === stack.length - 1) paint(false);
  });
  on("view_closed", ({ view_id }) => drop(view_id));
  let me = "";
  on("state", () => {
    // a form outlives a reconnection, not a change of person
    if (me && me !== store.me) {
      stack = [];
      paint(false);
    }
    me = store.me;
  });
}
