/** What the page knows: the workspace as one person sees it, kept in step by the stream. */
import { get, session } from "./api.js";

/** @typedef {{messages: any[], hasMore: boolean, loaded: boolean}} Conversation */

/** @type {{team: any, me: string, people: Map<string, any>, channels: Map<string, any>, apps: any[], usergroups: any[], demo: any, conversations: Map<string, Conversation>, threads: Map<string, any[]>, homes: Map<string, any>}} */
export const store = {
  team: { name: "" },
  me: "",
  people: new Map(),
  channels: new Map(),
  apps: [],
  usergroups: [],
  demo: null,
  conversations: new Map(),
  threads: new Map(),
  homes: new Map(),
};

/** @type {Map<string, Set<(detail: any) => void>>} */
const listeners = new Map();

/** @param {string} topic @param {(detail: any) => void} listener */
export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic)?.add(listener);
}

/** @param {string} topic @param {any} [detail] */
export function emit(topic, detail) {
  for (const listener of listeners.get(topic) ?? []) listener(detail);
}

const byTs = (/** @type {any} */ a, /** @type {any} */ b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0);

/** Read everything anew as one person. @param {string} me */
export async function load(me) {
  session.me = me;
  const state = await get("state");
  session.me = state.me ?? me;
  store.me = session.me;
  store.team = state.team ?? { name: "Workspace" };
  store.people = new Map((state.people ?? []).map((/** @type {any} */ person) => [person.id, person]));
  store.channels = new Map((state.channels ?? []).map((/** @type {any} */ channel) => [channel.id, channel]));
  store.apps = state.apps ?? [];
  store.usergroups = state.usergroups ?? [];
  store.demo = state.demo ?? null;
  store.conversations.clear();
  store.threads.clear();
  store.homes.clear();
  emit("state");
}

/** @param {string} id @returns {any} */
export const person = (id) => store.people.get(id);
/** @param {string} id @returns {any} */
export const channelOf = (id) => store.channels.get(id);
/** @param {string} id @returns {any} */
export const appOf = (id) => store.apps.find((app) => app.id === id);
/** @param {string} userId @returns {any} */
export const appOfBot = (userId) => store.apps.find((app) => app.bot_user_id === userId);

/** @param {string} id @returns {Conversation} */
export function conversation(id) {
  let known = store.conversations.get(id);
  if (!known) store.conversations.set(id, (known = { messages: [], hasMore: true, loaded: false }));
  return known;
}

/** Load the newest page, or the page before the oldest known message. @param {string} id @param {boolean} older */
export async function loadHistory(id, older = false) {
  const place = conversation(id);
  const before = older && place.messages.length ? place.messages[0].ts : null;
  const page = await get("history", { channel: id, before, limit: 50 });
  const known = new Map(place.messages.map((message) => [message.ts, message]));
  for (const message of page.messages ?? []) if (!known.has(message.ts)) known.set(message.ts, message);
  place.messages = [...known.values()].sort(byTs);
  place.hasMore = Boolean(page.has_more);
  place.loaded = true;
  emit("conversation", { channel: id });
}

const threadKey = (/** @type {string} */ channel, /** @type {string} */ ts) => `${channel}/${ts}`;

/** @param {string} channel @param {string} ts @returns {any[] | undefined} */
export const threadOf = (channel, ts) => store.threads.get(threadKey(channel, ts));

/** @param {string} channel @param {string} ts */
export async function loadThread(channel, ts) {
  const key = threadKey(channel, ts);
  if (!store.threads.has(key)) store.threads.set(key, []); // what arrives meanwhile is kept
  const page = await get("thread", { channel, ts });
  const known = new Map((page.messages ?? []).map((/** @type {any} */ message) => [message.ts, message]));
  for (const message of store.threads.get(key) ?? []) if (!known.has(message.ts)) known.set(message.ts, message);
  store.threads.set(key, [...known.values()].sort(byTs));
  emit("thread", { channel, ts });
}

/** @param {any[]} list @param {any} message */
function put(list, message) {
  const at = list.findIndex((known) => known.ts === message.ts);
  if (at >= 0) list[at] = message;
  else {
    list.push(message);
    list.sort(byTs);
  }
}

const isReply = (/** @type {any} */ message) => Boolean(message.thread_ts) && message.thread_ts !== message.ts;

/** A root learns of a reply that its server copy may not mention yet. @param {string} channel @param {any} reply */
function countReply(channel, reply) {
  const place = store.conversations.get(channel);
  const at = place?.messages.findIndex((message) => message.ts === reply.thread_ts) ?? -1;
  if (!place || at < 0 || reply.is_ephemeral) return;
  const root = place.messages[at];
  if ((root.latest_reply ?? "") >= reply.ts) return;
  const users = [...new Set([...(root.reply_users ?? []), reply.user])];
  place.messages[at] = {
    ...root,
    thread_ts: root.ts,
    reply_count: (root.reply_count ?? 0) + 1,
    reply_users: users,
    latest_reply: reply.ts,
  };
}

/** New or changed message. @param {string} channel @param {any} message @param {boolean} fresh */
export function receive(channel, message, fresh) {
  const root = message.thread_ts ?? message.ts;
  const thread = store.threads.get(threadKey(channel, root));
  if (thread) put(thread, message);
  const place = store.conversations.get(channel);
  if (place && (!isReply(message) || message.subtype === "thread_broadcast")) {
    const oldest = place.messages[0]?.ts ?? "";
    if (message.ts >= oldest || !place.hasMore) put(place.messages, message);
  }
  if (isReply(message) && fresh) countReply(channel, message);
  emit("thread", { channel, ts: root });
  emit("conversation", { channel, message, fresh });
}

/** @param {string} channel @param {string} ts */
export function remove(channel, ts) {
  const place = store.conversations.get(channel);
  if (place) place.messages = place.messages.filter((message) => message.ts !== ts);
  for (const [key, messages] of store.threads) {
    if (!key.startsWith(`${channel}/`)) continue;
    store.threads.set(
      key,
      messages.filter((message) => message.ts !== ts),
    );
    emit("thread", { channel, ts: key.slice(channel.length + 1) });
  }
  emit("conversation", { channel });
}

/** @param {string} channel @param {string} ts @param {any[]} reactions */
export function setReactions(channel, ts, reactions) {
  const lists = [store.conversations.get(channel)?.messages ?? []];
  for (const [key, messages] of store.threads) if (key.startsWith(`${channel}/`)) lists.push(messages);
  for (const list of lists) {
    const at = list.findIndex((message) => message.ts === ts);
    if (at >= 0) list[at] = { ...list[at], reactions };
    if (at >= 0) emit("thread", { channel, ts: list[at].thread_ts ?? ts });
  }
  emit("conversation", { channel });
}

/** @param {any} channel */
export function setChannel(channel) {
  store.channels.set(channel.id, { ...store.channels.get(channel.id), ...channel });
  emit("channels");
}
