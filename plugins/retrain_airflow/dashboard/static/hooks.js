// What a component knows of the server, and when it looks again.
import { address, get, path } from "./api.js";
import { useCallback, useEffect, useState } from "./react.js";

// The answer of a GET, looked for every `seconds`; what was known stays while a later look fails.
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

// Points of a run's metrics as they are logged: { [name]: [{ step, value, timestamp }] }.
export function useMetrics(runId) {
  const [points, setPoints] = useState({});
  useEffect(() => {
    setPoints({});
    return streams.open(() => {
      const source = new EventSource(address(path("runs", runId, "stream")), { withCredentials: true });
      source.addEventListener("metrics", (event) => {
        const come = JSON.parse(event.data);
        setPoints((before) => come.reduce(withPoint, before));
      });
      source.addEventListener("end", () => streams.end(source));
      return source;
    });
  }, [runId]);
  return points;
}

// A browser has six connections to a server, and the page needs some for all else: the other runs wait for their turn.
const streams = {
  most: 3,
  sources: new Set(),
  waiting: new Set(),

  // Gives what ends it, or its waiting.
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

// Each point comes at least once.
function withPoint(points, { key, step, timestamp, value }) {
  const others = (points[key] ?? []).filter((each) => each.step !== step || each.timestamp !== timestamp);
  const all = [...others, { step, timestamp, value }].sort((a, b) => a.step - b.step || a.timestamp - b.timestamp);
  return { ...points, [key]: all };
}
