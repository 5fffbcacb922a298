/** The one list of blocks: type to builder; and attachments, which carry blocks in a coloured frame. */
import { h } from "../dom.js";
import { link, mrkdwn, plain, textObject } from "../mrkdwn.js";
import { dataVisualization } from "./charts.js";
import { element } from "./elements.js";
import { input } from "./inputs.js";
import {
  actions,
  alert,
  card,
  carousel,
  context,
  contextActions,
  divider,
  file,
  header,
  imageBlock,
  section,
  taskCard,
  triangle,
  video,
} from "./layout.js";
import { markdownBlock } from "./markdown.js";
import { image } from "./media.js";
import { richText } from "./richtext.js";
import { dataTable, table } from "./tables.js";

/** @type {Record<string, (block: any, ctx: any) => any>} */
const BLOCKS = {
  section,
  header,
  context,
  divider,
  actions,
  alert,
  card,
  carousel,
  file,
  input,
  table,
  video,
  container,
  plan,
  image: imageBlock,
  context_actions: contextActions,
  rich_text: richText,
  markdown: markdownBlock,
  data_table: dataTable,
  data_visualization: dataVisualization,
  task_card: taskCard,
};

/** @param {any} block @param {any} ctx */
function container(block, ctx) {
  const inside = renderBlocks(block.child_blocks ?? block.blocks ?? [], ctx);
  if (!block.title) return h("div", { class: "container" }, inside);
  const head = [
    h("span", { class: "card-title" }, textObject(block.title)),
    block.subtitle ? h("span", { class: "card-subtitle" }, textObject(block.subtitle)) : null,
  ];
  if (!block.is_collapsible) return h("div", { class: "container" }, h("div", { class: "container-head" }, head), inside);
  return h(
    "details",
    { class: "container", open: block.default_collapsed ? null : true },
    h("summary", { class: "container-head" }, triangle(), head),
    inside,
  );
}

/** @param {any} block */
function plan(block) {
  return h("div", { class: "container" }, h("p", { class: "card-title" }, plain(block.title)), (block.tasks ?? []).map(taskCard));
}

/** @param {any[]} blocks @param {any} ctx @returns {any[]} */
export function renderBlocks(blocks, ctx) {
  return blocks.map((block) => {
    const build = BLOCKS[block?.type];
    const inside = build ? build(block, ctx) : h("p", { class: "note" }, `This page cannot show a "${block?.type}" block.`);
    return h("div", { class: `block block-${build ? block.type : "unknown"}`, data: { blockId: block?.block_id ?? "" } }, inside);
  });
}

/** @type {Record<string, string>} */
const COLOURS = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" };

/** @param {any} attachment @param {any} ctx */
export function attachment(attachment, ctx) {
  const bar = h("div", { class: "attachment-bar", "aria-hidden": "true" });
  const colour = COLOURS[attachment.color] ?? (attachment.color ?? "").replace(/^#?/, "#");
  if (/^#[0-9a-f]{3,8}$/i.test(colour)) bar.style.backgroundColor = colour;
  const text = (/** @type {any} */ words) => h("div", { class: "words" }, mrkdwn(words));
  const inside = attachment.blocks?.length
    ? renderBlocks(attachment.blocks, ctx)
    : [
        attachment.author_name
          ? h(
              "p",
              { class: "attachment-author" },
              attachment.author_link ? link(attachment.author_link, attachment.author_name) : attachment.author_name,
            )
          : null,
        attachment.title
          ? h("p", { class: "attachment-title" }, attachment.title_link ? link(attachment.title_link, attachment.title) : attachment.title)
          : null,
        attachment.text
          ? text(attachment.text)
          : attachment.fallback && !attachment.fields && !attachment.title
            ? text(attachment.fallback)
            : null,
        attachment.fields?.length
          ? h(
              "div",
              { class: "fields" },
              attachment.fields.map((/** @type {any} */ field) =>
                h("div", { class: field.short ? "" : "long" }, h("strong", null, field.title), text(field.value ?? "")),
              ),
            )
          : null,
        attachment.image_url ? image({ image_url: attachment.image_url, alt_text: attachment.title ?? "Image" }, "image-block") : null,
        attachment.actions?.length
          ? h(
              "div",
              { class: "actions" },
              attachment.actions
                .filter((/** @type {any} */ each) => each.type === "button")
                .map((/** @type {any} */ each) =>
                  element({ ...each, text: { type: "plain_text", text: each.text } }, ctx, {
                    type: "actions",
                    block_id: attachment.callback_id,
                  }),
                ),
            )
          : null,
      ];
  const footer = attachment.footer ? h("p", { class: "attachment-footer" }, attachment.footer) : null;
  return [
    attachment.pretext ? text(attachment.pretext) : null,
    h("div", { class: "attachment" }, bar, h("div", { class: "attachment-body" }, inside, footer)),
  ];
}
