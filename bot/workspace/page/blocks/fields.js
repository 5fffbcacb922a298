/** Fields to type in: text, number, e-mail, address, dates and times, files. */
import { localOfUnix, unixOfLocal } from "../dates.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { plain } from "../mrkdwn.js";
import { changed, frame, keyOf, press, recall } from "./context.js";

/** @typedef {import("./context.js").Context} Context */

/** @param {any} spec @param {Context} ctx @param {any} block @param {{label?: string, id?: string}} [labels] */
export function textField(spec, ctx, block, labels = {}) {
  const known = recall(ctx, block, spec, { value: spec.initial_value ?? null });
  const multiline = spec.type === "plain_text_input" && spec.multiline;
  /** @type {Record<string, string>} */
  const types = { email_text_input: "email", url_text_input: "url", number_input: "text" };
  const input = h(multiline ? "textarea" : "input", {
    class: "field",
    id: labels.id ?? null,
    value: known.value ?? "",
    placeholder: spec.placeholder ? plain(spec.placeholder) : null,
    type: multiline ? null : (types[spec.type] ?? "text"),
    inputmode: spec.type === "number_input" ? "decimal" : null,
    rows: multiline ? "4" : null,
    maxlength: spec.max_length ?? (spec.type === "plain_text_input" ? 3000 : null),
    autocomplete: "off",
    "aria-label": labels.id ? null : (labels.label ?? "Text"),
    autofocus: spec.focus_on_load ? true : null,
  });
  const triggers = spec.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"];
  const payload = () => ({ value: input.value === "" ? null : input.value });
  const count = multiline && spec.max_length ? h("span", { class: "field-count", "aria-hidden": "true" }) : null;
  const paint = () => {
    if (count) count.textContent = String(spec.max_length - input.value.length);
  };
  input.addEventListener("input", () => {
    ctx.values.set(keyOf(block, spec), { type: spec.type, ...payload() });
    paint();
    if (block.dispatch_action && triggers.includes("on_character_entered")) press(ctx, block, spec, payload());
  });
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.isComposing || (multiline && event.shiftKey)) return;
    if (block.dispatch_action && triggers.includes("on_enter_pressed")) {
      event.preventDefault();
      press(ctx, block, spec, payload());
    }
  });
  paint();
  return frame(block, spec, [input, count]);
}

/** Typed text as Slack's rich text. @param {string} text */
const asRichText = (text) =>
  text ? { type: "rich_text", elements: [{ type: "rich_text_section", elements: [{ type: "text", text }] }] } : null;

/** @param {any} value */
const richWords = (value) =>
  (value?.elements ?? [])
    .flatMap((/** @type {any} */ section) => section.elements ?? [])
    .map((/** @type {any} */ piece) => piece.text ?? "")
    .join("");

/** @param {any} spec @param {Context} ctx @param {any} block @param {{label?: string, id?: string}} [labels] */
export function richTextField(spec, ctx, block, labels = {}) {
  const known = recall(ctx, block, spec, { rich_text_value: spec.initial_value ?? null });
  const input = h("textarea", {
    class: "field",
    id: labels.id ?? null,
    rows: "4",
    value: richWords(known.rich_text_value),
    placeholder: spec.placeholder ? plain(spec.placeholder) : null,
    "aria-label": labels.id ? null : (labels.label ?? "Text"),
  });
  input.addEventListener("input", () => ctx.values.set(keyOf(block, spec), { type: spec.type, rich_text_value: asRichText(input.value) }));
  return frame(block, spec, input);
}

/** Kind: field in the payload, field of the initial value, input type, icon, words. @type {Record<string, [string, string, string, string, string]>} */
const PICKERS = {
  datepicker: ["selected_date", "initial_date", "date", "calendar", "Date"],
  timepicker: ["selected_time", "initial_time", "time", "clock", "Time"],
  datetimepicker: ["selected_date_time", "initial_date_time", "datetime-local", "calendar", "Date and time"],
};

/** @param {any} spec @param {Context} ctx @param {any} block @param {{label?: string, id?: string}} [labels] */
export function picker(spec, ctx, block, labels = {}) {
  const [field, initial, type, , words] = PICKERS[spec.type];
  const known = recall(ctx, block, spec, { [field]: spec[initial] ?? null })[field];
  const show = (/** @type {any} */ value) =>
    value === null || value === undefined ? "" : spec.type === "datetimepicker" ? localOfUnix(Number(value)) : String(value);
  const input = h("input", {
    class: "field picker",
    type,
    id: labels.id ?? null,
    value: show(known),
    title: spec.placeholder ? plain(spec.placeholder) : null,
    "aria-label": labels.id ? null : (spec.accessibility_label ?? labels.label ?? (spec.placeholder ? plain(spec.placeholder) : words)),
  });
  let last = known;
  input.addEventListener("change", async () => {
    const value = input.value === "" ? null : spec.type === "datetimepicker" ? unixOfLocal(input.value) : input.value;
    if (value === last || (value === null && input.value !== "")) return;
    const done = await changed(ctx, block, spec, { [field]: value, ...(spec.timezone ? { timezone: spec.timezone } : {}) });
    if (done) last = value;
    else input.value = show(last);
  });
  return frame(block, spec, input);
}

/** Files stay with their owner: the local workspace has nowhere to put them, and says so. @param {any} spec @param {Context} ctx @param {any} block */
export function fileField(spec, ctx, block) {
  recall(ctx, block, spec, { files: [] });
  return frame(block, spec, h("span", { class: "note" }, icon("file"), "Files cannot be uploaded in the local workspace."));
}
