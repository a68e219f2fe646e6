// The form of a new case: where this telephone is, for who stands before it.
"use strict";
(() => {
  const [button, where, datum] = ["here", "where", "datum"].map((id) => document.getElementById(id));
  // Browsers tell the position only to pages that came over HTTPS, or from this machine.
  if (!button || !navigator.geolocation || !window.isSecureContext) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        datum.value = "WGS-84"; // what browsers give, by their standard
        where.value = `${coords.latitude.toFixed(6)},${coords.longitude.toFixed(6)}`;
        where.dispatchEvent(new Event("input", { bubbles: true }));
        button.disabled = false;
      },
      (error) => {
        button.disabled = false;
        button.textContent = `无法定位，请填写地点 no position: ${error.message}`;
      },
      { enableHighAccuracy: true, timeout: 15000 },
    );
  });
})();
