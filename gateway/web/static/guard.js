"use strict";
// In every page of a system: who is signed on, a warning before the session locks, and a cover over what is not this session's.
// The top window of the origin (the chief) draws and asks; frames report to it. What is served has no comments and no indent.
(() => {
  const tag = document.currentScript, me = self, ask = me.fetch, doc = document, root = doc.documentElement;
  if (me.lanyardGuard || !tag || me.origin == "null") return;
  const {session: mark, main, about} = tag.dataset;
  let top = me;
  try { while (top != top.parent && top.parent.document) top = top.parent; } catch {}
  const chief = me.lanyardGuard = top.lanyardGuard || {marks: new Set()};
  const fresh = !chief.marks.has(mark);
  chief.marks.add(mark);
  const on = (types, does, at = me) => types.split(" ").forEach(type => at.addEventListener(type, does, true));
  // A covered page takes nothing and sends nothing; what a person does in an open one is activity.
  on("submit click auxclick beforeinput paste drop keydown keyup keypress", e => {
    if (!chief.covered) return;
    // It would close a dialog of the page, wherever the focus is.
    if (e.key == "Escape") e.preventDefault();
    if (e.target == chief.host) return;
    if (e.type[0] != "k") e.preventDefault();
    e.stopImmediatePropagation();
  });
  on("input", e => { if (e.isTrusted && !chief.covered) chief.dirty = true; });
  on("submit", () => { if (!chief.covered) chief.dirty = false; });
  on("keydown pointerdown wheel input", e => { if (e.isTrusted && !chief.covered) chief.busy(); });
  // A form says whose page it leaves: another tab may have brought the system to somebody else since.
  on("formdata", () => { doc.cookie = `__Host-lanyard-at=${about || ""};path=/;secure;samesite=strict;max-age=9`; });
  if (me.navigation) on("navigate", e => { if (chief.covered && e.cancelable && !chief.leaving) e.preventDefault(); }, navigation);
  else {
    const forms = HTMLFormElement.prototype, {submit} = forms;
    forms.submit = function () { chief.covered || submit.call(this); };
  }
  if (chief.host) {
    on("load scrollend", () => chief.settle());
    if (fresh) chief.look("state");
    return;
  }

  const make = (name, into, words = {}) => { const made = doc.createElement(name); into.append(Object.assign(made, words)); return made; };
  const sheet = css => { const made = new CSSStyleSheet(); made.replaceSync(css); return made; };
  const host = chief.host = make("lanyard-guard", root), shadow = host.attachShadow({mode: "open"});
  shadow.adoptedStyleSheets = [sheet(`:host{all:initial!important}
*{font:16px/1.5 Arial,sans-serif;color:#212b32;box-sizing:border-box}
aside{position:fixed;z-index:2147483647;background:#fff;border:2px solid #005eb8;padding:0 8px;font-size:14px;max-width:100vw}
aside *{font-size:14px}
a{color:#005eb8;display:inline-block;min-height:24px;margin-left:8px}
button,.go{background:#007f3b;color:#fff;border:0;padding:8px 16px;margin:12px 0;font-weight:700}
.soon{background:#ffeb3b}
:focus-visible{background:#ffeb3b;color:#212b32;outline:3px solid #212b32}
dialog{border:0;margin:0;inset:0;width:100%;height:100%;max-width:none;max-height:none;background:#f0f4f5;padding:15vh 16px;text-align:center}
dialog *{font-size:24px}
[hidden]{display:none}
p{margin:0}@media print{aside{display:none}}`)];
  const bar = make("aside", shadow, {hidden: true, ariaLabel: "Signed on"}), who = make("span", bar);
  make("a", bar, {textContent: "Not you?", href: main, target: "_blank", rel: "noopener"});
  const warning = make("p", bar, {role: "alert"}), stay = make("button", bar, {textContent: "Stay signed on", hidden: true});
  // A modal dialog, so that one of the page's own is shut off too.
  const cover = make("dialog", shadow, {role: "alertdialog", ariaLabel: "Hidden"}), says = make("p", cover);
  const onward = make("a", cover, {className: "go"});
  cover.oncancel = e => e.preventDefault();
  cover.onclose = () => { if (chief.covered) cover.showModal(); };
  // Unlocking is done in a window of the main host before this one: a PIN is typed under no address but that.
  onward.onclick = e => {
    chief.leaving = onward.target != "_blank";
    if (!chief.leaving && me.open) { e.preventDefault(); me.open(onward.href, "_blank", "popup,noopener,width=440,height=720"); }
  };
  stay.onclick = () => look("active", {method: "POST"});
  const blank = sheet("html>:not(lanyard-guard){opacity:0!important}");
  const sheets = () => doc.adoptedStyleSheets.filter(one => one != blank);
  let title, turn = 0, timer, active = 0, until = 0;

  // `why`: a sentence; nothing takes the cover off.
  const hide = (why, how = "", href = location.href.split("#")[0], target = "") => {
    const was = chief.covered;
    chief.covered = !!why;
    if (doc.body) doc.body.inert = chief.covered;
    if (why) {
      says.textContent = why;
      Object.assign(onward, {href, target, rel: "noopener", textContent: how, hidden: !how});
      if (was) return;
      title = doc.title;
      doc.title = "Lanyard";
      doc.adoptedStyleSheets = [...sheets(), blank];
      cover.showModal();
      onward.focus();
    } else if (was) {
      doc.title = title;
      doc.adoptedStyleSheets = sheets();
      cover.close();
    }
  };
  // The lowest place at the window's sides in which the bar lies over nothing that can be clicked: old pages name their patient on top.
  const taken = (x, y, at) => at.elementsFromPoint(x, y).some(one => one.matches("a,button,input,select,textarea,label")
    || one.contentDocument && taken(x - one.getBoundingClientRect().x, y - one.getBoundingClientRect().y, one.contentDocument));
  const free = place => {
    bar.style = place;
    const {left, right, top, bottom} = bar.getBoundingClientRect();
    for (let x = left + 2; x < right; x += 12) for (let y = top + 2; y < bottom; y += 11) if (taken(x, y, doc)) return false;
    return true;
  };
  const settle = chief.settle = () => [0, 1, 2, 3, 4, 5, 6, 7, 8].some(
    up => ["right", "left"].some(side => free(`${side}:0;bottom:${up}0%`))) || free("right:0;bottom:0");
  // A frame of the main host, where the device's key is, renews this host's cookie; it comes back to this origin when that is done.
  let frame;
  const renew = () => {
    if (frame) return;
    const made = frame = make("iframe", shadow, {hidden: true, src: me.origin + "/.lanyard/renew"});
    const done = () => { made.remove(); if (frame == made) frame = 0; };
    made.onload = () => { try { if (made.contentWindow.location.pathname) { done(); look("state"); channel.postMessage(""); } } catch {} };
    setTimeout(done, 2e4);
  };
  // A shift that is about to end waits a little for what is typed and not sent.
  const WRITING = "active?writing";
  const look = chief.look = async (path, how) => {
    const mine = ++turn;
    let state, waits, wait = 30;
    clearTimeout(timer);
    try {
      const answer = await ask(me.origin + "/.lanyard/" + path, {cache: "no-store", ...how});
      state = answer.ok ? await answer.json() : answer.status == 401 && {};
    } catch {}
    if (mine != turn) return;
    const was = chief.covered;
    if (!state) {
      wait = 5;
      if (until && until < Date.now()) hide("The gateway does not answer. What you typed is kept.", "Try", main, "_blank");
    } else if (!state.session) hide("You are signed off here, so this page is hidden.", "Sign on");
    else if ([...chief.marks].some(one => one != state.session)) hide("Somebody has signed on here since this page was opened, so it is hidden.", "Go on", main);
    else if (state.locked) { wait = 5; hide("This screen is locked. What you typed is kept.", "Unlock", main + "go-on", "_blank"); }
    else {
      hide();
      const left = Math.min(state.locks_in, state.ends_in), soon = left <= 60, locks = state.locks_in < state.ends_in;
      until = Date.now() + left * 1e3;
      wait = Math.min(30, soon ? left : left - 60) + .5;
      if (state.renews_in < 90) renew();
      waits = chief.dirty && state.ends_in <= 60 && path != WRITING;
      who.textContent = state.name;
      bar.className = soon ? "soon" : "";
      stay.hidden = !soon || !locks;
      warning.textContent = soon ? locks ? "This screen locks in a minute." : "Your shift ends in a minute." : "";
      bar.hidden = false;
      settle();
    }
    if (was != chief.covered) channel.postMessage("");
    if (waits) look(WRITING, {method: "POST"});
    else timer = setTimeout(look, wait * 1e3, "state");
  };
  chief.busy = () => {
    if (Date.now() - active < 2e4) return;
    active = Date.now();
    look("active", {method: "POST"});
  };
  const channel = new BroadcastChannel("lanyard");
  channel.onmessage = e => { if (e.data != mark) look("state"); };
  channel.postMessage(mark);
  on("visibilitychange", () => doc.hidden || look("state"), doc);
  // Whatever a page was when it was left, it is covered until it has asked again.
  on("pagehide", () => hide("One moment."));
  on("pageshow", e => { if (e.persisted) look("state"); });
  on("load resize scrollend", settle);
  on("focus", e => { if (e.target == me && chief.covered) look("state"); });
  look("state");
})();
