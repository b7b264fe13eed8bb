/** What notebooks can be made from: cards of the launcher and entries of the palette. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';

import { decisionIcon, experimentsIcon, memoIcon, planIcon, preflightIcon, readoutIcon } from './icons';

export interface ICard {
  readonly template: string;
  readonly label: string;
  readonly caption: string;
  readonly icon: LabIcon;
}

/** Every template, in the order of an experiment. */
export function cards(trans: TranslationBundle): ICard[] {
  return [
    { template: 'plan', label: trans.__('New plan'), caption: trans.__('Plan an experiment in a form'), icon: planIcon },
    { template: 'preflight', label: trans.__('Preflight'), caption: trans.__('Run the real hash over the real ids before launch'), icon: preflightIcon },
    { template: 'monitor', label: trans.__('Monitor'), caption: trans.__('Counts and health while results are sealed'), icon: experimentsIcon },
    { template: 'readout', label: trans.__('Readout'), caption: trans.__('Health, and results when they are due'), icon: readoutIcon },
    { template: 'decision', label: trans.__('Decision'), caption: trans.__('Decide by the rule of the plan and freeze the memo'), icon: decisionIcon },
    { template: 'post-rollout', label: trans.__('Check after shipping'), caption: trans.__('Guardrails after shipping'), icon: memoIcon }
  ];
}

/** Cards of the launcher; the other templates are in the palette. */
export const LAUNCHED: readonly string[] = ['plan', 'preflight', 'readout', 'decision'];
