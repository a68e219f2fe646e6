// What the browser does by itself: counts, says when the connection is lost, asks before it acts, and rings.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);

  // Time: the gateway's, not the browser's. Every renewed part brings the gateway's time along.
  let offset = Number(document.body.dataset.now) - Date.now();
  const now = () => Date.now() + offset;

  function span(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    const two = (n) => String(n).padStart(2, "0");
    const days = Math.floor(s / 86400);
    if (days >= 2) return `${days}天 ${days} d`;
    const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60)];
    return h ? `${h}:${two(m % 60)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  }

  const clock = $("clock");
  const zoned = new Intl.DateTimeFormat("zh-CN", {
    timeZone: clock.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  });

  function tick() {
    const at = now();
    for (const one of document.querySelectorAll("time.count")) {
      const { up, down } = one.dataset;
      const left = up ? at - Number(up) : Number(down) - at;
      const text = span(left);
      if (one.textContent !== text) one.textContent = text;
      one.classList.toggle("near", !up && left < 15000);
    }
    clock.textContent = zoned.format(at);
    if (lostSince) $("lost-since").textContent = span(Date.now() - lostSince);
  }

  // Connection: the stream, and every renewal. What is on the page may be old as soon as either fails.
  const live = document.querySelector("[data-live]");
  let lostSince = 0;
  const failing = new Set();

  function connection(part, well) {
    const before = failing.size;
    if (well) failing.delete(part);
    else failing.add(part);
    if (failing.size && !before) lostSince = Date.now();
    if (!failing.size) lostSince = 0;
    $("lost").hidden = !failing.size;
    document.body.classList.toggle("old", failing.size > 0);
    tick();
  }

  const renewed = ["board", "side", "body", "panels"];
  const renew = () => renewed.forEach((id) => $(id) && htmx.trigger($(id), "renew"));
  let opened = false;
  document.addEventListener("htmx:sseOpen", () => {
    connection("stream", true);
    if (opened) renew();
    opened = true;
  });
  document.addEventListener("htmx:sseError", () => connection("stream", false));
  const isRenewal = (event) => event.detail.requestConfig && event.detail.requestConfig.verb === "get";
  document.addEventListener("htmx:sendError", (event) => {
    if (isRenewal(event)) connection("renewal", false);
    else complain("没有送达：连接中断，请重试。 Not sent: the connection is lost, try again.");
  });
  document.addEventListener("htmx:timeout", (event) => {
    if (isRenewal(event)) connection("renewal", false);
    else complain("没有得到回答，请先查看案卷再重试。 No answer came: look at the case before you try again.");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!isRenewal(event) || !event.detail.xhr.status) return;
    connection("renewal", event.detail.successful);
  });

  // Renewal must not slip another button under a finger: it waits while one is pressed, and after the cards have
  // changed their order their buttons rest for a moment.
  let pressed = false;
  let missed = false;
  document.addEventListener("pointerdown", (event) => { pressed = Boolean(event.target.closest(".buttons")); });
  document.addEventListener("keydown", (event) => {  // the space bar presses a button when it is let go
    if (event.key === " ") pressed = Boolean(event.target.closest(".buttons"));
  });
  const letGo = () => setTimeout(() => {
    pressed = false;
    if (missed) { missed = false; renew(); }
  }, 50);
  for (const name of ["pointerup", "pointercancel", "keyup"]) document.addEventListener(name, letGo);
  window.addEventListener("blur", letGo); // what is let go in another window is not heard here
  let order = "";
  let openDetails = [];
  let scrolled = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!renewed.includes(event.target.id)) return;
    if (event.detail.xhr.status >= 300) { event.detail.shouldSwap = false; return; }
    if (pressed) { event.detail.shouldSwap = false; missed = true; return; }
    openDetails = [...event.target.querySelectorAll("details[open]")].map((one) => one.id);
    scrolled = [...event.target.querySelectorAll(".wide[id]")].map((one) => [one.id, one.scrollLeft, one.scrollTop]);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (!renewed.includes(event.target.id)) {
      if (event.target.id === "refused-text") $("refused").showModal();
      return;
    }
    for (const id of openDetails) if ($(id)) $(id).open = true;
    for (const [id, left, top] of scrolled) if ((left || top) && $(id)) $(id).scrollTo(left, top);
    openDetails = [];
    scrolled = [];
    afterRenewal();
  });

  function afterRenewal() {
    const state = $("state");
    if (!state) return;
    offset = Number(state.dataset.now) - Date.now();
    const board = $("board");
    if (board) {
      const fresh = state.dataset.order;
      if (order && fresh !== order) {
        board.classList.add("resting");
        setTimeout(() => board.classList.remove("resting"), 700);
      }
      order = fresh;
      alarm(state.dataset.burning.trim().split(" ").filter(Boolean), state.dataset.burningSays);
    }
    tick();
  }

  // An emergency that nobody has: the title flashes, and it rings where sound is on, until somebody takes it.
  const title = document.title;
  let burning = [];
  let says = "";
  let sound = null;
  let beat = 0;
  const wanted = () => localStorage.getItem("anju-sound") === "on";

  function alarm(ids, words) {
    const fresh = ids.some((id) => !burning.includes(id));
    burning = ids;
    says = words;
    if (fresh) ring();
    if (!ids.length) document.title = title;
  }

  function ring() {
    if (!sound || sound.state !== "running") return;
    for (const [at, pitch] of [[0, 880], [0.25, 660], [0.5, 880]]) {
      const tone = sound.createOscillator();
      const loud = sound.createGain();
      tone.frequency.value = pitch;
      loud.gain.setValueAtTime(0.25, sound.currentTime + at);
      loud.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + at + 0.22);
      tone.connect(loud).connect(sound.destination);
      tone.start(sound.currentTime + at);
      tone.stop(sound.currentTime + at + 0.23);
    }
  }

  function flash() {
    if (!burning.length) return;
    beat += 1;
    document.title = beat % 2 ? `【紧急】${says}` : `● ${says} nobody has it`;
    if (beat % 4 === 0) ring();
  }

  const toggle = $("sound");
  // Until somebody has decided about sound, and while the browser still wants a touch, a banner says that it is off.
  const decided = () => localStorage.getItem("anju-sound") !== null;
  function showSound() {
    const running = sound && sound.state === "running";
    const [zh, en] = !wanted() ? ["声音：关", "sound off"]
      : running ? ["声音：开", "sound on"] : ["声音：点击启用", "click to enable sound"];
    toggle.innerHTML = "";
    const small = document.createElement("span");
    small.className = "en";
    small.lang = "en";
    small.textContent = en;
    toggle.append(`${zh} `, small);
    toggle.setAttribute("aria-pressed", String(wanted()));
    toggle.classList.toggle("attention", wanted() && !running);
    $("sound-off").hidden = wanted() ? Boolean(running) : decided();
  }
  async function choose(on) {
    localStorage.setItem("anju-sound", on ? "on" : "off");
    if (on) { await wake(); ring(); } else if (sound) { await sound.suspend(); }
    showSound();
  }
  async function wake() {
    if (!wanted()) return;
    sound = sound || new AudioContext();
    await sound.resume();
    showSound();
  }
  if (toggle) {
    toggle.addEventListener("click", () => choose(!wanted()));
    $("sound-on").addEventListener("click", () => choose(true));
    $("sound-no").addEventListener("click", () => choose(false));
    // A browser lets a page sound only after somebody has touched it.
    document.addEventListener("pointerdown", wake, { once: true });
    document.addEventListener("keydown", wake, { once: true });
    showSound();
  }

  // Acting: a dialog for everything that needs a second thought.
  const dialog = $("act");
  const form = $("act-form");
  const NEEDED = [
    "veto", "release", "note", "suspend", "ask_time", "grant_time", "refuse_time", "rework", "split", "reopen",
    "line_update",
  ];
  const WHO = ["dispatch", "arrive", "call_back", "rate"];
  const WARNINGS = {
    dial_now_live: "将真实拨打急救电话，急救中心会派车。 This really dials: the emergency centre will send a vehicle.",
    dial_now: "线路为演练：急救中心不会真正收到。真有危险，请用电话拨打 120。 The line is a drill: no real centre hears it. If this is real, dial 120 by telephone.",
    veto: "确定不需要急救车？新的报警会重新启动呼叫。 Sure that no ambulance is needed? A new alarm arms the call again.",
    cancel: "只有确认是误报才撤销；所有已通知的人会得到撤销消息。 Only when it surely was a mistake; everybody who was told is told so.",
    merge: "本案结束，报警、已通知的人和经过并入另一案卷。 This case ends; its alarms and the people told go on in the other one.",
    suspend: "挂账期间时限停止计时，到期自动恢复。 The clock stands meanwhile, and goes on by itself then.",
    close: "",
  };
  function complain(text) {
    const place = dialog && dialog.open ? $("act-error") : $("refused-text");
    if (!place) return;
    place.textContent = text;
    if (place.id === "refused-text" && !$("refused").open) $("refused").showModal();
  }
  document.addEventListener("click", (event) => {
    const closing = event.target.closest("[data-close]");
    if (closing) closing.closest("dialog").close();
    const button = event.target.closest("[data-act]");
    if (!button || !dialog) return;
    const { act, version, about } = button.dataset;
    $("act-title").textContent = button.dataset.says;
    $("act-about").textContent = about;
    const warning = WARNINGS[button.dataset.line === "live" ? `${act}_live` : act] || WARNINGS[act] || "";
    $("act-warn").textContent = warning;
    $("act-warn").hidden = !warning;
    $("act-to").hidden = !WHO.includes(act);
    $("act-why").hidden = act === "note";
    $("act-text").hidden = act !== "note";
    $("act-needed").hidden = !NEEDED.includes(act);
    $("act-error").textContent = "";
    form.reset();
    form.elements.action.value = act;
    form.elements.key.value = `${Date.now()}-${Math.random()}`;
    for (const part of form.querySelectorAll("[data-for]")) {
      part.hidden = !part.dataset.for.split(" ").includes(act);
      for (const field of part.querySelectorAll("input, select")) field.disabled = part.hidden;
    }
    form.elements.version.value = version;
    form.elements.reason.required = NEEDED.includes(act);
    form.dataset.path = `/cases/${encodeURIComponent(button.dataset.case)}/act`;
    dialog.showModal();
    const first = form.querySelector("[data-for]:not([hidden]) select, [data-for]:not([hidden]) input");
    (WHO.includes(act) ? form.elements.to : first || form.elements.reason).focus();
  });
  if (form) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      $("act-go").disabled = true;
      try {
        const values = Object.fromEntries(new FormData(form));
        await htmx.ajax("POST", form.dataset.path, { source: form, target: "#act-error", values });
      } finally {
        $("act-go").disabled = false;
      }
    });
  }
  document.addEventListener("acted", () => {
    if (dialog && dialog.open) dialog.close();
    renew();
  });

  // What was typed before the scripts came is looked up, too.
  document.addEventListener("DOMContentLoaded", () => {
    for (const field of document.querySelectorAll("main input")) {
      if (field.value !== field.defaultValue) field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  });

  setInterval(tick, 500);
  setInterval(flash, 1000);
  afterRenewal();
  tick();
  if (live && !window.EventSource) connection("stream", false);
})();
