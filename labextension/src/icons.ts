import { LabIcon } from '@jupyterlab/ui-components';

const wrap = (paths: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g fill="none"><g class="jp-icon3" stroke="#616161" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${paths}</g></g></svg>`;

const icon = (name: string, paths: string): LabIcon => new LabIcon({ name: `xpbench:${name}`, svgstr: wrap(paths) });

/** Two intervals beside a zero line: the forest plot. */
export const experimentsIcon = icon('experiments', '<path d="M8 3v18M5 8h8M9 8m-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0M11 16h9M15.5 16m-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0"/>');
export const planIcon = icon('plan', '<path d="M6 3h9l4 4v14H6zM9 12h7M9 16h7M14 3v5h5"/>');
export const preflightIcon = icon('preflight', '<path d="M9 4h6v3H9zM7 5H5v16h14V5h-2M8.5 14l2.5 2.5L16 11.5"/>');
export const readoutIcon = icon('readout', '<path d="M4 20h16M5 10h9M9.5 10m-1.5 0a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M10 15h9M14.5 15m-1.5 0a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M7 3v17"/>');
export const decisionIcon = icon('decision', '<path d="M12 21v-8M12 13L6 7M12 13l6-6M6 11V7h4M18 11V7h-4"/>');
export const demoIcon = icon('demo', '<path d="M8 5l11 7-11 7z"/>');
export const memoIcon = icon('memo', '<path d="M6 3h12v18H6zM9 8h6M9 12h6M9.5 16.5l1.5 1.5 3-3"/>');
