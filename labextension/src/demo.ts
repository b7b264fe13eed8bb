/** The demo: a simulated experiment, from plan to memo, in a new folder that the panel then shows. */

import { Notification } from '@jupyterlab/apputils';

import { CommandIDs } from './commands';
import { demoIcon } from './icons';
import type { IParts } from './parts';
import { reasonOf } from './reason';
import type { Settings } from './settings';

export function addDemo({ app, api, trans }: IParts, settings: Settings): void {
  const { commands } = app;
  commands.addCommand(CommandIDs.demo, {
    label: trans.__('Demo'),
    caption: trans.__('A simulated experiment with known truth, from plan to memo'),
    icon: args => (args['isPalette'] === true ? undefined : demoIcon),
    execute: async () => {
      const running = api.demo();
      const stays = { autoClose: false } as const; // without it JupyterLab only counts a message and does not show it
      Notification.promise(running.then(made => made.folder), {
        pending: { message: trans.__('Simulating an experiment, from plan to memo … (about half a minute)'), options: stays },
        success: { message: folder => trans.__('The demo is in %1.', folder), options: { autoClose: 8000 } },
        error: { message: error => trans.__('The demo stopped: %1', reasonOf(error)), options: stays }
      });
      try {
        const made = await running;
        await settings.setRoot(made.root);
        await commands.execute(CommandIDs.show);
        await commands.execute('docmanager:open', { path: made.notebook });
        await commands.execute('docmanager:open', { path: made.memo });
      } catch {
        // the notification has said it
      }
    }
  });
}
