/** Input blocks: label, hint, the mark of what is wrong, and the checks Slack makes before it submits. */
import { freshId, h } from "../dom.js";
import { icon } from "../icons.js";
import { plain, textObject } from "../mrkdwn.js";
import { element, takesLabel } from "./elements.js";

/** @param {any} block @param {import("./context.js").Context} ctx */
export function input(block, ctx) {
  const id = freshId("input");
  const label = plain(block.label);
  const labelled = takesLabel(block.element?.type);
  const hintId = block.hint ? `${id}-hint` : null;
  const errorId = `${id}-error`;
  const control = element(block.element, ctx, block, { label, id: labelled ? id : undefined });
  const field = control.querySelector("input, textarea, button.choice, [role=group], [role=radiogroup]");
  field?.setAttribute("aria-describedby", [errorId, hintId].filter(Boolean).join(" "));
  if (!block.optional && field?.matches("input:not([type=radio], [type=checkbox]), textarea")) field.setAttribute("aria-required", "true");
  return h(
    "div",
    { class: "input-block", data: { block: block.block_id ?? "" } },
    h(
      labelled ? "label" : "p",
      { class: "input-label", for: labelled ? id : null },
      textObject(block.label),
      block.optional ? h("span", { class: "optional" }, " (optional)") : null,
    ),
    control,
    h("p", { class: "input-error", id: errorId, role: "alert" }),
    block.hint ? h("p", { class: "input-hint", id: hintId }, textObject(block.hint)) : null,
  );
}

/** @param {any} payload */
function isEmpty(payload) {
  if (!payload) return true;
  const { type, timezone, ...rest } = payload;
  const value = Object.values(rest)[0];
  return value === null || value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
}

/** What Slack says about a value, or nothing. @param {any} block @param {any} payload @returns {string} */
export function complaint(block, payload) {
  const spec = block.element ?? {};
  if (isEmpty(payload)) return block.optional || spec.type === "file_input" ? "" : "Please complete this required field.";
  const value = payload.value;
  if (spec.type === "plain_text_input") {
    const length = [...value].length;
    if (!block.optional && !value.trim()) return "Please complete this required field.";
    if (spec.min_length && length < spec.min_length) return `Please use at least ${spec.min_length} characters (currently ${length}).`;
    if (spec.max_length && length > spec.max_length) return `Please use at most ${spec.max_length} characters (currently ${length}).`;
  }
  if (spec.type === "number_input") {
    if (!(spec.is_decimal_allowed ? /^-?\d*\.?\d+$/ : /^-?\d+$/).test(value.trim()))
      return spec.is_decimal_allowed ? "Please enter a number." : "Please enter a whole number.";
    if (spec.min_value !== undefined && Number(value) < Number(spec.min_value))
      return `Please enter a number of at least ${spec.min_value}.`;
    if (spec.max_value !== undefined && Number(value) > Number(spec.max_value))
      return `Please enter a number of at most ${spec.max_value}.`;
  }
  if (spec.type === "email_text_input" && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value)) return "Please enter a valid email address.";
  if (spec.type === "url_text_input" && !/^https?:\/\/[^\s/]+/i.test(value))
    return "Please enter a valid URL, starting with https:// or http://.";
  return "";
}

/** Show or clear what is wrong, block by block; focus goes to the first. @param {HTMLElement} root @param {Record<string, string>} errors @returns {boolean} whether any was shown */
export function showComplaints(root, errors) {
  let first = null;
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(".input-block"))) {
    const words = errors[place.dataset.block ?? ""] ?? "";
    const line = place.querySelector(".input-error");
    const field = /** @type {HTMLElement | null} */ (place.querySelector("input, textarea, button.choice"));
    place.classList.toggle("invalid", Boolean(words));
    line?.replaceChildren(...(words ? [icon("warning"), words] : []));
    if (words) field?.setAttribute("aria-invalid", "true");
    else field?.removeAttribute("aria-invalid");
    if (words && !first) first = field;
  }
  first?.focus();
  return Object.values(errors).some(Boolean);
}
