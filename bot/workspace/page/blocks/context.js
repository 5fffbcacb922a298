/** Where blocks are shown: what a press in them says to the server, and what was typed or chosen so far. */
import { post } from "../api.js";
import { confirmDialog } from "../dialogs.js";
import { announce, h } from "../dom.js";
import { icon } from "../icons.js";

/**
 * @typedef {{surface: "message" | "modal" | "home", container: any, values: Map<string, any>, pressed: Map<string, string>, title?: string}} Context
 */

/** Choices outlive a repaint of their message: container key to values. @type {Map<string, {values: Map<string, any>, pressed: Map<string, string>}>} */
const kept = new Map();

/** @param {"message" | "modal" | "home"} surface @param {any} container @returns {Context} */
export function contextFor(surface, container) {
  const key = container.type === "view" ? `view/${container.view_id}` : `message/${container.channel}/${container.ts}`;
  if (!kept.has(key)) kept.set(key, { values: new Map(), pressed: new Map() });
  return { surface, container, .../** @type {any} */ (kept.get(key)) };
}

/** Forget the values of a closed view. @param {string} viewId */
export const forgetView = (viewId) => kept.delete(`view/${viewId}`);

/** Forget everything, for a change of person. */
export const forgetAll = () => kept.clear();

/** @param {any} block @param {any} spec */
export const keyOf = (block, spec) => `${block.block_id ?? ""}/${spec.action_id ?? ""}`;

/** The kept value of an element, or its initial one, which is kept from now on. @param {Context} ctx @param {any} block @param {any} spec @param {any} initial */
export function recall(ctx, block, spec, initial) {
  const key = keyOf(block, spec);
  const known = ctx.values.get(key);
  if (known && known.type === spec.type) return known;
  const payload = { type: spec.type, ...initial };
  ctx.values.set(key, payload);
  return payload;
}

/** Slack's `state.values`, of the blocks that are shown. @param {Context} ctx @param {any[]} [blocks] */
export function stateValues(ctx, blocks) {
  const shown = blocks ? new Set(blocks.map((block) => block.block_id)) : null;
  /** @type {Record<string, Record<string, any>>} */
  const values = {};
  for (const [key, payload] of ctx.values) {
    const slash = key.indexOf("/");
    const block = key.slice(0, slash);
    if (shown && !shown.has(block)) continue;
    (values[block] ??= {})[key.slice(slash + 1)] = payload;
  }
  return { values };
}

/**
 * A control in its frame: the frame carries the key by which it is found again after a repaint, and the mark of trouble.
 * @param {any} block @param {any} spec @param {any} control
 */
export function frame(block, spec, control) {
  return h("span", { class: `control control-${spec.type ?? "button"}`, data: { key: keyOf(block, spec) } }, control);
}

/** The frames of a control: two where a message stands both in its channel and in its open thread. @param {any} ctx @param {string} key @returns {HTMLElement[]} */
function framesOf(ctx, key) {
  const place =
    ctx.container.type === "view"
      ? `[data-view="${CSS.escape(ctx.container.view_id)}"]`
      : `[data-channel="${CSS.escape(ctx.container.channel)}"][data-ts="${CSS.escape(ctx.container.ts)}"]`;
  return [...document.querySelectorAll(`${place} [data-key="${CSS.escape(key)}"]`)].map((frame) => /** @type {HTMLElement} */ (frame));
}

/** Slack's small triangle beside a control whose app did not answer. @param {HTMLElement} place @param {string} text */
function showTrouble(place, text) {
  place.querySelector(":scope > .trouble")?.remove();
  if (text) place.append(h("span", { class: "trouble", role: "alert" }, icon("warning"), h("span", null, text)));
}

/**
 * Tell the app. Asks for confirmation first where the element wants it; shows a spinner meanwhile and a warning on trouble.
 * @param {Context} ctx @param {any} block @param {any} spec @param {any} payload @returns {Promise<boolean>} false when the person said no
 */
export async function press(ctx, block, spec, payload) {
  if (spec.confirm && !(await confirmDialog(spec.confirm))) return false;
  const key = keyOf(block, spec);
  const before = framesOf(ctx, key);
  for (const place of before) {
    place.classList.add("busy");
    place.setAttribute("aria-busy", "true");
    showTrouble(place, "");
  }
  const action = { type: spec.type, action_id: spec.action_id, block_id: block.block_id, ...payload };
  const answer = await post("press", { container: ctx.container, block_id: block.block_id, action, state: stateValues(ctx) });
  for (const place of [...before, ...framesOf(ctx, key)]) {
    place.classList.remove("busy");
    place.removeAttribute("aria-busy");
  }
  if (answer.ok === false || answer.warning) {
    const words = worded(answer.error ?? answer.warning);
    for (const place of framesOf(ctx, key)) showTrouble(place, words);
    announce(words);
  }
  return true;
}

/** Codes the server may send, in words. @param {string} [code] */
export function worded(code) {
  if (!code) return "Something went wrong. Please try again.";
  if (/\s/.test(code)) return code;
  return `This did not work (${code.replaceAll("_", " ")}).`;
}

/**
 * An element changed: keep it, and tell the app unless it is a quiet input.
 * @param {Context} ctx @param {any} block @param {any} spec @param {any} payload @returns {Promise<boolean>}
 */
export async function changed(ctx, block, spec, payload) {
  const before = ctx.values.get(keyOf(block, spec));
  ctx.values.set(keyOf(block, spec), { type: spec.type, ...payload });
  if (block.type === "input" && !block.dispatch_action) return true;
  const done = await press(ctx, block, spec, payload);
  if (!done) ctx.values.set(keyOf(block, spec), before);
  return done;
}
