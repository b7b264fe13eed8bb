// JupyterLab reads letters and arrows as notebook commands wherever no text is edited: on a drop-down "c" copies a cell and
// "d d" deletes it. This marks the form so that its keys stay its own.
function render({ el }) {
  el.style.display = "none";
  let tries = 200;
  const mark = () => {
    const form = el.closest(".xp-form");
    if (form) {
      form.setAttribute("data-lm-suppress-shortcuts", "true");
    } else if (tries-- > 0) {
      requestAnimationFrame(mark);
    }
  };
  mark();
}
export default { render };
