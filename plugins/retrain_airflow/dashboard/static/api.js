// The REST API, asked with the session that the page has. Raises Problem for what it refuses.

const root = new URL("api/experiments/", document.baseURI);

export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail ? `${title}: ${detail}` : title);
    this.status = status;
  }
}

// Each part of a path is text: a model may be called `a/b?`.
export const path = (...parts) => parts.map(encodeURIComponent).join("/");

export const address = (relative) => new URL(relative, root).href;

export const get = (relative) => ask(relative, {});

// key: sent again with the same, it is done once.
export const post = (relative, body, key) =>
  ask(relative, {
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...(key ? { "Idempotency-Key": key } : {}) },
    method: "POST",
  });

async function ask(relative, how) {
  let answer;
  try {
    answer = await fetch(address(relative), { credentials: "same-origin", ...how });
  } catch {
    throw new Problem(0, "Airflow does not answer");
  }
  if (answer.status === 401) {
    const next = new URLSearchParams({ next: location.href });
    location.replace(new URL(`api/v2/auth/login?${next}`, document.baseURI));
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Problem(answer.status, told.title ?? `Status ${answer.status}`, told.detail ?? "");
  }
  return answer.json();
}
