// Ask an address again and again, and tell when its answer changed: by ETag, with jitter, slower where nothing
// happens, not at all while nobody looks.

const FAST_MS = 1000;
const SLOWEST_MS = 10_000;
const SLOWEST_AFTER_ERRORS_MS = 30_000;
const GROWTH = 1.5;

// Says on the page that the server does not answer, where the page has a place for it.
function showSilence(isSilent) {
  const notice = document.getElementById("silent");
  if (notice) notice.hidden = !isSilent;
}

const jittered = (ms) => ms * (0.75 + Math.random() / 2);

// `where()` gives the address, or null when there is nothing left to follow; `changed(document)` is told of each
// answer that differs from the last, and returns whether something runs, so that asking often is worth it.
export function follow(where, changed) {
  let delay = FAST_MS;
  let etag = null;
  let asked = null;
  let timer = 0;

  async function ask() {
    const address = where();
    if (address === null) return;
    if (address !== asked) etag = null;
    asked = address;
    try {
      const answer = await fetch(address, { cache: "no-store", headers: etag ? { "If-None-Match": etag } : {} });
      if (answer.status === 401 || answer.status === 404) return location.reload();
      if (answer.status === 304) {
        delay = Math.min(delay * GROWTH, SLOWEST_MS);
      } else if (answer.ok) {
        etag = answer.headers.get("ETag");
        const runs = await changed(await answer.json());
        delay = runs ? FAST_MS : Math.min(delay * GROWTH, SLOWEST_MS);
      } else {
        throw new Error(`answer ${answer.status}`);
      }
      showSilence(false);
    } catch {
      showSilence(true);
      delay = Math.min(delay * 2, SLOWEST_AFTER_ERRORS_MS);
    }
    next();
  }

  function next() {
    clearTimeout(timer);
    if (!document.hidden && where() !== null) timer = setTimeout(ask, jittered(delay));
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) return;
    delay = FAST_MS;
    ask();
  });
  next();
}

// Fetch a page of ours and return it parsed; null if it cannot be had now.
export async function fetchPage(address) {
  const answer = await fetch(address, { cache: "no-store" });
  return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
}
