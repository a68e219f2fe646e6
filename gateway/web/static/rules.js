// The text of a rule: a fault's line is shown when it is touched, and the back-test takes what stands in the field.
"use strict";
(() => {
  const text = document.getElementById("text");
  if (!text) return;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-line]");
    if (!button) return;
    const lines = text.value.split("\n");
    const at = Math.min(lines.length, Number(button.dataset.line)) - 1;
    const start = lines.slice(0, at).reduce((sum, line) => sum + line.length + 1, 0);
    text.focus();
    text.setSelectionRange(start, start + lines[at].length);
    text.scrollTop = Math.max(0, (text.scrollHeight / lines.length) * (at - 3));
    text.scrollIntoView({ block: "nearest" });
  });
  const replayed = document.getElementById("backtest-text");
  if (replayed) replayed.form.addEventListener("submit", () => { replayed.value = text.value; });
})();
