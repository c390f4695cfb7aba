"use strict";
// Follows the WebSocket beside this page's address. Output is only ever put into text nodes.
(() => {
  const MOST_LINES = 10000;
  const MOST_WAITING = 50;  // frames, of at most 64 KiB of output each
  const PAINT_MS = 50;
  const LONGEST_LINE = 20000; // characters; what is longer is shown as several lines
  const FIRST_PAUSE_MS = 500;
  const LONGEST_PAUSE_MS = 10000;

  const byId = (id) => document.getElementById(id);
  const [output, scroller, state, detail, cut, followButton] =
    ["output", "scroll", "state", "detail", "cut", "follow"].map(byId);

  let position = null;       // of the last frame: we go on from there
  let executionId = null;
  const partial = {};        // per stream: the line that has no end yet
  let follows = true;
  let pauseMs = FIRST_PAUSE_MS;
  let waiting = [];          // frames that came since the last painting

  const base = location.pathname.replace(/\/stream\/?$/, "");
  byId("whole").href = base + "/logs/";

  function address() {
    const query = new URLSearchParams({ format: "json" });
    if (position) query.set("position", position); else query.set("tail", MOST_LINES);
    return location.origin.replace(/^http/, "ws") + base + "/ws/?" + query;
  }

  function connect() {
    const socket = new WebSocket(address());
    socket.onmessage = (message) => {
      pauseMs = FIRST_PAUSE_MS;
      const frame = JSON.parse(message.data);
      if (frame.position) position = frame.position;
      if (waiting.push(frame) === 1) setTimeout(paint, PAINT_MS);
      if (waiting.length >= MOST_WAITING) paint(); // a hidden page's timers are slow
    };
    socket.onclose = (event) => {
      if (event.reason === "done") return;
      const pause = event.code === 1000 ? FIRST_PAUSE_MS : pauseMs * (0.5 + Math.random());
      if (event.code !== 1000) {
        detail.textContent = "connection lost, trying again";
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
      setTimeout(connect, pause);
    };
  }

  function paint() {
    const frames = waiting;
    waiting = [];
    for (const frame of frames) {
      if (frame.stream) write(frame.stream, frame.text); else tell(frame);
      trim();
    }
    if (follows) scroller.scrollTop = scroller.scrollHeight;
  }

  function write(stream, text) {
    const lines = text.split("\n");
    lines.forEach((line, number) => {
      const ends = number < lines.length - 1;
      if (line === "" && !ends) return;
      append(stream, line);
      if (ends) delete partial[stream];
    });
  }

  // Adds to the stream's open line; begins one where it has none.
  function append(stream, text) {
    for (let first = 0; first === 0 || first < text.length; first += LONGEST_LINE) {
      const piece = text.slice(first, first + LONGEST_LINE);
      const open = partial[stream];
      if (open && open.isConnected && open.lastChild.length + piece.length <= LONGEST_LINE) {
        open.lastChild.appendData(piece);
      } else {
        partial[stream] = newLine(stream, piece);
      }
    }
  }

  function newLine(kind, text) {
    const line = document.createElement("div");
    line.className = kind;
    if (kind === "stderr") {
      const spoken = document.createElement("span");
      spoken.className = "spoken";
      spoken.textContent = "stderr: ";
      line.append(spoken);
    }
    line.append(document.createTextNode(text));
    output.append(line);
    return line;
  }

  function tell(frame) {
    if (executionId && frame.executionId !== executionId) {
      for (const stream of Object.keys(partial)) delete partial[stream];
      newLine("note", `attempt ${frame.attempt}, execution ${frame.executionId}`);
    }
    executionId = frame.executionId;
    state.textContent = frame.state;
    state.dataset.state = frame.state;
    const words = [];
    if (frame.exitCode !== null) words.push(`exit code ${frame.exitCode}`);
    if (frame.reason) words.push(frame.reason);
    if (frame.nextExecutionId) words.push("another attempt follows");
    detail.textContent = words.join(", ");
  }

  function trim() {
    const excess = output.childElementCount - MOST_LINES;
    if (excess >= 0) cut.hidden = false;
    if (excess <= 0) return;
    const range = document.createRange();
    range.setStart(output, 0);
    range.setEnd(output, excess);
    range.deleteContents();
  }

  function setFollows(wanted) {
    follows = wanted;
    followButton.setAttribute("aria-pressed", String(wanted));
    if (wanted) scroller.scrollTop = scroller.scrollHeight;
  }

  scroller.addEventListener("scroll", () => {
    const atEnd = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - 4;
    if (atEnd !== follows) setFollows(atEnd);
  });
  followButton.addEventListener("click", () => setFollows(!follows));
  for (const stream of ["stdout", "stderr"]) {
    byId(stream).addEventListener("change", (event) => {
      output.classList.toggle("no-" + stream, !event.target.checked);
    });
  }
  connect();
})();
