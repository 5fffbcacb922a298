/** Blocks that arrange words and pictures: section, header, context, image, alert, card and the like. */
import { h, svg } from "../dom.js";
import { icon } from "../icons.js";
import { plain, plainWords, textObject } from "../mrkdwn.js";
import { store } from "../state.js";
import { element } from "./elements.js";
import { fileRow, image } from "./media.js";
import { richText } from "./richtext.js";

/** @typedef {import("./context.js").Context} Context */

const LONG = 700;

/** Slack folds long section texts behind "See more". @param {any} node @param {string} text @param {boolean} expanded */
function folded(node, text, expanded) {
  if (expanded || (text.length < LONG && text.split("\n").length < 12)) return node;
  node.classList.add("folded");
  const more = h(
    "button",
    {
      type: "button",
      class: "link-button",
      "aria-expanded": "false",
      on: {
        click: () => {
          const closed = node.classList.toggle("folded");
          more.textContent = closed ? "See more" : "See less";
          more.setAttribute("aria-expanded", String(!closed));
        },
      },
    },
    "See more",
  );
  return [node, more];
}

/** @param {any} block @param {Context} ctx */
export function section(block, ctx) {
  const body = h(
    "div",
    { class: "section-body" },
    block.text
      ? folded(h("div", { class: "words" }, textObject(block.text)), block.text.text ?? "", block.expand || ctx.surface !== "message")
      : null,
    block.fields
      ? h(
          "div",
          { class: "fields" },
          block.fields.map((/** @type {any} */ field) => h("div", { class: "words" }, textObject(field))),
        )
      : null,
  );
  if (!block.accessory) return h("div", { class: "section" }, body);
  const below = ["radio_buttons", "checkboxes"].includes(block.accessory.type);
  const label = block.text ? plainWords(plain(block.text)).slice(0, 120) : undefined;
  return h(
    "div",
    { class: `section with-accessory${below ? " below" : ""}` },
    body,
    h("div", { class: "accessory" }, element(block.accessory, ctx, block, { label })),
  );
}

/** @param {any} block */
export const header = (block) =>
  h("p", { class: "block-header", role: "heading", "aria-level": block.level ? Math.min(6, block.level + 2) : 3 }, textObject(block.text));

/** @param {any} block */
export const context = (block) =>
  h(
    "div",
    { class: "context" },
    (block.elements ?? []).map((/** @type {any} */ each) =>
      each.type === "image" ? image(each, "image-context") : h("div", { class: "words" }, textObject(each)),
    ),
  );

export const divider = () => h("hr", { class: "divider" });

/** @param {any} block @param {Context} ctx */
export const actions = (block, ctx) =>
  h(
    "div",
    { class: "actions" },
    (block.elements ?? []).map((/** @type {any} */ each) => element(each, ctx, block)),
  );

/** @param {any} block @param {Context} ctx */
export const contextActions = (block, ctx) =>
  h(
    "div",
    { class: "actions context-actions" },
    (block.elements ?? []).map((/** @type {any} */ each) => element(each, ctx, block)),
  );

/** @param {any} block */
export function imageBlock(block) {
  const picture = image(block, "image-block");
  return h("figure", { class: "image-figure" }, block.title ? h("figcaption", null, textObject(block.title)) : null, picture);
}

/** @param {any} block */
export function file(block) {
  const known = [...store.conversations.values()]
    .flatMap((place) => place.messages)
    .flatMap((message) => message.files ?? [])
    .find((each) => each.external_id === block.external_id || each.id === block.file_id);
  return known ? fileRow(known) : h("p", { class: "note" }, icon("file"), `A file kept elsewhere (${block.external_id ?? "remote"}).`);
}

/** @param {any} block */
export function alert(block) {
  const level = ["info", "warning", "error", "success"].includes(block.level) ? block.level : "default";
  const picture = level === "warning" || level === "error" ? "warning" : level === "success" ? "check" : "info";
  return h(
    "div",
    { class: `alert ${level}`, role: level === "error" ? "alert" : "note" },
    icon(picture),
    h("div", { class: "words" }, textObject(block.text)),
  );
}

/** @param {any} block @param {Context} ctx */
export function card(block, ctx) {
  const label = block.title ? plainWords(plain(block.title)) : "Card";
  return h(
    "article",
    { class: "card", "aria-label": label },
    block.hero_image ? image(block.hero_image, "card-hero") : null,
    h(
      "div",
      { class: "card-body" },
      h(
        "div",
        { class: "card-head" },
        block.icon ? image(block.icon, "card-icon") : null,
        h(
          "div",
          null,
          block.title ? h("p", { class: "card-title" }, textObject(block.title)) : null,
          block.subtitle ? h("p", { class: "card-subtitle" }, textObject(block.subtitle)) : null,
        ),
      ),
      block.body ? h("div", { class: "words" }, textObject(block.body)) : null,
      block.actions?.length
        ? h(
            "div",
            { class: "actions" },
            block.actions.map((/** @type {any} */ each) => element(each, ctx, block)),
          )
        : null,
    ),
  );
}

/** @param {any} block @param {Context} ctx */
export function carousel(block, ctx) {
  const strip = h(
    "div",
    {
      class: "carousel-strip",
      tabIndex: 0,
      role: "group",
      "aria-roledescription": "carousel",
      "aria-label": `${block.elements?.length ?? 0} cards`,
    },
    (block.elements ?? []).map((/** @type {any} */ each) => card({ ...each, block_id: each.block_id ?? block.block_id }, ctx)),
  );
  const move = (/** @type {number} */ by, /** @type {string} */ label, /** @type {string} */ picture) =>
    h(
      "button",
      { type: "button", class: "icon-button", "aria-label": label, on: { click: () => strip.scrollBy({ left: by * 260 }) } },
      icon(picture),
    );
  return h(
    "div",
    { class: "carousel" },
    strip,
    (block.elements?.length ?? 0) > 1
      ? h("div", { class: "carousel-moves" }, move(-1, "Previous card", "back"), move(1, "Next card", "right"))
      : null,
  );
}

/** @param {any} block */
export function video(block) {
  const target = block.title_url ?? block.video_url ?? "";
  const title = plain(block.title);
  return h(
    "div",
    { class: "card" },
    h(
      "div",
      { class: "card-body" },
      h(
        "p",
        { class: "card-title" },
        /^https:/i.test(target) ? h("a", { href: target, target: "_blank", rel: "noopener noreferrer" }, title) : title,
      ),
      block.author_name ? h("p", { class: "card-subtitle" }, block.author_name) : null,
      block.description ? h("p", null, plain(block.description)) : null,
    ),
  );
}

const STATUS = { pending: "Waiting", in_progress: "In progress", complete: "Done", error: "Failed" };

/** @param {any} block */
export function taskCard(block) {
  const status = /** @type {keyof typeof STATUS} */ (block.status in STATUS ? block.status : "pending");
  return h(
    "div",
    { class: "card" },
    h(
      "div",
      { class: "card-body" },
      h("p", { class: "card-title" }, block.title, " ", h("span", { class: `chip ${status}` }, STATUS[status])),
      block.details ? richText(block.details) : null,
      block.output ? richText(block.output) : null,
    ),
  );
}

/** A closed triangle for the fold of containers. */
export const triangle = () =>
  svg("svg", { class: "triangle", viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("path", { d: "M3 1l5 4-5 4z" }));
