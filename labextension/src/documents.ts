/** Memos and plans open in our viewer; "Open With" still has the editor. */

import type { IThemeManager } from '@jupyterlab/apputils';
import { WidgetTracker } from '@jupyterlab/apputils';
import type { LabIcon } from '@jupyterlab/ui-components';

import { CommandIDs } from './commands';
import { memoIcon, planIcon } from './icons';
import type { IParts } from './parts';
import { Factory } from './viewer';
import type { XpDocument } from './viewer';

export function addDocuments({ app, api, trans }: IParts, themes: IThemeManager | null): void {
  const { commands, docRegistry, serviceManager, shell } = app;
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
    { api, contents: serviceManager.contents, themes, trans }
  );
  const tracker = new WidgetTracker<XpDocument>({ namespace: 'xpbench-documents' });
  factory.widgetCreated.connect((_, widget) => {
    widget.context.pathChanged.connect(() => void tracker.save(widget));
    void tracker.add(widget);
  });
  docRegistry.addWidgetFactory(factory);

  commands.addCommand(CommandIDs.open, {
    label: trans.__('Open memo or plan'),
    execute: async args => {
      if (typeof args['path'] === 'string') {
        await commands.execute('docmanager:open', { path: args['path'] });
      }
    }
  });
  commands.addCommand(CommandIDs.verify, {
    label: trans.__('Verify memo or plan'),
    icon: args => (args['isPalette'] === true ? undefined : memoIcon),
    isEnabled: () => tracker.currentWidget !== null && tracker.currentWidget === shell.currentWidget,
    execute: () => tracker.currentWidget?.verify()
  });
}
