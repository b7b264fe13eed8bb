/** The workbench in JupyterLab: launcher cards, panel, documents, status bar, palette. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette, IThemeManager, Notification, WidgetTracker } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';

import { Api } from './api';
import { chooseExperiment, choosePlan, nameRoot } from './ask';
import { CommandIDs } from './commands';
import { decisionIcon, demoIcon, experimentsIcon, memoIcon, planIcon, preflightIcon, readoutIcon } from './icons';
import { sorted } from './listing';
import { Model } from './model';
import { Panel } from './panel';
import { Status } from './status';
import type { XpDocument } from './viewer';
import { Factory } from './viewer';

const PLUGIN = '@xpbench/labextension:plugin';

interface ICard {
  template: string;
  label: string;
  caption: string;
  icon: LabIcon;
}

function cards(trans: TranslationBundle): ICard[] {
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
const LAUNCHED = ['plan', 'preflight', 'readout', 'decision'];

/** The settings as they are used here. */
function read(settings: ISettingRegistry.ISettings): { root: string; seconds: number } {
  const root = settings.get('root').composite;
  const seconds = settings.get('refreshSeconds').composite;
  return { root: typeof root === 'string' ? root.replace(/^\/+|\/+$/g, '') : '', seconds: typeof seconds === 'number' ? seconds : 5 };
}

function paint(theme: unknown): void {
  document.body.dataset['xpTheme'] = theme === 'plain' || theme === 'colour' ? theme : 'colour';
}

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
  const category = trans.__('Experiments');
  app.shell.add(panel, 'left', { rank: 600 });
  restorer?.add(panel, panel.id);

  let settings: ISettingRegistry.ISettings | null = null;
  const loaded = registry
    .load(PLUGIN)
    .then(found => {
      settings = found;
      const apply = (): void => {
        model.configure(read(found));
        paint(found.get('theme').composite);
      };
      found.changed.connect(apply);
      apply();
    })
    .catch((error: unknown) => {
      console.warn('xpbench: settings could not be read', error);
    });
  void Promise.all([app.restored, loaded]).then(() => {
    model.start();
    if (PageConfig.getOption('xpbenchOpen') === 'true') {
      app.shell.activateById(panel.id); // started by `xpbench lab`
    }
  });

  const setRoot = async (root: string): Promise<void> => {
    model.configure({ ...(settings === null ? { seconds: 5 } : read(settings)), root });
    await settings?.set('root', root);
    await model.refresh();
  };
  const fail = (what: string, error: unknown): void => {
    Notification.error(`${what} ${error instanceof Error ? error.message : String(error)}`, { autoClose: false });
  };

  const { commands } = app;
  commands.addCommand(CommandIDs.show, {
    label: trans.__('Show experiments'),
    icon: experimentsIcon,
    execute: () => { app.shell.activateById(panel.id); }
  });
  commands.addCommand(CommandIDs.refresh, { label: trans.__('Refresh experiments'), execute: () => model.refresh() });
  commands.addCommand(CommandIDs.chooseRoot, {
    label: trans.__('Choose the folder of all experiments …'),
    execute: async args => {
      const root = typeof args['root'] === 'string' ? args['root'] : await nameRoot(model.root, trans);
      if (root !== null) {
        await setRoot(root.replace(/^\/+|\/+$/g, ''));
      }
    }
  });
  commands.addCommand(CommandIDs.open, {
    label: trans.__('Open memo or plan'),
    execute: async args => {
      if (typeof args['path'] === 'string') {
        await commands.execute('docmanager:open', { path: args['path'] });
      }
    }
  });

  const all = cards(trans);
  commands.addCommand(CommandIDs.create, {
    label: args => {
      const label = all.find(c => c.template === args['template'])?.label ?? trans.__('New notebook for an experiment');
      return args['isPalette'] === true ? `${label} …` : label;
    },
    caption: args => all.find(c => c.template === args['template'])?.caption ?? '',
    icon: args => (args['isPalette'] === true ? undefined : all.find(c => c.template === args['template'])?.icon),
    execute: async args => {
      const template = typeof args['template'] === 'string' ? args['template'] : 'readout';
      const label = all.find(c => c.template === template)?.label ?? template;
      let key = typeof args['key'] === 'string' ? args['key'] : null;
      let parameters: Record<string, string> = {};
      if (key === null) {
        await model.refresh();
        const items = sorted(model.listing?.items ?? []).filter(i => i.state !== 'broken' && i.state !== 'draft');
        if (template === 'plan') {
          const chosen = await choosePlan((await api.templates().catch(() => ({ plans: [] }))).plans, trans);
          if (chosen === null) {
            return;
          }
          key = '';
          parameters = { template: chosen };
        } else if (items.length === 0) {
          Notification.info(trans.__('There is no registered experiment yet. Start with a plan, or with the demo.'));
          return;
        } else {
          key = await chooseExperiment(items, label, trans);
        }
      }
      if (key === null) {
        return;
      }
      try {
        const made = await api.notebook({ template, key, root: model.listing?.root ?? model.root, parameters });
        await commands.execute('docmanager:open', { path: made.path, factory: 'Notebook' });
      } catch (error) {
        fail(trans.__('The notebook could not be made.'), error);
      }
    }
  });
  commands.addCommand(CommandIDs.demo, {
    label: trans.__('Demo'),
    caption: trans.__('A simulated experiment with known truth, from plan to memo'),
    icon: args => (args['isPalette'] === true ? undefined : demoIcon),
    execute: async () => {
      const running = api.demo();
      Notification.promise(running.then(made => made.folder), {
        pending: { message: trans.__('Simulating an experiment, from plan to memo … (about half a minute)') },
        success: { message: folder => trans.__('The demo is in %1.', folder) },
        error: { message: error => trans.__('The demo stopped: %1', error instanceof Error ? error.message : String(error)) }
      });
      try {
        const made = await running;
        await setRoot(made.root);
        app.shell.activateById(panel.id);
        await commands.execute('docmanager:open', { path: made.notebook });
        await commands.execute('docmanager:open', { path: made.memo });
      } catch {
        // the notification has said it
      }
    }
  });

  const tracker = new WidgetTracker<XpDocument>({ namespace: 'xpbench-documents' });
  commands.addCommand(CommandIDs.verify, {
    label: trans.__('Verify memo or plan'),
    icon: args => (args['isPalette'] === true ? undefined : memoIcon),
    isEnabled: () => tracker.currentWidget !== null && tracker.currentWidget === app.shell.currentWidget,
    execute: () => tracker.currentWidget?.verify()
  });
  addDocuments(app, tracker, { api, contents: app.serviceManager.contents, themes, trans });

  LAUNCHED.forEach((template, rank) => launcher?.add({ command: CommandIDs.create, args: { template }, category, rank }));
  launcher?.add({ command: CommandIDs.demo, category, rank: LAUNCHED.length });
  if (palette !== null) {
    for (const { template } of all) {
      palette.addItem({ command: CommandIDs.create, args: { template, isPalette: true }, category });
    }
    for (const command of [CommandIDs.demo, CommandIDs.verify]) {
      palette.addItem({ command, args: { isPalette: true }, category });
    }
    for (const command of [CommandIDs.show, CommandIDs.refresh, CommandIDs.chooseRoot]) {
      palette.addItem({ command, category });
    }
  }
  if (statusBar !== null && labShell !== null) {
    statusBar.registerStatusItem(`${PLUGIN}:status`, {
      item: new Status(model, () => { app.shell.activateById(panel.id); }, trans),
      align: 'left',
      rank: 900
    });
  }
}

/** Memos and plans open in our viewer; "Open With" still has the editor. */
function addDocuments(
  app: JupyterFrontEnd,
  tracker: WidgetTracker<XpDocument>,
  parts: { api: Api; contents: JupyterFrontEnd['serviceManager']['contents']; themes: IThemeManager | null; trans: TranslationBundle }
): void {
  const { trans } = parts;
  const { docRegistry } = app;
  const type = (name: string, displayName: string, pattern: string, icon: LabIcon, extensions: string[], mime: string): string => {
    docRegistry.addFileType({ name, displayName, pattern, icon, extensions, mimeTypes: [mime], contentType: 'file', fileFormat: 'text' });
    return name;
  };
  const types = [
    type('xpbench-memo', trans.__('Decision memo'), '^(.*[.\\-])?memo\\.html$', memoIcon, ['.memo.html'], 'text/html'),
    type('xpbench-memo-json', trans.__('Decision memo (data)'), '^(.*[.\\-])?memo\\.json$', memoIcon, ['.memo.json'], 'application/json'),
    type('xpbench-plan', trans.__('Experiment plan'), '^(.*\\.)?plan\\.json$', planIcon, ['.plan.json'], 'application/json')
  ];
  const factory = new Factory(
    { name: 'Experiment document', label: trans.__('Experiment document'), modelName: 'text', fileTypes: types, defaultFor: types, readOnly: true },
    parts
  );
  factory.widgetCreated.connect((_, widget) => {
    widget.context.pathChanged.connect(() => void tracker.save(widget));
    void tracker.add(widget);
  });
  docRegistry.addWidgetFactory(factory);
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
