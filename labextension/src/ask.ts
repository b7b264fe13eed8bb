/** The dialogs: which experiment, which folder. */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import type { IItem } from './types';

/** A list of experiments to choose from, with a search field where there are many. */
class Chooser extends Widget implements Dialog.IBodyWidget {
  constructor(items: readonly IItem[], trans: TranslationBundle) {
    super();
    this.addClass('xp-Chooser');
    const label = document.createElement('label');
    label.textContent = trans.__('Experiment');
    this._select = document.createElement('select');
    this._select.setAttribute('aria-label', trans.__('Experiment'));
    this._select.size = Math.min(8, Math.max(2, items.length));
    const fill = (search: string): void => {
      const wanted = search.toLocaleLowerCase();
      this._select.replaceChildren(
        ...items
          .filter(item => `${item.title} ${item.key}`.toLocaleLowerCase().includes(wanted))
          .map(item => {
            const option = document.createElement('option');
            option.value = item.key;
            option.textContent = item.title ? `${item.title} (${item.key})` : item.key;
            return option;
          })
      );
      this._select.selectedIndex = this._select.options.length > 0 ? 0 : -1;
    };
    fill('');
    if (items.length > 8) {
      const search = document.createElement('input');
      search.type = 'search';
      search.placeholder = trans.__('Search');
      search.setAttribute('aria-label', trans.__('Search experiments'));
      search.addEventListener('input', () => { fill(search.value); });
      label.append(search);
    }
    label.append(this._select);
    this.node.append(label);
  }

  getValue(): string {
    return this._select.value;
  }

  private readonly _select: HTMLSelectElement;
}

/** The key of the chosen experiment; null when cancelled. */
export async function chooseExperiment(items: readonly IItem[], title: string, trans: TranslationBundle): Promise<string | null> {
  const result = await showDialog({
    title,
    body: new Chooser(items, trans),
    focusNodeSelector: '.xp-Chooser input, .xp-Chooser select',
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Open') })]
  });
  return result.button.accept && result.value ? result.value : null;
}

/** The template of a new plan, '' for an empty form; null when cancelled. */
export async function choosePlan(plans: readonly string[], trans: TranslationBundle): Promise<string | null> {
  const empty = trans.__('an empty form');
  const result = await InputDialog.getItem({
    title: trans.__('New plan'),
    label: trans.__('Start from'),
    items: [...plans, empty],
    okLabel: trans.__('Open the form')
  });
  if (!result.button.accept || result.value === null) {
    return null;
  }
  return result.value === empty ? '' : result.value;
}

/** A folder of the file browser; null when cancelled. */
export async function nameRoot(current: string, trans: TranslationBundle): Promise<string | null> {
  const result = await InputDialog.getText({
    title: trans.__('Folder of all experiments'),
    label: trans.__('Path as in the file browser; empty to find it'),
    text: current
  });
  return result.button.accept ? (result.value ?? '') : null;
}
