/** What the server extension answers; the same names as `xpbench/lab/catalogue.py`. */

export type State =
  | 'draft'
  | 'registered'
  | 'running'
  | 'sealed'
  | 'ready'
  | 'decided'
  | 'watched'
  | 'overdue'
  | 'breached'
  | 'broken';

export type HealthWord = 'pass' | 'warn' | 'fail' | 'unknown';

export interface IItem {
  readonly key: string;
  readonly title: string;
  readonly owner: string;
  readonly state: State;
  readonly sentence: string;
  readonly health: { readonly status: HealthWord; readonly text: string };
  readonly due: { readonly at: string; readonly text: string; readonly is_due: boolean; readonly is_overdue: boolean };
  readonly next: string;
  readonly looks: number;
  readonly decision: string;
  readonly has_memo: boolean;
  readonly path: string;
  readonly hypothesis: string;
  readonly learned: string;
  readonly follows: readonly string[];
  readonly restarted_as: string;
  /** Files of the letters of its watch, the newest first. */
  readonly letters: readonly string[];
}

export interface ITried {
  readonly keys: readonly string[];
}

export interface IListing {
  readonly root: string;
  readonly exists: boolean;
  readonly roots: readonly string[];
  readonly version: string;
  readonly items: readonly IItem[];
  readonly due: number;
  readonly overdue: number;
  readonly broken: number;
}

export type VerdictStatus = 'verified' | 'numbers hold' | 'differs' | 'unreadable' | 'newer' | 'draft';

export interface IVerdict {
  readonly path: string;
  readonly kind: 'memo' | 'plan';
  readonly status: VerdictStatus;
  /** How deep a check of a memo looked; empty for a plan, and where something differs. */
  readonly depth: '' | 'in full' | 'in part' | 'page not compared' | 'page touched' | 'no page';
  /** The verdict on a memo in words, with its depth; empty for a plan. */
  readonly verdict: string;
  readonly sign: string;
  readonly unproven: readonly string[];
  readonly reason: string;
  readonly key: string;
  readonly headline: string;
  readonly lines: readonly string[];
  readonly checked: readonly string[];
  readonly not_checked: readonly string[];
}

export interface ITemplates {
  readonly templates: readonly { readonly name: string; readonly parameters: readonly string[] }[];
  readonly broken: readonly { readonly name: string; readonly reason: string }[];
  readonly plans: readonly string[];
}

export interface IMade {
  readonly path: string;
}

export interface IDemo {
  readonly folder: string;
  readonly root: string;
  readonly notebook: string;
  readonly memo: string;
  readonly outcome: string;
}
