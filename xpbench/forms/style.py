"""Looks of the forms: one style sheet over the theme's own variables, with fallbacks where there is no JupyterLab."""

from __future__ import annotations

INK = "var(--jp-ui-font-color0, #1b1f24)"
MUTED = "var(--xp-muted)"

CSS = """
.xp-form, .xp-static {
  --xp-ink: var(--jp-ui-font-color0, #1b1f24); --xp-muted: var(--jp-ui-font-color1, #57606a);
  --xp-accent: #0072b2; --xp-better: #00795a; --xp-worse: #b0481b; --xp-warn: #8a6100; --xp-sealed: #6b4fa0;
  --xp-ground: var(--jp-layout-color1, #ffffff); --xp-raised: var(--jp-layout-color2, #f6f8fa);
  --xp-line: var(--jp-border-color2, #d0d7de); --xp-edge: var(--jp-border-color0, #868e96); --xp-on-accent: #ffffff;
  color: var(--xp-ink); font: 400 13px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
@media (prefers-color-scheme: dark) { body:not([data-jp-theme-light]) .xp-static {
  --xp-ink: #e6edf3; --xp-muted: #9aa4af; --xp-ground: #111417; --xp-raised: #1c2127; --xp-line: #30363d;
  --xp-accent: #56b4e9; --xp-better: #3cc39a; --xp-worse: #f08a5d; --xp-warn: #e3b341; --xp-sealed: #b39ddb; --xp-on-accent: #111417; } }
body[data-jp-theme-light="false"] .xp-form, body[data-jp-theme-light="false"] .xp-static {
  --xp-accent: #56b4e9; --xp-better: #3cc39a; --xp-worse: #f08a5d; --xp-warn: #e3b341; --xp-sealed: #b39ddb; --xp-on-accent: #111417; }
.jupyter-widgets.xp-form { max-width: 1080px; padding: 4px 2px 12px; overflow: visible; }
.xp-form .jupyter-widgets { margin: 0; }
.xp-form .widget-box { overflow: visible; }
.xp-form .widget-html-content { font: inherit; line-height: 1.45; color: inherit; }
.xp-form .widget-html { height: auto; width: 100%; min-height: 0; }
.xp-form p { margin: 0; }
.xp-form h3 { font-size: 19px; font-weight: 600; margin: 0 0 4px; } .xp-form h4 { font-size: 15px; font-weight: 600; margin: 0 0 8px; }
.xp-form code { font-size: 12px; background: none; color: inherit; padding: 0; }
.xp-form .xp-columns { flex-flow: row wrap; align-items: flex-start; gap: 32px; }
.xp-form .xp-main { flex: 1 1 420px; max-width: 640px; min-width: 0; }
.xp-form .xp-aside { flex: 1 1 260px; max-width: 380px; min-width: 0; gap: 16px; padding-top: 4px; }
.xp-form .xp-object, .xp-form .xp-kind-body, .xp-form .xp-rare, .xp-form .xp-step { gap: 8px; width: 100%; }
.xp-form .xp-field { width: 100%; min-width: 0; }
.xp-form .xp-row { gap: 16px; width: 100%; align-items: flex-start; flex-flow: row wrap; } .xp-form .xp-row > * { flex: 1 1 150px; width: auto; }
.xp-form .xp-note { min-height: 20px; }
.xp-form .xp-note-own .widget-html-content:empty { display: none; }
.xp-form .widget-inline-hbox { flex-direction: column; align-items: stretch; height: auto; width: 100%; gap: 2px; }
.xp-form .widget-inline-hbox .widget-label, .xp-form .xp-label { width: auto; max-width: 100%; min-width: 0; height: auto; margin: 0; padding: 0;
  text-align: left; font-weight: 600; color: var(--xp-ink); line-height: 1.45; white-space: normal; }
.xp-form .widget-inline-hbox input, .xp-form .widget-inline-hbox select, .xp-form .widget-inline-hbox textarea,
.xp-form .xp-splits input[type=number] {
  box-sizing: border-box; width: 100%; min-height: 30px; padding: 4px 8px; border: 1px solid var(--xp-edge); border-radius: 4px;
  background-color: var(--xp-ground); color: var(--xp-ink); font: inherit; }
.xp-form .widget-inline-hbox textarea { min-height: 52px; resize: vertical; }
.xp-form .xp-number input { max-width: 220px; } .xp-form .xp-mono textarea { font-family: var(--jp-code-font-family, monospace); }
.xp-form .widget-inline-hbox input:focus, .xp-form .widget-inline-hbox select:focus, .xp-form .widget-inline-hbox textarea:focus,
.xp-form button:focus-visible, .xp-form input:focus-visible { outline: 2px solid var(--xp-accent); outline-offset: 1px; border-color: var(--xp-accent); }
.xp-form .xp-wrong input, .xp-form .xp-wrong select, .xp-form .xp-wrong textarea { border-color: var(--xp-worse); }
.xp-form .widget-checkbox { height: auto; width: auto; } .xp-form .widget-checkbox label { font-weight: 600; white-space: normal; color: var(--xp-ink); line-height: 1.45; }
.xp-form .widget-checkbox input { width: auto; margin: 2px 8px 0 0; accent-color: var(--xp-accent); }
.xp-form .xp-tick .xp-note { min-height: 0; padding-left: 22px; }
.xp-form .xp-help { color: var(--xp-muted); font-size: 12px; }
.xp-form .xp-problem, .xp-form .xp-status-bad { color: var(--xp-worse); }
.xp-form .xp-problem { font-size: 12px; }
.xp-form .xp-group { gap: 6px; width: 100%; padding-top: 8px; border-top: 1px solid var(--xp-line); }
.xp-form .xp-optional { padding-left: 22px; }
.xp-form .xp-list { gap: 8px; width: 100%; }
.xp-form .xp-card { gap: 12px; align-items: flex-start; width: 100%; padding-bottom: 4px; border-bottom: 1px solid var(--xp-line); }
.xp-form .xp-card > .xp-object { flex: 1 1 auto; min-width: 0; width: auto; }
.xp-form .xp-tools { gap: 4px; flex: 0 0 auto; padding-top: 21px; }
.jupyter-widgets.xp-button { height: auto; min-height: 30px; width: auto; padding: 4px 14px; border: 1px solid var(--xp-edge); border-radius: 4px;
  background: var(--xp-ground); color: var(--xp-ink); font: 600 13px/1.45 system-ui, sans-serif; box-shadow: none; white-space: normal; }
.jupyter-widgets.xp-button:hover:enabled { background: var(--xp-raised); box-shadow: none; }
.jupyter-widgets.xp-button:disabled { opacity: .45; }
.jupyter-widgets.xp-button.xp-primary { background: var(--xp-accent); border-color: var(--xp-accent); color: var(--xp-on-accent); }
.jupyter-widgets.xp-button.xp-primary:hover:enabled { background: var(--xp-accent); filter: brightness(1.08); }
.jupyter-widgets.xp-button.xp-quiet { align-self: flex-start; border-color: transparent; color: var(--xp-accent); padding: 4px 0; background: none; }
.jupyter-widgets.xp-button.xp-quiet:hover:enabled { text-decoration: underline; background: none; }
.jupyter-widgets.xp-button.xp-tool { width: 30px; min-width: 30px; padding: 0; font-size: 0; }
.xp-button.xp-tool::before { font-size: 15px; } .xp-up::before { content: "↑" / ""; } .xp-down::before { content: "↓" / ""; } .xp-remove::before { content: "×" / ""; }
.xp-form .xp-actions { justify-content: flex-end; gap: 8px; width: 100%; padding-top: 12px; flex-flow: row wrap; }
.xp-form .xp-actions-left { gap: 20px; flex-flow: row wrap; }
.xp-form .xp-steps { gap: 4px; flex-flow: row wrap; border-bottom: 1px solid var(--xp-line); margin-bottom: 16px; width: 100%; }
.jupyter-widgets.xp-button.xp-stepper { border: 0; border-bottom: 3px solid transparent; border-radius: 0; padding: 6px 10px; background: none; color: var(--xp-muted); font-weight: 400; }
.jupyter-widgets.xp-button.xp-stepper.xp-now { border-bottom-color: var(--xp-accent); color: var(--xp-ink); font-weight: 600; }
.xp-form .xp-metrics { gap: 0; border-top: 1px solid var(--xp-line); }
.xp-form .xp-metric { border-bottom: 1px solid var(--xp-line); padding: 3px 0 3px 8px; border-left: 3px solid transparent; width: 100%; }
.xp-form .xp-metric.xp-selected { border-left-color: var(--xp-accent); background: var(--xp-raised); }
.xp-form .xp-metric-row { align-items: center; gap: 6px; width: 100%; }
.xp-form .xp-metric-row > * { flex: 0 0 auto; } .xp-form .xp-metric-row .xp-metric-line { flex: 1 1 auto; width: auto; min-width: 0; color: var(--xp-muted); }
.jupyter-widgets.xp-button.xp-metric-name { border: 0; background: none; padding: 2px 4px; text-align: left; width: 170px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.jupyter-widgets.xp-button.xp-metric-name:hover:enabled { background: none; text-decoration: underline; }
.xp-form .xp-metric-row .xp-tool { border-color: transparent; background: none; }
.xp-form .xp-editor { width: 100%; padding: 12px 0 0; }
.xp-form .xp-empty { color: var(--xp-muted); padding: 8px 0; }
.xp-form .xp-guide { color: var(--xp-ink); } .xp-guide p, .xp-form .xp-guide .widget-html-content { border-left: 3px solid var(--xp-accent); padding-left: 10px; }
.xp-form .xp-sentence { font-size: 15px; line-height: 1.5; } .xp-sentence b { font-weight: 600; } .xp-sentence .xp-gap { color: var(--xp-muted); font-style: italic; }
.xp-form .xp-quote .widget-html-content { border-left: 3px solid var(--xp-accent); padding: 2px 0 2px 12px; }
.xp-form .xp-status { min-height: 22px; } .xp-status-good { color: var(--xp-better); } .xp-status-quiet, .xp-status-busy { color: var(--xp-muted); }
.xp-form .xp-status pre { font-size: 12px; white-space: pre-wrap; max-height: 240px; overflow: auto; color: var(--xp-ink); }
.xp-form .xp-constant { color: var(--xp-muted); }
.xp-splits { display: grid; gap: 6px; width: 100%; } .xp-split-row { display: grid; grid-template-columns: minmax(80px, 160px) 1fr 84px 16px; gap: 10px; align-items: center; }
.xp-split-name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .xp-split-row input[type=range] { width: 100%; accent-color: var(--xp-accent); }
.xp-form .xp-confirm { border-left: 3px solid var(--xp-accent); padding: 4px 0 4px 14px; gap: 10px; width: 100%; }
.xp-form .xp-confirm.xp-sealed-edge { border-left-color: var(--xp-sealed); }
"""
"""Class names start with `xp-`; colours are those of the visual language, text colours meet 4.5 : 1 on both grounds."""


def style_tag() -> str:
    """The style sheet as HTML."""
    return f"<style>{CSS}</style>"
