/** The one list of block elements: type to builder. */
import { h } from "../dom.js";
import { image } from "./media.js";
import { button, feedbackButtons, iconButton, overflow } from "./buttons.js";
import { fileField, picker, richTextField, textField } from "./fields.js";
import { select } from "./selects.js";
import { toggles } from "./toggles.js";

/** @type {Record<string, (spec: any, ctx: any, block: any, labels?: {label?: string, id?: string}) => any>} */
const ELEMENTS = {
  button,
  overflow,
  workflow_button: button,
  feedback_buttons: feedbackButtons,
  icon_button: iconButton,
  static_select: select,
  external_select: select,
  users_select: select,
  conversations_select: select,
  channels_select: select,
  multi_static_select: select,
  multi_external_select: select,
  multi_users_select: select,
  multi_conversations_select: select,
  multi_channels_select: select,
  radio_buttons: toggles,
  checkboxes: toggles,
  datepicker: picker,
  timepicker: picker,
  datetimepicker: picker,
  plain_text_input: textField,
  email_text_input: textField,
  url_text_input: textField,
  number_input: textField,
  rich_text_input: richTextField,
  file_input: fileField,
  image: (spec) => image(spec, "image-accessory"),
};

/** @param {any} spec @param {any} ctx @param {any} block @param {{label?: string, id?: string}} [labels] */
export function element(spec, ctx, block, labels) {
  const build = ELEMENTS[spec?.type];
  return build ? build(spec, ctx, block, labels) : h("span", { class: "note" }, `This page cannot show "${spec?.type}".`);
}

/** Elements whose own label can be a `<label for>`. @param {string} type */
export const takesLabel = (type) =>
  [
    "plain_text_input",
    "email_text_input",
    "url_text_input",
    "number_input",
    "rich_text_input",
    "datepicker",
    "timepicker",
    "datetimepicker",
  ].includes(type) || type.endsWith("_select");
