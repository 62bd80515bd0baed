// What a component knows from the server, and when it asks again.
import { address, get, path } from "./api.js";
import { useCallback, useEffect, useState } from "./react.js";

// The response to a GET, asked for every `seconds`; the last value stays while a later request fails.
export function usePolled(relative, seconds) {
  const [known, setKnown] = useState({ at: null, problem: null, value: null });
  const look = useCallback(async () => {
    if (relative === null) return;
    try {
      const value = await get(relative);
      setKnown({ at: Date.now(), problem: null, value });
    } catch (problem) {
      setKnown((before) => ({ ...before, problem }));
    }
  }, [relative]);
  useEffect(() => {
    setKnown({ at: null, problem: null, value: null });
  }, [relative]);
  useEffect(() => {
    look();
    const again = setInterval(() => document.hidden || look(), seconds * 1000);
    return () => clearInterval(again);
  }, [look, seconds]);
  return { ...known, look };
}

// The points of a run's metrics while they are logged: { [name]: [{ step, value, timestamp }] }.
export function useMetrics(runId) {
  const [points, setPoints] = useState({});
  useEffect(() => {
    setPoints({});
    return streams.open(() => {
      const source = new EventSource(address(path("runs", runId, "stream")), { withCredentials: true });
      source.addEventListener("metrics", (event) => {
        const added = JSON.parse(event.data);
        setPoints((before) => withPoints(before, added));
      });
      source.addEventListener("end", () => streams.end(source));
      return source;
    });
  }, [runId]);
  return points;
}

// A browser opens six connections to a server, and the page needs some of them: further runs wait for their turn.
const streams = {
  most: 3,
  sources: new Set(),
  waiting: new Set(),

  // Returns a function that closes the stream, or ends its wait.
  open(begin) {
    const turn = { begin, source: null };
    this.waiting.add(turn);
    this.next();
    return () => {
      this.waiting.delete(turn);
      this.end(turn.source);
    };
  },

  end(source) {
    source?.close();
    this.sources.delete(source);
    this.next();
  },

  next() {
    for (const turn of this.waiting) {
      if (this.sources.size >= this.most) return;
      this.waiting.delete(turn);
      turn.source = turn.begin();
      this.sources.add(turn.source);
    }
  },
};

// Each point comes at least once. There may be thousands: they are sorted once for all that come together.
function withPoints(points, added) {
  const known = {};
  for (const { key, step, timestamp, value } of added) {
    known[key] ??= new Map((points[key] ?? []).map((each) => [placeOf(each), each]));
    known[key].set(placeOf({ step, timestamp }), { step, timestamp, value });
  }
  const sorted = Object.entries(known).map(([key, all]) => [
    key,
    [...all.values()].sort((a, b) => a.step - b.step || a.timestamp - b.timestamp),
  ]);
  return { ...points, ...Object.fromEntries(sorted) };
}

const placeOf = ({ step, timestamp }) => `${step} ${timestamp}`;
