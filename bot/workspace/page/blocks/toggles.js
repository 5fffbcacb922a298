/** Radio buttons and checkboxes. */
import { freshId, h } from "../dom.js";
import { textObject } from "../mrkdwn.js";
import { changed, frame, recall } from "./context.js";

/** @param {any} spec @param {import("./context.js").Context} ctx @param {any} block @param {{label?: string}} [labels] */
export function toggles(spec, ctx, block, labels = {}) {
  const many = spec.type === "checkboxes";
  const field = many ? "selected_options" : "selected_option";
  const known = recall(ctx, block, spec, { [field]: many ? (spec.initial_options ?? []) : (spec.initial_option ?? null) })[field];
  let chosen = new Set((many ? (known ?? []) : known ? [known] : []).map((/** @type {any} */ option) => option.value));
  const group = freshId("toggle");
  const inputs = (spec.options ?? []).map((/** @type {any} */ option) => {
    const descriptionId = option.description ? freshId("description") : null;
    const input = h("input", {
      type: many ? "checkbox" : "radio",
      name: group,
      checked: chosen.has(option.value),
      "aria-describedby": descriptionId,
      on: {
        change: async () => {
          const before = chosen;
          chosen = many
            ? new Set(inputs.filter((/** @type {any} */ each) => each.input.checked).map((/** @type {any} */ each) => each.option.value))
            : new Set([option.value]);
          const options = (spec.options ?? []).filter((/** @type {any} */ each) => chosen.has(each.value));
          const done = await changed(ctx, block, spec, { [field]: many ? options : (options[0] ?? null) });
          if (done) return;
          chosen = before;
          for (const each of inputs) each.input.checked = before.has(each.option.value);
        },
      },
    });
    const row = h(
      "label",
      { class: "toggle" },
      input,
      h(
        "span",
        { class: "toggle-words" },
        h("span", null, textObject(option.text)),
        option.description ? h("span", { class: "toggle-detail", id: descriptionId }, textObject(option.description)) : null,
      ),
    );
    return { input, option, row };
  });
  return frame(
    block,
    spec,
    h(
      "span",
      {
        class: "toggles",
        role: many ? "group" : "radiogroup",
        "aria-label": spec.accessibility_label ?? labels.label ?? (many ? "Choose any" : "Choose one"),
      },
      inputs.map((/** @type {any} */ each) => each.row),
    ),
  );
}
