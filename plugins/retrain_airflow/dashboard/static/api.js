// Calls to the REST API with the page's session. Throws Problem for what the API refuses.

const root = new URL("api/experiments/", document.baseURI);

export class Problem extends Error {
  constructor(status, title, detail) {
    super(detail ? `${title}: ${detail}` : title);
    this.status = status;
  }
}

// Each part is quoted: a model may be called `a/b?`.
export const path = (...parts) => parts.map(encodeURIComponent).join("/");

export const address = (relative) => new URL(relative, root).href;

export const get = (relative) => ask(relative, {});

// key: requests with the same key are carried out once.
export const post = (relative, body, key) =>
  ask(relative, {
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...(key ? { "Idempotency-Key": key } : {}) },
    method: "POST",
  });

async function ask(relative, options) {
  let response;
  try {
    response = await fetch(address(relative), { credentials: "same-origin", ...options });
  } catch {
    throw new Problem(0, "Airflow does not answer");
  }
  if (response.status === 401) {
    const next = new URLSearchParams({ next: location.href });
    location.replace(new URL(`api/v2/auth/login?${next}`, document.baseURI));
  }
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Problem(response.status, problem.title ?? `Status ${response.status}`, problem.detail ?? "");
  }
  return response.json();
}
