/** The workbench in JupyterLab: launcher cards, panel, documents, status bar, palette. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette, IThemeManager } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Api } from './api';
import { nameRoot } from './ask';
import { cards, LAUNCHED } from './cards';
import { CommandIDs } from './commands';
import { addCreate } from './create';
import { addDemo } from './demo';
import { addDocuments } from './documents';
import { experimentsIcon } from './icons';
import { Model } from './model';
import { Panel } from './panel';
import type { IParts } from './parts';
import { Settings, trimmed } from './settings';
import { Status } from './status';

const PLUGIN = '@xpbench/labextension:plugin';

function activate(
  app: JupyterFrontEnd,
  registry: ISettingRegistry,
  translator: ITranslator | null,
  launcher: ILauncher | null,
  palette: ICommandPalette | null,
  themes: IThemeManager | null,
  restorer: ILayoutRestorer | null,
  statusBar: IStatusBar | null,
  labShell: ILabShell | null
): void {
  const trans = (translator ?? nullTranslator).load('xpbench');
  const api = new Api(app.serviceManager.serverSettings);
  const model = new Model(api, app.serviceManager.contents);
  const panel = new Panel(model, app.commands, trans);
  app.shell.add(panel, 'left', { rank: 600 });
  restorer?.add(panel, panel.id);
  const show = (): void => { app.shell.activateById(panel.id); };

  const settings = new Settings(model);
  void Promise.all([app.restored, settings.load(registry, PLUGIN)]).then(() => {
    model.start();
    if (PageConfig.getOption('xpbenchOpen') === 'true') {
      show(); // started by `xpbench lab`
    }
  });

  const parts: IParts = { app, api, model, trans };
  addPanelCommands(parts, settings, show);
  addCreate(parts);
  addDemo(parts, settings);
  addDocuments(parts, themes);
  addEntries(parts, launcher, palette);
  if (statusBar !== null && labShell !== null) {
    statusBar.registerStatusItem(`${PLUGIN}:status`, { item: new Status(model, show, trans), align: 'left', rank: 900 });
  }
}

function addPanelCommands({ app, model, trans }: IParts, settings: Settings, show: () => void): void {
  const { commands } = app;
  commands.addCommand(CommandIDs.show, { label: trans.__('Show experiments'), icon: experimentsIcon, execute: show });
  commands.addCommand(CommandIDs.refresh, { label: trans.__('Refresh experiments'), execute: () => model.refresh() });
  commands.addCommand(CommandIDs.chooseRoot, {
    label: trans.__('Choose the folder of all experiments …'),
    execute: async args => {
      const root = typeof args['root'] === 'string' ? args['root'] : await nameRoot(model.root, trans);
      if (root !== null) {
        await settings.setRoot(trimmed(root));
      }
    }
  });
}

/** Cards of the launcher and entries of the palette. */
function addEntries({ trans }: IParts, launcher: ILauncher | null, palette: ICommandPalette | null): void {
  const category = trans.__('Experiments');
  LAUNCHED.forEach((template, rank) => launcher?.add({ command: CommandIDs.create, args: { template }, category, rank }));
  launcher?.add({ command: CommandIDs.demo, category, rank: LAUNCHED.length });
  for (const { template } of cards(trans)) {
    palette?.addItem({ command: CommandIDs.create, args: { template, isPalette: true }, category });
  }
  for (const command of [CommandIDs.demo, CommandIDs.verify]) {
    palette?.addItem({ command, args: { isPalette: true }, category });
  }
  for (const command of [CommandIDs.show, CommandIDs.refresh, CommandIDs.chooseRoot]) {
    palette?.addItem({ command, category });
  }
}

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'Experiments: launcher cards, panel, memos and plans as documents, status.',
  autoStart: true,
  requires: [ISettingRegistry],
  optional: [ITranslator, ILauncher, ICommandPalette, IThemeManager, ILayoutRestorer, IStatusBar, ILabShell],
  activate
};

export default plugin;
