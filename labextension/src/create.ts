/** A new notebook from a template: asks what is missing, has the server make it, opens it. */

import { Notification } from '@jupyterlab/apputils';

import { chooseExperiment, choosePlan } from './ask';
import { cards } from './cards';
import { CommandIDs } from './commands';
import { sorted } from './listing';
import type { IParts } from './parts';
import { reasonOf } from './reason';

/** What a template is filled with: an experiment, '' for none, and other parameters. */
interface IFilling {
  readonly key: string;
  readonly parameters: Record<string, string>;
}

export function addCreate(parts: IParts): void {
  const { app, trans } = parts;
  const all = cards(trans);
  const cardOf = (args: Readonly<Record<string, unknown>>): (typeof all)[number] | undefined => all.find(c => c.template === args['template']);
  app.commands.addCommand(CommandIDs.create, {
    label: args => {
      const label = cardOf(args)?.label ?? trans.__('New notebook for an experiment');
      return args['isPalette'] === true ? `${label} …` : label;
    },
    caption: args => cardOf(args)?.caption ?? '',
    icon: args => (args['isPalette'] === true ? undefined : cardOf(args)?.icon),
    execute: async args => {
      const template = typeof args['template'] === 'string' ? args['template'] : 'readout';
      const filling =
        typeof args['key'] === 'string' ? { key: args['key'], parameters: {} } : await ask(parts, template, cardOf(args)?.label ?? template);
      if (filling !== null) {
        await make(parts, template, filling);
      }
    }
  });
}

/** Where to start a plan from, or which experiment another template is for; null when there is none or nobody wants it. */
async function ask({ api, model, trans }: IParts, template: string, label: string): Promise<IFilling | null> {
  await model.refresh();
  if (template === 'plan') {
    const chosen = await choosePlan((await api.templates().catch(() => ({ plans: [] }))).plans, trans);
    return chosen === null ? null : { key: '', parameters: { template: chosen } };
  }
  const items = sorted(model.listing?.items ?? []).filter(i => i.state !== 'broken' && i.state !== 'draft');
  if (items.length === 0) {
    Notification.info(trans.__('There is no registered experiment yet. Start with a plan, or with the demo.'), { autoClose: 8000 });
    return null;
  }
  const key = await chooseExperiment(items, label, trans);
  return key === null ? null : { key, parameters: {} };
}

async function make({ app, api, model, trans }: IParts, template: string, filling: IFilling): Promise<void> {
  try {
    const made = await api.notebook({ template, root: model.listing?.root ?? model.root, ...filling });
    await app.commands.execute('docmanager:open', { path: made.path, factory: 'Notebook' });
  } catch (error) {
    Notification.error(`${trans.__('The notebook could not be made.')} ${reasonOf(error)}`, { autoClose: false });
  }
}
