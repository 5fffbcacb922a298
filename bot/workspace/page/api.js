/** The page's requests to its own server, each in the name of the person looking. */

/** Who looks; set once per load by the store. */
export const session = { me: "" };

/** The server could not be reached or answered with an error status. */
export class ServerAway extends Error {}

/** @param {Response} response */
async function readJson(response) {
  const body = await response.json().catch(() => null);
  if (!response.ok && (body === null || body.error === undefined)) throw new ServerAway(`The server answered ${response.status}.`);
  return body ?? {};
}

/** @param {string} path @param {Record<string, string | number | undefined | null>} query */
export async function get(path, query = {}) {
  const search = new URLSearchParams({ as: session.me });
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== null) search.set(name, String(value));
  try {
    return await readJson(await fetch(`/ui/${path}?${search}`, { headers: { accept: "application/json" } }));
  } catch (error) {
    throw error instanceof ServerAway ? error : new ServerAway("The server did not answer.");
  }
}

/**
 * A change. Never throws: trouble comes back as `{ok: false, error}` in words a person can read.
 * @param {string} path @param {Record<string, any>} body @returns {Promise<any>}
 */
export async function post(path, body) {
  try {
    const response = await fetch(`/ui/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ as: session.me, ...body }),
    });
    return await readJson(response);
  } catch (error) {
    return { ok: false, error: error instanceof ServerAway ? error.message : "The server did not answer. Nothing was sent." };
  }
}
