/** Every kind of select: options from the block, from the app, people, channels, conversations. */
import { get } from "../api.js";
import { icon } from "../icons.js";
import { plain } from "../mrkdwn.js";
import { avatar, channelName, humans, kindOfPerson, nameOf } from "../people.js";
import { channelOf, person, store } from "../state.js";
import { choiceControl } from "./choice.js";
import { changed, frame, recall } from "./context.js";

/** @typedef {import("./choice.js").Choice} Choice */

/** @param {any} option @param {string} [group] @returns {Choice} */
const optionChoice = (option, group) => ({
  key: option.value ?? plain(option.text),
  label: plain(option.text),
  detail: option.description ? plain(option.description) : undefined,
  group,
  payload: option,
});

/** @param {string} id @returns {Choice} */
const personChoice = (id) => {
  const known = person(id);
  return {
    key: id,
    label: nameOf(id),
    detail: [known?.title, known && kindOfPerson(known)].filter(Boolean).join(", "),
    picture: () => avatar(id, { size: "tiny" }),
    payload: id,
  };
};

/** @param {string} id @returns {Choice} */
const channelChoice = (id) => {
  const channel = channelOf(id);
  if (channel?.kind === "im") return { ...personChoice(channel.with), key: id, payload: id };
  return {
    key: id,
    label: channel ? channelName(channel) : id,
    picture: () => icon(channel?.kind === "private" ? "lock" : "hash"),
    payload: id,
  };
};

/** @param {Choice[]} choices @param {string} query */
const matching = (choices, query) => {
  const wanted = query.toLowerCase();
  return wanted ? choices.filter((one) => `${one.label} ${one.detail ?? ""} ${one.group ?? ""}`.toLowerCase().includes(wanted)) : choices;
};

/** @param {any} spec */
const blockOptions = (spec) => [
  ...(spec.options ?? []).map((/** @type {any} */ option) => optionChoice(option)),
  ...(spec.option_groups ?? []).flatMap((/** @type {any} */ group) =>
    group.options.map((/** @type {any} */ option) => optionChoice(option, plain(group.label))),
  ),
];

const peopleChoices = () =>
  humans()
    .map((each) => personChoice(each.id))
    .sort((a, b) => a.label.localeCompare(b.label));

/** @param {any} spec */
function conversationChoices(spec) {
  const include = spec.filter?.include ?? (spec.type.includes("channels") ? ["public"] : ["public", "private", "im", "mpim"]);
  const kinds = { channel: "public", private: "private", im: "im" };
  return [...store.channels.values()]
    .filter(
      (channel) =>
        include.includes(/** @type {any} */ (kinds)[channel.kind]) &&
        !(channel.kind === "im" && spec.filter?.exclude_bot_users && person(channel.with)?.is_bot),
    )
    .map((channel) => channelChoice(channel.id))
    .sort((a, b) => a.label.localeCompare(b.label));
}

/** What the app says to a typed query. @param {any} spec @param {import("./context.js").Context} ctx @param {any} block @param {string} query */
async function externalChoices(spec, ctx, block, query) {
  if (query.length < (spec.min_query_length ?? 3)) return [];
  const { type, ...where } = ctx.container;
  try {
    const answer = await get("options", {
      container: JSON.stringify(ctx.container),
      container_type: type,
      ...where,
      block_id: block.block_id,
      action_id: spec.action_id,
      value: query,
    });
    return blockOptions(answer);
  } catch {
    return [];
  }
}

/** Where the value of each kind travels: singular field, plural field, how an initial value becomes a choice. @type {Record<string, [string, string, (value: any) => Choice]>} */
const FIELDS = {
  static: ["selected_option", "selected_options", (option) => optionChoice(option)],
  external: ["selected_option", "selected_options", (option) => optionChoice(option)],
  users: ["selected_user", "selected_users", personChoice],
  channels: ["selected_channel", "selected_channels", channelChoice],
  conversations: ["selected_conversation", "selected_conversations", channelChoice],
};

/** @type {Record<string, [string, string]>} */
const INITIAL = {
  static: ["initial_option", "initial_options"],
  external: ["initial_option", "initial_options"],
  users: ["initial_user", "initial_users"],
  channels: ["initial_channel", "initial_channels"],
  conversations: ["initial_conversation", "initial_conversations"],
};

/** @param {any} spec @param {import("./context.js").Context} ctx @param {any} block @param {{label?: string, id?: string}} [labels] */
export function select(spec, ctx, block, labels = {}) {
  const multiple = spec.type.startsWith("multi_");
  const source = spec.type.replace(/^multi_/, "").replace(/_select$/, "");
  const at = multiple ? 1 : 0;
  const field = /** @type {string} */ (FIELDS[source][at]);
  const asChoice = FIELDS[source][2];
  let first = spec[INITIAL[source][at]] ?? (multiple ? [] : null);
  if (
    source === "conversations" &&
    spec.default_to_current_conversation &&
    (multiple ? first.length === 0 : !first) &&
    ctx.container.channel
  ) {
    first = multiple ? [ctx.container.channel] : ctx.container.channel;
  }
  const known = recall(ctx, block, spec, { [field]: first })[field];
  const current = multiple ? (known ?? []) : known ? [known] : [];
  const placeholder = spec.placeholder ? plain(spec.placeholder) : multiple ? "Select options" : "Select an option";
  const least = spec.min_query_length ?? 3;
  const control = choiceControl({
    label: spec.accessibility_label ?? labels.label ?? placeholder,
    placeholder,
    multiple,
    max: spec.max_selected_items,
    id: labels.id,
    chosen: current.map(asChoice),
    invite: source === "external" && least > 0 ? `Type at least ${least} character${least === 1 ? "" : "s"}` : undefined,
    find: (query) => {
      if (source === "static") return matching(blockOptions(spec), query);
      if (source === "external") return externalChoices(spec, ctx, block, query);
      return matching(source === "users" ? peopleChoices() : conversationChoices(spec), query);
    },
    change: (chosen) => changed(ctx, block, spec, { [field]: multiple ? chosen.map((one) => one.payload) : (chosen[0]?.payload ?? null) }),
  });
  return frame(block, spec, control);
}
