function row(model, el, index) {
  const line = document.createElement("div");
  line.className = "xp-split-row";
  const name = document.createElement("span");
  name.className = "xp-split-name";
  const range = document.createElement("input");
  range.type = "range"; range.min = 1; range.max = 9999; range.step = 1;
  const exact = document.createElement("input");
  exact.type = "number"; exact.min = 0.01; exact.max = 99.99; exact.step = 0.01;
  const sign = document.createElement("span");
  sign.textContent = "%";
  const send = (value) => {
    model.set("moved", { index, value, at: (model.get("moved").at || 0) + 1 });
    model.save_changes();
  };
  range.addEventListener("input", () => send(Math.round(Number(range.value))));
  range.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 100, ArrowUp: 100, ArrowLeft: -100, ArrowDown: -100, PageUp: 1000, PageDown: -1000 }[event.key];
    if (by) { event.preventDefault(); event.stopPropagation(); send(Math.round(Number(range.value)) + by); }
  });
  exact.addEventListener("change", () => send(Math.round(Number(exact.value) * 100)));
  line.append(name, range, exact, sign);
  el.append(line);
  return { name, range, exact };
}
function render({ model, el }) {
  el.classList.add("xp-splits");
  let rows = [];
  const draw = () => {
    const shown = model.get("rows");
    if (rows.length !== shown.length) {
      el.replaceChildren();
      rows = shown.map((_, index) => row(model, el, index));
    }
    shown.forEach((each, index) => {
      const { name, range, exact } = rows[index];
      name.textContent = each.name;
      range.setAttribute("aria-label", "Split of " + each.name);
      range.setAttribute("aria-valuetext", each.steps / 100 + " percent");
      exact.setAttribute("aria-label", "Split of " + each.name + " in percent");
      range.value = each.steps;
      if (document.activeElement !== exact) exact.value = each.steps / 100;
    });
  };
  model.on("change:rows", draw);
  draw();
  return () => model.off("change:rows", draw);
}
export default { render };
