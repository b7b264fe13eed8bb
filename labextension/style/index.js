// Colours are the theme's own; ours say one thing each and always stand beside a mark and a word.
// The style sheet is served as it stands, so it is written short: no comments, one space, no fallbacks for the theme's variables.
import './base.css';
