// What cards and hub share on a page. The HTML comes from Python; here it is morphed into the page, so that
// focus, selection, what is folded open and where one has scrolled stay as they are, ten times a second.
// Clocks tick here, and clicks on a button go to Python as {verb, task}.

// One for the page, however many scripts hold a copy of these functions.
const page = (globalThis.hueyJupyter ??= {
  hubs: new Map(), // by name, each with a promise of what it can do
  asked: new Map(), // clicks that the kernel has not heard of, and when they were
});

function hubNamed(name) {
  if (!page.hubs.has(name)) {
    const hub = {};
    hub.promise = new Promise((resolve) => (hub.resolve = resolve));
    page.hubs.set(name, hub);
  }
  return page.hubs.get(name);
}

const PATIENCE = 1000; // milliseconds until a button says why nothing happens

// Put a live card into an element; `hub` is the name of its hub, `send` takes clicks to Python.
function mount(parent, hub, send) {
  const root = document.createElement("div");
  root.className = "hj-root";
  root.dataset.hub = hub;
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take Enter and the arrow keys
  parent.append(root);

  const show = (html, pictures) => {
    const fresh = document.createElement("div");
    fresh.innerHTML = html;
    fillPictures(fresh, pictures);
    for (const fold of fresh.querySelectorAll("details")) fold.dataset.opens = fold.open;
    const isTold = [...page.hubs.values()].some((hub) => hub.isHere);
    if (!isTold) page.asked.clear(); // any news is an answer
    fresh.querySelectorAll("[data-verb]").forEach(markAsked);
    const focused = root.contains(document.activeElement);
    const sticking = [...root.querySelectorAll("[data-stick]")].filter(atBottom);
    morphChildren(root, fresh);
    for (const log of root.querySelectorAll("[data-stick]")) {
      if (sticking.includes(log) || !log.dataset.seen) log.scrollTop = log.scrollHeight;
      log.dataset.seen = "true";
    }
    if (focused && !root.contains(document.activeElement)) {
      root.firstElementChild?.focus({ preventScroll: true });
    }
    tick(root);
    sayLeft(root);
    for (const grid of root.querySelectorAll("[data-squares]")) drawSquares(grid);
    showPicked(root);
  };
  const click = (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.verb) ask(button, send);
    else pick(root, button, send);
  };

  root.addEventListener("click", click);
  root.addEventListener("input", ({ target }) => sayKnob(target));
  root.addEventListener("change", ({ target }) => {
    const { knob } = target.dataset;
    if (knob) send({ verb: "set", task: `${knob}#${target.name}=${target.value}` });
  });
  root.addEventListener("keydown", (event) => {
    if (event.target.dataset.knob) event.stopPropagation(); // JupyterLab would take the arrow keys
    else walk(root, event);
  });
  const timer = setInterval(() => tick(root), 1000);
  const close = () => {
    clearInterval(timer);
    root.remove();
  };
  return { root, show, close };
}

function sayKnob(knob) {
  if (!knob.dataset.knob) return;
  const says = `${knob.value} ${knob.dataset.unit}`;
  knob.setAttribute("aria-valuetext", says);
  if (knob.nextElementSibling) knob.nextElementSibling.textContent = says;
}

// --- clicks: a button says "asked…" until the kernel has heard of it ---

function ask(button, send) {
  if (button.getAttribute("aria-disabled")) return;
  const { verb, task } = button.dataset;
  if (verb === "copy") {
    void copyTraceback(button);
    return;
  }
  page.asked.set(`${verb} ${task}`, Date.now());
  send({ verb, task });
  sameButtons(verb, task).forEach(markAsked);
  setTimeout(() => sameButtons(verb, task).forEach(markAsked), PATIENCE);
}

function heard(verb, task) {
  page.asked.delete(`${verb} ${task}`);
  for (const button of sameButtons(verb, task)) {
    if (!button.dataset.label) continue;
    button.textContent = button.dataset.label;
    button.setAttribute("aria-label", button.dataset.name);
    for (const name of ["aria-disabled", "aria-busy", "data-label", "data-name"]) {
      button.removeAttribute(name);
    }
  }
}

function sameButtons(verb, task) {
  const found = [...document.querySelectorAll(`.hj [data-verb="${CSS.escape(verb)}"]`)];
  return found.filter((button) => button.dataset.task === task);
}

function markAsked(button) {
  const since = page.asked.get(`${button.dataset.verb} ${button.dataset.task}`);
  if (since === undefined) return;
  button.dataset.label ??= button.textContent;
  button.dataset.name ??= button.getAttribute("aria-label") ?? "";
  const late = Date.now() - since >= PATIENCE;
  const says = late ? "will act when the running cell ends" : "asked…";
  if (button.textContent !== says) button.textContent = says;
  button.setAttribute("aria-label", `${button.dataset.name}: ${says}`);
  button.setAttribute("aria-disabled", "true"); // not `disabled`, which would throw the focus away
  button.setAttribute("aria-busy", "true");
}

async function copyTraceback(button) {
  const traceback = button.closest(".hj").querySelector(".hj-traceback pre");
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(traceback?.textContent ?? "");
    button.textContent = "copied";
  } catch {
    button.textContent = "the browser does not let me copy";
  }
  setTimeout(() => (button.textContent = label), 2000);
}

// --- morphing ---


function morph(have, want) {
  if (have.nodeType === Node.TEXT_NODE) {
    if (have.data === want.data) return;
    if (want.data.startsWith(have.data)) have.appendData(want.data.slice(have.data.length));
    else have.data = want.data;
  } else if (have.nodeType === Node.ELEMENT_NODE) {
    morphAttributes(have, want);
    if (!("picked" in have.dataset || "squares" in have.dataset)) morphChildren(have, want);
  }
}

function morphAttributes(have, want) {
  const kept = ["data-seen", "aria-pressed"];
  if (have.localName === "details") {
    // Python says how it opens; from then on it is the reader's, until Python says otherwise.
    if (have.dataset.opens !== want.dataset.opens) have.open = want.open;
    kept.push("open");
  }
  if ("picked" in have.dataset) kept.push("hidden");
  if ("knob" in have.dataset && have !== document.activeElement) have.value = want.getAttribute("value");
  for (const { name } of [...have.attributes]) {
    if (!want.hasAttribute(name) && !kept.includes(name)) have.removeAttribute(name);
  }
  for (const { name, value } of want.attributes) {
    if (have.getAttribute(name) !== value && !kept.includes(name)) have.setAttribute(name, value);
  }
}

function morphChildren(have, want) {
  const keyed = new Map();
  for (const child of have.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
  const wanted = new Set([...want.children].map((child) => child.dataset.key));
  let cursor = have.firstChild;
  for (const next of [...want.childNodes]) {
    const old = keyed.get(next.dataset?.key);
    keyed.delete(next.dataset?.key); // whatever else has the same key is new
    if (old) while (cursor !== old && cursor && !wanted.has(cursor.dataset?.key)) cursor = drop(cursor);
    const match = old ?? cursor;
    if (!match || !alike(match, next)) {
      have.insertBefore(next, cursor);
      continue;
    }
    if (match === cursor) cursor = cursor.nextSibling;
    else have.insertBefore(match, cursor);
    morph(match, next);
  }
  while (cursor) cursor = drop(cursor);
}

function alike(one, other) {
  return one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// A big picture travels once; the HTML names it.
function fillPictures(fresh, pictures) {
  for (const image of fresh.querySelectorAll("img[data-picture]")) {
    image.src = pictures?.[image.dataset.picture] ?? "";
  }
}

function atBottom(log) {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 8;
}

// --- a card whose kernel is gone says so: its clocks stand still, and it has no buttons ---

function leave(root, isGone) {
  if (isGone === "left" in root.dataset) return;
  if (isGone) root.dataset.left = "the kernel is gone: this is what it told last";
  else delete root.dataset.left;
  sayLeft(root);
}

function sayLeft(root) {
  const card = root.querySelector(".hj");
  card?.querySelector(":scope > .hj-left")?.remove();
  if (!card || !("left" in root.dataset)) return;
  const line = document.createElement("div");
  line.className = "hj-band hj-more hj-left";
  line.textContent = root.dataset.left;
  card.append(line);
}

// --- clocks ---

function tick(root) {
  if ("left" in root.dataset) return;
  const now = Date.now() / 1000;
  for (const time of root.querySelectorAll("time")) {
    const { since, until } = time.dataset;
    if (since) time.textContent = clock(now - since);
    else if (until) time.textContent = clock(until - now);
  }
  for (const later of root.querySelectorAll("[data-after]")) {
    later.hidden = now < Number(later.dataset.after);
  }
}

function clock(seconds) {
  const whole = Math.floor(Math.max(0, seconds));
  const [days, hours] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24];
  const minutes = Math.floor(whole / 60) % 60;
  const two = (number) => String(number).padStart(2, "0");
  const small = `:${two(whole % 60)}`;
  if (!days && !hours) return minutes + small;
  return `${days ? `${days} d ` : ""}${hours}:${two(minutes)}${small}`;
}

// --- the squares of a group: one of them in the tab order, arrows move on, the chosen one is told ---

// A square travels as a letter, which the legend explains, and how long the task took.
function drawSquares(grid) {
  const legend = JSON.parse(grid.dataset.legend);
  const codes = grid.dataset.squares.split("|");
  while (grid.children.length > codes.length) grid.lastChild.remove();
  codes.forEach((code, index) => {
    const square = grid.children[index] ?? grid.appendChild(newSquare(index));
    if (square.dataset.code === code) return;
    const [tone, shape, word] = legend[code[0]];
    const spent = code.length > 1 ? ` · ${code.slice(1)}` : "";
    square.dataset.code = code;
    square.className = `hj-square hj-square-${tone}`;
    square.textContent = shape;
    square.title = `task ${index + 1} · ${word}${spent}`;
    square.setAttribute("aria-label", square.title);
  });
}

function newSquare(index) {
  const square = document.createElement("button");
  square.type = "button";
  square.tabIndex = index ? -1 : 0;
  return square;
}

// What is known of the chosen square is shown at once; Python tells the rest, and forgets it when asked again.
function pick(root, square, send) {
  const old = root.querySelector("[aria-pressed=true]");
  old?.setAttribute("aria-pressed", "false");
  if (old !== square) square.setAttribute("aria-pressed", "true");
  showPicked(root);
  const group = square.closest("[data-task]").dataset.task;
  const number = [...square.parentElement.children].indexOf(square) + 1;
  send({ verb: "pick", task: `${group}#${number}` });
}

function showPicked(root) {
  const line = root.querySelector("[data-picked]");
  if (!line) return;
  const square = root.querySelector("[aria-pressed=true]");
  const number = square ? [...square.parentElement.children].indexOf(square) + 1 : 0;
  line.hidden = !square || !!root.querySelector(`[data-about="${number}"]`);
  const text = square ? square.title : "";
  if (line.textContent !== text) line.textContent = text;
}

function walk(root, event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const square = event.target.closest("[data-squares] > button");
  if (!step || !square) return;
  const squares = [...square.parentElement.children];
  const next = squares[squares.indexOf(square) + step];
  if (!next) return;
  square.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  event.preventDefault();
}
