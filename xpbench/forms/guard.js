// JupyterLab reads letters and arrows as notebook commands wherever no text is edited: on a drop-down the arrow leaves the
// cell, "c" copies it and "d d" deletes it. Its shortcuts are matched from the focused element upwards, so that element is
// what has to carry the mark.
const MARK = "data-lm-suppress-shortcuts";
function render({ el }) {
  el.style.display = "none";
  let tries = 200;
  let form = null;
  const keep = (event) => event.target.setAttribute(MARK, "true");
  const guard = () => {
    form = el.closest(".xp-form");
    if (form) {
      form.addEventListener("focusin", keep);
    } else if (tries-- > 0) {
      requestAnimationFrame(guard);
    }
  };
  guard();
  return () => form && form.removeEventListener("focusin", keep);
}
export default { render };
