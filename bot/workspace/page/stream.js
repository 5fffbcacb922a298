/** Server-sent events: applies what happens, and after a gap asks for everything anew. */
import { session } from "./api.js";
import { emit, receive, remove, setChannel, setReactions, store } from "./state.js";

/** @type {EventSource | null} */
let source = null;
/** @type {number | undefined} */
let retry;
let delay = 500;

/** @param {any} event */
function apply(event) {
  switch (event.type) {
    case "message":
      receive(event.channel, event.message, true);
      break;
    case "ephemeral":
      receive(event.channel, { ...event.message, is_ephemeral: true }, true);
      break;
    case "changed":
      receive(event.channel, event.message, false);
      break;
    case "deleted":
      remove(event.channel, event.ts);
      break;
    case "reaction":
      setReactions(event.channel, event.ts, event.reactions);
      break;
    case "channel":
      setChannel(event.channel);
      break;
    case "unread":
      if (store.channels.has(event.channel)) setChannel({ id: event.channel, unread: event.unread, mention_count: event.mention_count });
      break;
    case "home":
      store.homes.set(event.app_id, event.view);
      emit("home", event);
      break;
    case "reset":
      emit("reset");
      break;
    default:
      emit(event.type, event);
  }
}

/** Listen as the present person. @returns {Promise<boolean>} whether the server is there */
export function listen() {
  stop();
  const mine = new EventSource(`/ui/stream?as=${encodeURIComponent(session.me)}`);
  source = mine;
  /** @type {(there: boolean) => void} */
  let settle = () => undefined;
  const answer = new Promise((resolve) => {
    settle = resolve;
  });
  mine.onopen = () => {
    delay = 500;
    emit("connection", true);
    settle(true);
  };
  mine.onmessage = (message) => {
    try {
      apply(JSON.parse(message.data));
    } catch (error) {
      console.error("An event could not be applied", error);
    }
  };
  mine.onerror = () => {
    mine.close();
    if (source !== mine) return;
    emit("connection", false);
    retry = setTimeout(() => emit("reconnect"), delay);
    delay = Math.min(delay * 2, 8000);
    settle(false);
  };
  return answer;
}

export function stop() {
  clearTimeout(retry);
  source?.close();
  source = null;
}
