/** Things to press: buttons, overflow menus, feedback thumbs, icon buttons. */
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { plain, textObject } from "../mrkdwn.js";
import { openMenu } from "../popover.js";
import { frame, keyOf, press } from "./context.js";

const SAFE = /^(https?:|mailto:)/i;

/** @param {any} spec @param {import("./context.js").Context} ctx @param {any} block */
export function button(spec, ctx, block) {
  const style = spec.style === "primary" || spec.style === "danger" ? ` ${spec.style}` : "";
  const label = spec.accessibility_label ?? null;
  const tell = () => press(ctx, block, spec, { text: spec.text, value: spec.value });
  if (spec.url && SAFE.test(spec.url)) {
    return frame(
      block,
      spec,
      h(
        "a",
        { class: `button${style}`, href: spec.url, target: "_blank", rel: "noopener noreferrer", "aria-label": label, on: { click: tell } },
        textObject(spec.text),
      ),
    );
  }
  return frame(
    block,
    spec,
    h(
      "button",
      {
        type: "button",
        class: `button${style}`,
        "aria-label": label,
        on: {
          click: (/** @type {any} */ event) => {
            if (!event.currentTarget.closest(".busy")) tell();
          },
        },
      },
      h("span", { class: "button-words" }, textObject(spec.text)),
    ),
  );
}

/** @param {any} spec @param {import("./context.js").Context} ctx @param {any} block */
export function overflow(spec, ctx, block) {
  const control = h(
    "button",
    {
      type: "button",
      class: "button square",
      "aria-label": spec.accessibility_label ?? "More options",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      on: {
        click: () =>
          openMenu(
            control,
            (spec.options ?? []).map((/** @type {any} */ option) => ({
              label: plain(option.text),
              detail: option.description ? plain(option.description) : undefined,
              url: SAFE.test(option.url ?? "") ? option.url : undefined,
              run: () => press(ctx, block, spec, { selected_option: option }),
            })),
            { label: "More options" },
          ),
      },
    },
    icon("more"),
  );
  return frame(block, spec, control);
}

/** Thumbs: pressed is shown here only, as in Slack, which keeps no state for them. @param {any} spec @param {import("./context.js").Context} ctx @param {any} block */
export function feedbackButtons(spec, ctx, block) {
  const key = keyOf(block, spec);
  const thumbs = [
    ["positive", spec.positive_button, "thumbUp"],
    ["negative", spec.negative_button, "thumbDown"],
  ].filter(([, one]) => one);
  const controls = thumbs.map(([which, one, picture]) => {
    const words = one.accessibility_label ?? plain(one.text);
    const thumb = h(
      "button",
      {
        type: "button",
        class: "icon-button thumb",
        title: plain(one.text),
        "aria-label": words,
        "aria-pressed": String(ctx.pressed.get(key) === which),
        on: {
          click: () => {
            if (thumb.closest(".busy")) return;
            ctx.pressed.set(key, which);
            for (const other of controls) other.setAttribute("aria-pressed", String(other === thumb));
            press(ctx, block, spec, { text: one.text, value: one.value });
          },
        },
      },
      icon(picture),
    );
    return thumb;
  });
  return frame(block, spec, h("span", { class: "feedback", role: "group", "aria-label": "Feedback" }, controls));
}

/** @param {any} spec @param {import("./context.js").Context} ctx @param {any} block */
export function iconButton(spec, ctx, block) {
  const words = spec.accessibility_label ?? plain(spec.text);
  return frame(
    block,
    spec,
    h(
      "button",
      {
        type: "button",
        class: "icon-button",
        title: plain(spec.text),
        "aria-label": words,
        on: { click: () => press(ctx, block, spec, { icon: spec.icon, text: spec.text, value: spec.value }) },
      },
      icon(spec.icon === "trash" ? "trash" : (spec.icon ?? "more")),
    ),
  );
}
