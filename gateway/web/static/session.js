// Log in by a link …/#token=XYZ: the token leaves the address bar at once and is sent in a form, never in an address.
"use strict";
(() => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname + location.search);
    const form = document.createElement("form");
    form.method = "post";
    form.action = "/login";
    const then = document.body.dataset.then || location.pathname + location.search;
    for (const [name, value] of [["token", token], ["then", then]]) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = value;
      form.append(field);
    }
    document.body.append(form);
    form.submit();
    return;
  }
  // A page opened by a link in a messenger comes without the cookie (SameSite=Strict) although one is logged in.
  if ("login" in document.body.dataset && !sessionStorage.getItem("tried")) {
    sessionStorage.setItem("tried", "1");
    fetch("/session", { redirect: "manual" }).then((answer) => {
      if (answer.status === 204) location.replace(document.body.dataset.then || "/");
    });
  } else if (!("login" in document.body.dataset)) {
    sessionStorage.removeItem("tried");
  }
})();
