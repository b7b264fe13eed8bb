// JupyterLab reads letters and arrows as notebook commands wherever no text is edited: on a drop-down the arrow leaves the
// cell, "c" copies it and "d d" deletes it. Its shortcuts are matched from the focused element upwards, so that element is
// what has to carry the mark. Steps become tabs here, and the focus moves where one works: ipywidgets has no words for either.
const MARK = "data-lm-suppress-shortcuts";
const CONTROLS = "input, select, textarea, button, summary, [tabindex='0']";

function set(element, name, value) {
  if (element.getAttribute(name) !== value) {
    element.setAttribute(name, value);
  }
}

function makeTabs(form) {
  for (const row of form.querySelectorAll(".xp-steps")) {
    const tabs = [...row.children].filter((c) => c.classList.contains("xp-stepper"));
    if (!tabs.length) {
      continue;
    }
    set(row, "role", "tablist");
    const current = tabs.find((t) => t.classList.contains("xp-now")) ?? tabs[0];
    for (const tab of tabs) {
      set(tab, "role", "tab");
      set(tab, "aria-selected", String(tab.classList.contains("xp-now")));
      set(tab, "tabindex", tab === current ? "0" : "-1");
    }
  }
}

function move(event) {
  const tab = event.target.closest?.("[role=tab]");
  const by = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
  if (!tab || by === undefined) {
    return;
  }
  const tabs = [...tab.parentElement.querySelectorAll(":scope > [role=tab]:not([disabled])")];
  const at = Math.max(0, Math.min(tabs.length - 1, tabs.indexOf(tab) + by));
  event.preventDefault();
  event.stopPropagation();
  tabs[at].focus();
}

function inSight(element) {
  return element.getClientRects().length > 0 && !element.disabled;
}

function focusOn(form, where, tries) {
  if (document.activeElement?.getAttribute("role") === "tab" && where === "xp-step") {
    return; // who walks through the tabs stays there
  }
  for (const part of form.querySelectorAll(`.${where}`)) {
    const found = [...part.querySelectorAll(CONTROLS)].find(inSight);
    if (found) {
      found.focus();
      return;
    }
  }
  if (tries > 0) {
    setTimeout(() => focusOn(form, where, tries - 1), 60);
  }
}

function render({ model, el }) {
  el.style.display = "none";
  let tries = 200;
  let form = null;
  let watcher = null;
  const keep = (event) => event.target.setAttribute(MARK, "true");
  const focus = () => {
    const { where } = model.get("focus") ?? {};
    if (form && where) {
      setTimeout(() => focusOn(form, where, 20), 60);
    }
  };
  const guard = () => {
    form = el.closest(".xp-form");
    if (form) {
      form.addEventListener("focusin", keep);
      form.addEventListener("keydown", move, true);
      makeTabs(form);
      watcher = new MutationObserver(() => makeTabs(form));
      watcher.observe(form, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
    } else if (tries-- > 0) {
      requestAnimationFrame(guard);
    }
  };
  guard();
  model.on("change:focus", focus);
  return () => {
    model.off("change:focus", focus);
    watcher?.disconnect();
    if (form) {
      form.removeEventListener("focusin", keep);
      form.removeEventListener("keydown", move, true);
    }
  };
}
export default { render };
