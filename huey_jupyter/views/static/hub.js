// The hub brings all cards of a notebook their news in one message. It is never seen itself. Finished
// cards are plain HTML that is saved without buttons; while the kernel lives, the hub puts them there.

const EARLY = 50; // news kept for a card that is not on the page yet

function initialize({ model }) {
  const cards = new Map(); // by the name of its model
  const early = new Map();
  const own = new Set(); // what was added to finished cards
  const mounted = new Map(); // cards that run again where the page has plain HTML
  let offers = { ...model.get("offers") };
  let dead = false;

  // --- news ---

  const take = (name, news) => {
    const card = cards.get(name);
    if (!card) {
      const kept = news.html === undefined ? (early.get(name) ?? []) : [];
      early.set(name, [...kept, news].slice(-EARLY));
      return;
    }
    if (news.version <= card.version) return;
    if (news.html === undefined && news.version !== card.version + 1) {
      model.send({ missing: name });
      return;
    }
    card.version = news.version;
    card.run = news.run;
    card.pieces = news.html === undefined ? patch(card.pieces, news.changes) : cut(news.html);
    card.html = card.pieces.join("");
    card.pictures = named({ ...card.pictures, ...news.pictures }, card.html);
    card.tell(card);
    goOn(card);
  };
  const join = (name, card) => {
    cards.set(name, { ...card, pieces: cut(card.html) });
    for (const news of early.get(name) ?? []) take(name, news);
    early.delete(name);
    sweepSoon();
    return () => cards.delete(name);
  };
  const hear = (message) => {
    for (const [verb, task] of message.heard ?? []) heard(verb, task);
    for (const [name, news] of Object.entries(message.cards ?? {})) take(name, news);
    if (message.expects) void askForNotices();
    for (const text of message.notify ?? []) notify(text);
    if (!message.offers) return;
    for (const [task, row] of Object.entries(message.offers)) {
      if (row.length) offers[task] = row;
      else delete offers[task];
    }
    sweepSoon();
  };

  // --- finished cards on the page ---

  const goOn = (card) => {
    if (!card.run) return;
    for (const element of finished(card.key)) {
      if (Number(element.dataset.run ?? 0) >= card.run) continue; // it is newer than what it tells
      if (!mounted.has(element)) {
        const send = (message) => model.send(message);
        mounted.set(element, mount(element.parentElement, model.get("name"), send));
        element.hidden = true;
        element.style.display = "none";
      }
      mounted.get(element).show(card.html, card.pictures);
    }
  };
  const sweep = () => {
    for (const [element, live] of mounted) {
      if (element.isConnected) continue;
      live.close();
      mounted.delete(element);
    }
    for (const row of own) if (!row.isConnected) own.delete(row);
    const living = isAlive();
    if (living) cards.forEach(goOn);
    for (const element of finished()) {
      const wanted = living && !mounted.has(element) ? (offers[element.dataset.task] ?? []) : [];
      offer(element, wanted, own, (message) => model.send(message));
    }
    for (const root of document.querySelectorAll(".hj-root")) {
      if (root.dataset.hub === model.get("name")) leave(root, !living);
    }
  };
  let timer = null;
  const sweepSoon = () => {
    timer ??= setTimeout(() => {
      timer = null;
      sweep();
    }, 30);
  };
  const observer = new MutationObserver((records) => {
    const news = (record) => record.addedNodes.length && !record.target.closest?.(".hj, .hj-root");
    if (records.some(news)) sweepSoon();
  });

  // --- whether the kernel lives ---

  const kernel = model.widget_manager?.kernel;
  const isAlive = () => {
    if (dead || kernel?.isDisposed) return false;
    const lost = ["dead", "restarting", "autorestarting", "terminating"].includes(kernel?.status);
    return !lost && (kernel?.connectionStatus ?? "connected") === "connected";
  };
  const lookWhetherAlive = async () => {
    const self = await model.widget_manager?.get_model?.(model.get("name"));
    dead = dead || self?.comm_live === false;
    sweepSoon();
  };
  const signals = [kernel?.statusChanged, kernel?.connectionStatusChanged, kernel?.disposed];
  const end = () => {
    dead = true;
    clearTimeout(timer);
    sweep();
    observer.disconnect();
    for (const signal of signals) signal?.disconnect(sweepSoon);
    page.hubs.delete(model.get("name"));
  };

  model.on("msg:custom", hear);
  model.on("comm_live_update", lookWhetherAlive);
  for (const signal of signals) signal?.connect(sweepSoon);
  observer.observe(document.body, { childList: true, subtree: true });
  const place = hubNamed(model.get("name"));
  place.isHere = true;
  place.resolve({ join });
  addStyle(model.get("_css"));
  sweepSoon();
  return end;
}

// --- pieces, as in deltas.py ---

function cut(html) {
  return html.match(/[^\n|]*[\n|]|[^\n|]+$/g) ?? [];
}

function patch(pieces, changes) {
  const patched = [...pieces];
  for (const [start, removed, text] of [...changes].reverse()) {
    patched.splice(start, removed, ...cut(text));
  }
  return patched;
}

// Keep the pictures that the HTML still names.
function named(pictures, html) {
  return Object.fromEntries(Object.entries(pictures).filter(([key]) => html.includes(key)));
}

// --- notices: by the system if the page may, else in the title until the reader is back ---

const BACK = ["focus", "pointermove", "keydown"];

async function askForNotices() {
  if (globalThis.Notification?.permission !== "default") return;
  try {
    await Notification.requestPermission();
  } catch {
    // a browser may want a click for that: the title will do
  }
}

function notify(text) {
  try {
    if (globalThis.Notification?.permission !== "granted") throw new Error("may not");
    const notice = new Notification(text, { tag: text });
    notice.onclick = () => window.focus();
  } catch {
    flash(text); // some browsers show notices to no page
  }
}

function flash(text) {
  page.notice = text;
  if (page.flashing) return;
  let title = document.title;
  const blink = () => {
    if (document.title === page.notice) {
      document.title = title;
    } else {
      title = document.title;
      document.title = page.notice;
    }
  };
  const calm = () => {
    clearInterval(page.flashing);
    page.flashing = null;
    if (document.title === page.notice) document.title = title;
    for (const sign of BACK) window.removeEventListener(sign, calm, true);
  };
  page.flashing = setInterval(blink, 1000);
  blink();
  for (const sign of BACK) window.addEventListener(sign, calm, true);
}

// --- buttons on plain HTML ---

function finished(task) {
  const all = [...document.querySelectorAll(".hj[data-task]")];
  return all.filter((one) => !one.closest(".hj-root") && (!task || one.dataset.task === task));
}

function offer(element, wanted, own, send) {
  const code = JSON.stringify(wanted);
  const old = [...own].find((row) => element.contains(row));
  if (old?.dataset.offers === code || (!old && !wanted.length)) return;
  if (old) own.delete(old);
  old?.remove();
  if (!wanted.length) return;
  const row = document.createElement("span");
  row.className = "hj-offers";
  row.dataset.offers = code;
  row.dataset.lmSuppressShortcuts = "true";
  for (const [verb, label] of wanted) row.append(newButton(element, verb, label));
  row.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) ask(button, send);
  });
  (element.querySelector(".hj-head") ?? element).append(row);
  own.add(row);
}

function newButton(element, verb, label) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "hj-button";
  button.textContent = label;
  Object.assign(button.dataset, { verb, task: element.dataset.task });
  const title = element.querySelector(".hj-title")?.textContent ?? "";
  button.setAttribute("aria-label", `${label} ${title}`.trim());
  markAsked(button);
  return button;
}

// A page loaded anew has no live card that would bring the stylesheet.
function addStyle(css) {
  if (document.querySelector("style[data-huey-jupyter]")) return;
  const style = document.createElement("style");
  style.dataset.hueyJupyter = "";
  style.textContent = css;
  document.head.append(style);
}

export default { initialize };
