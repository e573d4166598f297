// Small behaviours the server cannot give. Every page works without them, if less smoothly.
(function () {
  "use strict";

  function typing(target) {
    return target.closest("input, textarea, select, [contenteditable]") !== null;
  }

  // Ask before what cannot easily be taken back. The words come from the page, translated.
  document.addEventListener("submit", function (event) {
    const asked = (event.submitter && event.submitter.dataset.confirm) || event.target.dataset.confirm;
    if (asked && !window.confirm(asked)) {
      event.preventDefault();
      return;
    }
    // A second click must not send a form twice.
    if (event.target.method === "post" && !event.target.hasAttribute("hx-post")) {
      if (event.target.dataset.sent) {
        event.preventDefault();
        return;
      }
      event.target.dataset.sent = "yes";
    }
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) {
      delete form.dataset.sent;
    });
  });

  // "/" searches, "c" captures, as on the register's help line.
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const field = document.querySelector('[data-key="' + event.key + '"]');
    if (field) {
      event.preventDefault();
      field.focus();
      field.scrollIntoView({ block: "center" });
    }
  });

  // The matrix sets the likelihood and one dimension at once.
  document.addEventListener("click", function (event) {
    const cell = event.target.closest("[data-likelihood][data-impact]");
    if (!cell) return;
    const form = cell.closest("form");
    ["likelihood", "impact"].forEach(function (axis) {
      const name = axis === "likelihood" ? "likelihood" : cell.dataset.dimension;
      const radio = form.querySelector('input[name="' + name + '"][value="' + cell.dataset[axis] + '"]');
      if (radio) radio.checked = true;
    });
    ["likelihood", "money"].forEach((name) => give(form, name, "level"));
    form.dispatchEvent(new Event("change", { bubbles: true }));
    mark(form);
  });

  // Likelihood and money are given as a level, a number or a range; which of them shows is the style sheet's.
  function give(form, name, way) {
    const radio = form.querySelector('input[name="' + name + '_by"][value="' + way + '"]');
    if (radio) radio.checked = true;
  }

  function mark(form) {
    const matrix = form.querySelector("[data-matrix]");
    if (!matrix) return;
    const numbers = form.querySelectorAll('input[name$="_by"]:checked:not([value="level"])');
    const chosen = function (name) {
      if (numbers.length) return "";
      const radio = form.querySelector('input[name="' + name + '"]:checked');
      return radio ? radio.value : "";
    };
    matrix.querySelectorAll("[data-likelihood]").forEach(function (cell) {
      const on = cell.dataset.likelihood === chosen("likelihood") && cell.dataset.impact === chosen(cell.dataset.dimension);
      cell.setAttribute("aria-pressed", on ? "true" : "false");
    });
  }
  document.addEventListener("change", function (event) {
    const form = event.target.closest("form");
    if (form) mark(form);
  });
  document.querySelectorAll("form").forEach(mark);

  // A number worked out elsewhere on the page is taken over as if it had been typed.
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-fill]");
    if (!button) return;
    const form = button.closest("form");
    const field = form.querySelector('input[name="' + button.dataset.fill + '_number"]');
    give(form, button.dataset.fill, "number");
    field.value = button.dataset.value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    field.focus();
  });

  // Rows of a formset: add a copy of the empty one.
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-add-row]");
    if (!button) return;
    const form = button.closest("form");
    const total = form.querySelector('input[name$="-TOTAL_FORMS"]');
    const holder = document.getElementById(button.dataset.addRow);
    const copy = document.getElementById(button.dataset.addRow + "-empty").content.cloneNode(true);
    const html = document.createElement("div");
    html.appendChild(copy);
    html.innerHTML = html.innerHTML.replaceAll("__prefix__", total.value);
    while (html.firstElementChild) holder.appendChild(html.firstElementChild);
    total.value = String(Number(total.value) + 1);
    const first = holder.lastElementChild.querySelector("input:not([type=hidden]), select, textarea");
    if (first) first.focus();
  });

  // What the check of a form found while one types is also said at the fields it is about.
  document.addEventListener("htmx:afterSettle", function (event) {
    if (event.target.id !== "check") return;
    const form = event.target.closest("form");
    const notes = [...event.target.querySelectorAll("[data-at]")];
    form.querySelectorAll(".field-notes").forEach(function (box) {
      const lines = notes.filter((note) => note.dataset.box + "-notes" === box.id).map(function (note) {
        const line = document.createElement("div");
        line.className = note.dataset.kind === "advice" ? "text-secondary" : "text-danger";
        line.textContent = note.querySelector("a").textContent;
        return line;
      });
      box.replaceChildren(...lines);
    });
    const wrong = new Set(notes.filter((note) => note.dataset.kind === "error").map((note) => note.dataset.at));
    form.querySelectorAll(".form-control, .form-select").forEach(function (field) {
      field.classList.toggle("is-invalid", wrong.has(field.id));
      if (wrong.has(field.id)) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    });
  });

  // Ask before a long form is left whose changes are not saved.
  let unsaved = document.querySelector("form[data-keep=unsaved]") !== null;
  function changed(event) {
    if (event.target.closest("form[data-keep]")) unsaved = true;
  }
  document.addEventListener("change", changed);
  document.addEventListener("click", function (event) {
    if (event.target.closest("button[hx-post]")) changed(event);
  });
  document.addEventListener("submit", function (event) {
    if (!event.defaultPrevented) unsaved = false;
  });
  window.addEventListener("beforeunload", function (event) {
    if (unsaved) event.preventDefault();
  });

  // Selects that act at once, such as the status of an action.
  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });

  // Keep scrollable tables reachable by keyboard only where they scroll.
  function scrollers() {
    document.querySelectorAll(".table-responsive").forEach(function (box) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    });
  }
  scrollers();
  window.addEventListener("resize", scrollers);
  document.addEventListener("htmx:afterSettle", scrollers);

  document.addEventListener("htmx:configRequest", function (event) {
    const token = document.querySelector('meta[name="csrf-token"]');
    if (token) event.detail.headers["X-CSRFToken"] = token.content;
  });

  // A part of the page that fetches itself anew leaves open what somebody opened.
  let opened = [];
  document.addEventListener("htmx:beforeSwap", function (event) {
    opened = [...event.detail.target.querySelectorAll("details[open][id]")].map((details) => details.id);
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    event.detail.target.querySelectorAll("details[id]").forEach(function (details) {
      if (opened.includes(details.id)) details.open = true;
    });
  });

  // A fragment that could not be fetched says so instead of staying silently empty.
  document.addEventListener("htmx:responseError", function (event) {
    const box = document.getElementById("connection-problem");
    if (box) box.hidden = false;
    if (event.detail.xhr.status === 403 || event.detail.xhr.status === 401) window.location.reload();
  });
  document.addEventListener("htmx:sendError", function () {
    const box = document.getElementById("connection-problem");
    if (box) box.hidden = false;
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    const box = document.getElementById("connection-problem");
    if (box && event.detail.successful) box.hidden = true;
  });
})();
